#![doc = include_str!("../README.md")]
//!
//! After a handshake, [`peer_public_key`] and [`peer_info`] identify the peer. After a failed
//! handshake, [`HandshakeFailure`] says why it failed and what to do.
//!
//! # Supported TLS
//!
//! Only TLS 1.2, both client and server certificate required, only AEAD suites with forward
//! secrecy, no session resumption, no SNI, no ALPN.
//!
//! | | EC mode (channel, P2P) | RSA mode (channel) |
//! | --- | --- | --- |
//! | suites | ECDHE-ECDSA with AES256-GCM, AES128-GCM, CHACHA20 | ECDHE-RSA with the same |
//! | groups | secp256k1, P-256 | secp256k1, P-256, P-384 |
//! | signatures | ECDSA with SHA-256 | RSA PSS and PKCS#1, SHA-256 to SHA-512 |
//! | own certificate | secp256k1 | RSA, 2048 bits or more |
//!
//! X25519 is never offered, see [`crypto_provider`]. An SDK with a secp256k1 key may sign its
//! handshake with SHA-1 instead of SHA-256, see [`ServerOptions::sha1_client_signatures`].
//!
//! Certificate files may have damaged formatting, see [`pem`]; [`pkcs12`] reads the key stores of
//! SDKs in Java.
//!
//! # Not supported
//!
//! * **Static RSA key exchange.** Production nodes with `rsa_crypto_channel=true` probably offer
//!   nothing else, and rustls does not implement it. Connecting to such a node fails with
//!   [`HandshakeFailure::StaticRsaOnly`], which says what to do; the feature `legacy-rsa` has an
//!   OpenSSL client for this case.
//! * **Guomi** (SM2, SM3, SM4 and the national TLS). Files of these kinds are recognised and
//!   refused with [`TlsError::Guomi`].
//! * **TLS 1.3**, which has no scheme for secp256k1.
//!
//! # Verification
//!
//! Verification cannot be switched off. The chain must lead from a certificate in `ca.crt`, over at
//! most five intermediates that the peer sent, to the leaf. It is checked in this order, so that a
//! chain of an unknown authority costs only one or two signature checks. Every signature is checked
//! (ECDSA on secp256k1, P-256 and P-384 with SHA-256, on the latter two also with SHA-384; RSA
//! PKCS#1 of 2048 bits and more with SHA-256, 384 or 512), and every validity period, including
//! that of the CA. Intermediates must be of version 3 with CA:TRUE. These extensions are checked if
//! present, but are not required: keyUsage (keyCertSign, cRLSign, on the leaf digitalSignature),
//! pathLenConstraint and, on the leaf, extendedKeyUsage. Where a node is expected, an SDK's
//! certificate ([`Role`]) is refused, unless this is allowed explicitly. Certificates of version 1
//! can only be leaf or anchor. Other critical extensions are refused, and name constraints, too.
//! Host names are not checked, because the certificates have none. FISCO BCOS 2.x uses the word CRL
//! for a list of node IDs; use [`PeerFilter`] for it. X.509 revocation lists are given with
//! [`Identity::with_revocation_file`]. A leaf or intermediate on such a list is refused, even after
//! the list's nextUpdate.
//!
//! # Features
//!
//! * `pki`: creates certificates of this kind, for tests and development chains.
//! * `legacy-rsa`: adds `Identity::legacy_rsa`, a second backend for only one purpose: to connect,
//!   as a client, to a node that offers only static-RSA key exchange. It builds OpenSSL from
//!   source, which needs perl, make, a C compiler and some minutes. It is used only if the program
//!   asks for it.
//!
//!   It offers TLS 1.2 with `ECDHE-RSA-AES256-GCM-SHA384`, `ECDHE-RSA-AES128-GCM-SHA256`,
//!   `AES256-GCM-SHA384` and `AES128-GCM-SHA256`, in this order. The node's chain is verified by
//!   the code described above, not by OpenSSL. It supports no server, no P2P, no EC mode and no
//!   guomi.
//!
//!   **Warning:** static RSA has no forward secrecy. An attacker who records the traffic and later
//!   gets the node's `channel_cert/node.key` can read all of it. Prefer `rsa_crypto_channel=false`
//!   on the node where possible.

#![forbid(unsafe_code)]

mod algs;
mod cert;
mod config;
mod digest;
mod end;
mod error;
mod failure;
mod filter;
mod identity;
mod issuer;
mod key;
mod known;
mod kx;
#[cfg(feature = "legacy-rsa")]
mod legacy;
mod mode;
mod node_access;
mod oids;
mod path;
mod peer_info;
mod peers;
pub mod pem;
mod pin;
pub mod pkcs12;
#[cfg(feature = "pki")]
pub mod pki;
mod provider;
mod refusal;
mod revoke;
mod role;
mod rules;
mod side;
mod sign;
mod standing;
mod statement;
mod time;
mod verify;

pub use config::{ClientOptions, PeerOptions, ServerOptions};
pub use end::is_end;
pub use error::{TlsError, VerifyError};
pub use failure::HandshakeFailure;
pub use filter::PeerFilter;
pub use identity::{CertFiles, Identity, PemSource};
pub use key::{PUBLIC_KEY_LEN, ParsePublicKeyError, PublicKey};
#[cfg(feature = "legacy-rsa")]
pub use legacy::{LegacyHandshake, LegacyRsa};
pub use mode::Mode;
pub use node_access::NodeAccess;
#[cfg(feature = "legacy-rsa")]
pub use openssl;
pub use peer_info::{PeerInfo, peer_info, peer_public_key};
pub use peers::PeerVerifier;
pub use pin::{NodeKey, ParseNodeKeyError};
pub use provider::crypto_provider;
pub use role::Role;
pub use rustls;
pub use side::Side;
pub use standing::{AdmissionLapse, Admitted, Standing};
pub use statement::{rsa_public_key, rsa_signed_statement};
