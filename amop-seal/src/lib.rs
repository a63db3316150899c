#![doc = include_str!("../README.md")]
//!
//! [`seal`], [`SealedReader`] and [`ReplayWindow`] get the time and the randomness from the caller, and a `ReplayWindow`
//! returns the state to save instead of saving it. Only [`SealingKey::generate`], the functions that read and write key
//! files, and [`FileStore`] access the system. `docs/sealed-topics.md` in the repository describes every byte of the
//! layout.
#![forbid(unsafe_code)]

mod error;
mod guard;
mod keys;
mod layout;
mod open;
mod pem;
mod seal;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod window;

pub use error::{OpenError, ReaderError, SealError};
pub use guard::{GuardError, ReplayGuard};
pub use keys::{KeyId, SealingKey, SealingKeyError, SealingKeyProblem, SealingPublicKey};
pub use layout::{
    MAGIC, MAX_RECIPIENTS, MessageId, OVERHEAD, OVERHEAD_PER_RECIPIENT, RequestDigest, SealedKind,
    VERSION,
};
pub use open::{OpenedMessage, SealedReader, is_sealed, open_reply};
pub use seal::{Recipients, Sealed, SealedAnswer, seal, seal_reply};
pub use state::StateError;
pub use store::{FileStore, ReplayStore};
pub use window::{MAX_REMEMBERED, Mark, ReplayRefusal, ReplaySettings, ReplayWindow};
