//! TLS of guomi chains in safe Rust: TLCP as FISCO BCOS 3.x speaks it, and the mixture with TLS 1.2 of 2.x.
//!
//! Both authenticate both ends by two certificates each, one for signatures and one for encryption, with keys
//! of SM2. Records are encrypted with SM4 and authenticated with SM3. [`Flavour`] says which of the two protocols is
//! spoken; each has one cipher suite here, no resumption and no renegotiation.
//!
//! * [`Connection`] is the protocol alone, for client and server: bytes in, bytes out, time and randomness are
//!   passed in. Its page has an example.
//! * [`stream`] is a thin shell around it for tokio (feature `tokio`, on by default).
//! * [`Verifier`] is what the caller decides with who is let in. There is none in this crate.
//!
//! `README.md` says what has been reviewed and what has not. Read it before you rely on this crate.
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate self as amop_tlcp;

mod alert;
mod certificates;
mod codec;
mod config;
mod connection;
mod crypto;
mod error;
mod flavour;
mod handshake;
mod identity;
mod limits;
mod messages;
mod record;
#[cfg(feature = "tokio")]
pub mod stream;
#[cfg(test)]
mod tests;

pub use alert::Alert;
pub use certificates::{PeerCertificates, PeerKeys, Verifier};
pub use config::Config;
pub use connection::Connection;
pub use crypto::keys::{KeyError, PrivateKey, PublicKey};
pub use error::{Error, Refusal};
pub use flavour::{Flavour, Role};
pub use identity::{Identity, IdentityError};

/// Where a connection's randomness comes from.
type Randomness = Box<dyn rand_core::CryptoRng + Send + Sync>;
