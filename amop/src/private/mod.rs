//! Private topics: the keys that they are granted to, and the keys that this client subscribes
//! with.
//!
//! All of this is state of the client, so after a reconnect verification starts again without a
//! call by the program.

#[cfg(feature = "private")]
mod api;
#[cfg(feature = "private")]
mod keys;
#[cfg(not(feature = "private"))]
#[path = "no_keys.rs"]
mod keys;
mod state;
mod verification;

pub use keys::{TopicKey, TopicPublicKey};
pub(crate) use state::PrivateTopics;
pub(crate) use verification::Verification;
