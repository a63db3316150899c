//! The node's side of a connection with an SDK of FISCO BCOS 3.x: [`WsServerSession`], a machine
//! without I/O.
//!
//! It does the handshake, answers the questions that SDKs ask before they use AMOP, keeps the
//! session's topics, and passes messages between the SDK and the node's router. Decoded messages,
//! instants, a seed and the router's calls go in; [`WsTransmit`](super::WsTransmit)s and
//! [`WsServerEvent`]s come out, always the same ones for the same input.
//!
//! Nothing is sent before the handshake's answer, except answers to the SDK's own messages: some SDKs
//! end the session otherwise (ws-v3 section 12.1).
//!
//! ```
//! use std::{sync::Arc, time::Instant};
//!
//! use amop_proto::ws::{
//!     AmopRequest, MAX_MESSAGE, WsHandshakeRequest, WsMessage, WsSeq, WsTransmit, WsType,
//!     server::{WsServerConfig, WsServerEvent, WsServerSession},
//! };
//!
//! let now = Instant::now();
//! let config = Arc::new(WsServerConfig::default());
//! let mut session = WsServerSession::new(config, [7; 32], now);
//! let seq = WsSeq::new(b"0123456789abcdef0123456789abcdef").unwrap();
//!
//! let payload = WsHandshakeRequest::client().to_payload();
//! session.handle_message(now, WsMessage::new(WsType::HANDSHAKE, seq.clone(), payload));
//! assert_eq!(session.poll_event(), Some(WsServerEvent::Ready { version: 2 }));
//! assert!(session.poll_transmit().is_some());
//! let topics = WsMessage::new(WsType::SET_TOPICS, seq, r#"{"topics":["topic1"]}"#);
//! session.handle_message(now, topics);
//! assert!(session.has_topic(b"topic1"));
//! session.poll_event();
//!
//! // Deliver a unicast. The SDK's answer has the same seq and returns the ticket.
//! let request = AmopRequest::new("topic1", "hello");
//! let seq = session.deliver(now, &request, "first").unwrap();
//! let answer = WsMessage::new(WsType::RESPONSE, seq.into(), "world");
//! session.handle_message(now, answer.clone());
//! let ticket = "first";
//! assert_eq!(session.poll_event(), Some(WsServerEvent::Answered { ticket, answer }));
//! ```

mod config;
mod event;
mod session;
#[cfg(test)]
mod tests;
mod topics;

pub use config::{DeliveryRefusal, ListMeaning, RefusedDelivery, WsServerConfig};
pub use event::{WsServerCloseReason, WsServerEvent, WsServerNotice};
pub use session::WsServerSession;
