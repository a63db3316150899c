#![doc = include_str!("../README.md")]
//!
//! [`seal`], [`SealedReader`] and [`ReplayWindow`] get the time and the randomness from the caller, and a `ReplayWindow`
//! returns the state to save instead of saving it. Only [`SealingKey::generate`], the functions that read and write key
//! files, and [`FileStore`] access the system. `docs/sealed-topics.md` in the repository describes every byte of the
//! layout.
#![forbid(unsafe_code)]

mod error;
mod guard;
mod key_error;
mod keys;
mod kind;
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
pub use key_error::{SealingKeyError, SealingKeyProblem};
pub use keys::{KeyId, SealingKey, SealingPublicKey};
pub use kind::{MAX_RECIPIENTS, MessageId, RequestDigest, SealedKind};
pub use layout::{MAGIC, OVERHEAD, OVERHEAD_PER_RECIPIENT, VERSION};
pub use open::{OpenedMessage, SealedReader, is_sealed, open_reply};
pub use seal::{Recipients, Sealed, SealedAnswer, seal, seal_reply};
pub use state::StateError;
pub use store::{FileStore, ReplayStore};
pub use window::{MAX_REMEMBERED, Mark, ReplayRefusal, ReplaySettings, ReplayWindow};
