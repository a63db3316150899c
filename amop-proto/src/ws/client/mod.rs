//! The SDK side of a connection to a node of FISCO BCOS 3.x: [`WsClientSession`], a machine without
//! I/O.
//!
//! It does the handshake, keeps the connection alive, tells the node the topics, matches answers to
//! unicasts and returns the messages that the node delivers. Decoded messages, instants and a seed
//! go in; [`WsTransmit`](super::WsTransmit)s and [`WsClientEvent`]s come out, always the same ones for
//! the same input. It is the counterpart of [`ClientSession`](crate::client::ClientSession) for 2.x.
//!
//! FISCO nodes of 3.x differ from those of 2.x in what a program notices:
//!
//! * No answer says that a multicast was taken, or that a list of topics is in force.
//! * A topic is never removed from a session. Messages of a topic that the program has left are
//!   refused here.
//! * A subscriber that has not answered for 30 s gets the message a second time with another seq:
//!   [`WsPush::repeats`].
//! * A publisher that has the topic, too, may get its own unicast, and always gets its own
//!   multicasts.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use amop_proto::ws::{
//!     MAX_MESSAGE, WsHandshakeResponse, WsMessage, WsTopic, WsTransmit, WsType,
//!     client::{WsClientConfig, WsClientEvent, WsClientSession, WsOutcome},
//! };
//!
//! let now = Instant::now();
//! let mut session = WsClientSession::new(WsClientConfig::default(), [7; 32], now);
//! let sent = |session: &mut WsClientSession<&'static str>| match session.poll_transmit() {
//!     Some(WsTransmit::Message(message)) => WsMessage::decode(message.to_bytes(), MAX_MESSAGE),
//!     other => panic!("{other:?}"),
//! };
//!
//! // The first message is the version handshake. A node answers it, and the session is ready.
//! let hello = sent(&mut session)?;
//! let payload = WsHandshakeResponse::new(2, Vec::new()).to_payload();
//! session.handle_message(now, WsMessage { payload, ..hello });
//! assert!(matches!(session.poll_event(), Some(WsClientEvent::Ready(_))));
//! assert_eq!(sent(&mut session)?.kind, WsType::SET_TOPICS);
//!
//! // Publish a unicast. The answer is recognised by its seq.
//! let topic = WsTopic::new("topic1")?;
//! session.request(&topic, "hello", now + Duration::from_secs(5), "first").unwrap();
//! let unicast = sent(&mut session)?;
//! session.handle_message(now, WsMessage::new(WsType::RESPONSE, unicast.seq, "world"));
//! let (token, outcome) = ("first", WsOutcome::Answered("world".into()));
//! assert_eq!(session.poll_event(), Some(WsClientEvent::Finished { token, outcome }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod deliveries;
mod event;
mod session;
#[cfg(test)]
mod tests;
mod topics;

pub use config::{RefusedUnicast, WsClientConfig, WsRefusal};
pub use event::{WsClientCloseReason, WsClientEvent, WsClientNotice, WsOutcome, WsPush};
pub use session::WsClientSession;
