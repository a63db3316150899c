//! Tests of certificates and handshakes: with this crate at both ends, and with OpenSSL.
#![forbid(unsafe_code)]

mod common;
mod failure;
mod handshake;
#[cfg(feature = "legacy-rsa")]
mod legacy_rsa;
mod loading;
mod openssl;
mod pki;
mod revocation;
mod roles;
mod sha1_signatures;
