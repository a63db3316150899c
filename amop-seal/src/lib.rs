//! Sealed topics of AMOP: only the recipients can read a message, and only its publisher can have
//! made it, even if nodes on the way are malicious.
//!
//! A publisher names the public keys of the recipients that may read a message; a subscriber names
//! the public keys of the publishers whose messages it accepts. The content is encrypted once with
//! its own key, and this key is wrapped for each recipient with HPKE (RFC 9180). The whole message,
//! including the recipients and the topic, is signed with Ed25519 (RFC 8032).
//! `docs/sealed-topics.md` describes every byte of the layout.
//!
//! The protocol is sans-IO: [`seal`], [`SealedReader`] and [`ReplayWindow`] get the time and the
//! randomness from the caller, and a `ReplayWindow` returns the state to save instead of saving it.
//! Only [`SealingKey::generate`], the functions that read and write key files, and [`FileStore`] access
//! the system.
//!
//! ```
//! use amop_seal::{SealedKind, SealedReader, Recipients, SealingKey, ReplayWindow, ReplaySettings, seal};
//!
//! let bank = SealingKey::generate();
//! let custodian = SealingKey::generate();
//! let now = 1_700_000_000_000;
//!
//! let recipients = Recipients::new(&[custodian.public_key()])?;
//! let message = seal(
//!     &bank, &recipients, "settlement", SealedKind::Multicast, now, b"100", &mut rand::rng(),
//! )?;
//!
//! let window = ReplayWindow::first(ReplaySettings::default(), now);
//! let mut reader = SealedReader::new("settlement", &[custodian], &[bank.public_key()], window)?;
//! let opened = reader.open(&message.bytes, SealedKind::Multicast, now)?;
//! assert_eq!(opened.content, b"100");
//! // The mark is saved, for instance by a `FileStore`, before the message is used.
//! let mark = reader.next_mark(&opened, now);
//! reader.saved(&mark);
//! reader.accept(&opened, now)?;
//! // A second time it is refused.
//! assert!(reader.open(&message.bytes, SealedKind::Multicast, now).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
