//! The SDK side of a channel connection: [`ClientSession`], a machine without I/O.
//!
//! It does the handshake, keeps the connection alive, tells the node the topics, matches answers to
//! requests and returns the messages that the node pushes. Bytes, instants and a seed go in; bytes
//! and [`SessionEvent`]s come out, always the same ones for the same input.
//!
//! # Quiet multicasts
//!
//! A node answers every multicast with a frame that only says that the node took it. An overlay
//! node says in its handshake answer ([`HandshakeResponse::quiet_multicasts`]) that it can omit
//! these answers: a multicast whose result field is [`NO_ACK`] is answered only if it is refused.
//! Since frames are handled in order, an answer to a later multicast, even a refusal, confirms
//! those before it. The last multicast of each output of `poll_transmit` always asks for an answer,
//! and so does at least one in 64 and one in 64 KiB. So a client that sends rarely waits no longer
//! than without quiet multicasts, and a flood is confirmed by a few frames. Multicasts to all other
//! nodes ask for an answer.
//!
//! [`HandshakeResponse::quiet_multicasts`]: crate::channel::HandshakeResponse::quiet_multicasts
//! [`NO_ACK`]: crate::channel::NO_ACK
//!
//! # Several nodes
//!
//! A client of several nodes has one session for each. [`EndpointPool`] decides which nodes to dial
//! and when, [`Attempts`] decides over which sessions a message is tried, and [`DedupWindow`] knows
//! the messages that the program already has.
//!
//! ```
//! use std::time::Instant;
//!
//! use amop_proto::channel::{Frame, FrameDecoder, HandshakeResponse};
//! use amop_proto::client::{ClientConfig, ClientSession, SessionEvent};
//! use bytes::BytesMut;
//!
//! let now = Instant::now();
//! let mut session = ClientSession::<u32>::new(ClientConfig::default(), [7; 32], now);
//!
//! // The first frame is the version handshake.
//! let mut wire = BytesMut::new();
//! session.poll_transmit(now, &mut wire);
//! let hello = FrameDecoder::default().decode(&mut wire)?.unwrap();
//!
//! // A node answers it, and the session is ready.
//! let body = HandshakeResponse {
//!     node_version: "2.11.1".into(),
//!     protocol: 3,
//!     quiet_multicasts: false,
//!     answer_within: None,
//!     max_frame: None,
//! }
//! .to_body();
//! session.handle_frame(now, Frame { body, ..hello });
//! assert!(matches!(session.poll_event(), Some(SessionEvent::Ready { .. })));
//! # Ok::<(), amop_proto::channel::FrameError>(())
//! ```

mod attempts;
mod challenges;
mod config;
mod event;
mod liveness;
mod multicasts;
mod pool;
mod requests;
mod session;
#[cfg(test)]
mod tests;
mod topics;
mod window;

pub use attempts::{AttemptEnd, Attempts, MAX_CUT_OFFS, NextAttempt};
pub use challenges::Challenge;
pub use config::{ClientConfig, RefusalReason, RefusedRequest};
pub use event::{
    CloseReason, ExpiredCertificate, MessageKind, Push, RequestOutcome, SessionEvent, SessionNotice,
};
pub use pool::{EndpointPool, PoolConfig};
pub(crate) use requests::{Ended, Requests};
pub use session::ClientSession;
pub use window::{DedupWindow, UnicastArrival, WindowConfig};
