//! Sealed topics of AMOP: messages that only their recipients can read and only their publisher can
//! have made, whatever the nodes in between do.
//!
//! A publisher names the public keys of those who may read a message; a subscriber names the public
//! keys of those it takes messages from. The content is encrypted once, with a key of its own, and that
//! key is wrapped for each recipient by HPKE (RFC 9180). All of it, the recipients and the topic
//! included, is signed with Ed25519 (RFC 8032). `docs/sealed-topics.md` has the layout byte by byte.
//!
//! The protocol is sans-IO: [`seal`], [`Reader`] and [`Window`] are given the time and the randomness,
//! and a `Window` says what has to be saved rather than saving it. [`SealingKey::generate`], the
//! functions that read and write key files, and [`FileStore`] are the only ones that touch the system.
//!
//! ```
//! use amop_seal::{Kind, Reader, Recipients, SealingKey, Window, Settings, seal};
//!
//! let bank = SealingKey::generate();
//! let custodian = SealingKey::generate();
//! let now = 1_700_000_000_000;
//!
//! let recipients = Recipients::new(&[custodian.public_key()])?;
//! let message = seal(
//!     &bank, &recipients, "settlement", Kind::Multicast, now, b"100", &mut rand::rng(),
//! )?;
//!
//! let window = Window::first(Settings::default(), now);
//! let mut reader = Reader::new("settlement", &[custodian], &[bank.public_key()], window)?;
//! let opened = reader.open(&message.bytes, Kind::Multicast, now)?;
//! assert_eq!(opened.content, b"100");
//! // The mark is saved, for instance by a `FileStore`, before the message is used.
//! let mark = reader.next_mark(&opened, now);
//! reader.saved(&mark);
//! reader.accept(&opened, now)?;
//! // A second time it is refused.
//! assert!(reader.open(&message.bytes, Kind::Multicast, now).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
    Digest, Id, Kind, MAGIC, MAX_RECIPIENTS, OVERHEAD, OVERHEAD_PER_RECIPIENT, VERSION,
};
pub use open::{Opened, Reader, is_sealed, open_reply};
pub use seal::{Answer, Recipients, Sealed, seal, seal_reply};
pub use state::StateError;
pub use store::{FileStore, ReplayStore};
pub use window::{MAX_REMEMBERED, Mark, Refusal, Settings, Window};
