//! The SDK side of a channel connection: [`ClientSession`], a machine without I/O.
//!
//! It shakes hands, keeps the connection alive, tells the node which topics are wanted, ties
//! answers to requests and hands over what the node pushes. Bytes, instants and a seed go in;
//! bytes and [`Event`]s come out, the same ones for the same input.
//!
//! # Quiet multicasts
//!
//! A node answers every multicast with a frame that says no more than that it took it. A node of ours
//! says in its handshake answer ([`HandshakeResponse::quiet_multicasts`]) that it can do without:
//! a multicast whose result field is [`QUIET`] is answered only if it is refused. Since frames are
//! handled in order, an answer to a later multicast, a refusal included, confirms those before it.
//! The last multicast of what `poll_transmit` hands out always asks for an answer, and so does at
//! least one in 64 and one in 64 KiB: whoever sends now and then waits no longer than before, and
//! a flood of them is confirmed by a few frames. To every other node all multicasts ask.
//!
//! [`HandshakeResponse::quiet_multicasts`]: crate::channel::HandshakeResponse::quiet_multicasts
//! [`QUIET`]: crate::channel::QUIET
//!
//! # Several nodes
//!
//! A client of several nodes has a session for each. [`Pool`] decides which nodes to dial and when,
//! [`Attempts`] over which sessions a message is tried, and [`Window`] what the program has already.
//!
//! ```
//! use std::time::Instant;
//!
//! use amop_proto::channel::{Frame, FrameDecoder, HandshakeResponse};
//! use amop_proto::client::{ClientConfig, ClientSession, Event};
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
//! assert!(matches!(session.poll_event(), Some(Event::Ready { .. })));
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

pub use attempts::{Attempt, Attempts, MAX_CUT_OFFS, Next};
pub use challenges::Challenge;
pub use config::{ClientConfig, Refused, RefusedWhy};
pub use event::{CloseReason, Event, Kind, Notice, Outcome, Push};
pub use pool::{Pool, PoolConfig};
pub use session::ClientSession;
pub use window::{Arrival, Window, WindowConfig};
