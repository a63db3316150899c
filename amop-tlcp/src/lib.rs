#![doc = include_str!("../README.md")]
//!
//! In both protocols each end authenticates itself with two certificates, one for signatures and
//! one for encryption, with SM2 keys. Records are encrypted with SM4 and authenticated with SM3.
//! [`Flavour`] chooses the protocol; each has one cipher suite here, no resumption and no
//! renegotiation.
//!
//! * [`TlcpConnection`] is the protocol itself, for client and server: bytes go in, bytes come out;
//!   time and randomness are passed in. Its documentation has an example.
//! * [`stream`] is a thin shell around it for tokio (feature `tokio`, on by default).
//! * [`CertificateVerifier`] is a trait with which the caller decides which peers to accept. This
//!   crate has no implementation of it.
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
pub use certificates::{CertificateVerifier, PeerCertificates, PeerKeys};
pub use config::Config;
pub use connection::TlcpConnection;
pub use crypto::keys::{PrivateKey, Sm2KeyError, Sm2PublicKey};
pub use error::{CertificateRefusal, TlcpError};
pub use flavour::{ConnectionRole, Flavour};
pub use identity::{IdentityError, TlcpIdentity};

/// The source of a connection's randomness.
type Randomness = Box<dyn rand_core::CryptoRng + Send + Sync>;
