//! The suites, groups and signatures that each mode offers in the handshake.

use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};

use crate::{Mode, algs, kx, sign};

impl Mode {
    pub(crate) fn algs(self) -> &'static WebPkiSupportedAlgorithms {
        match self {
            Self::Ec => &algs::EC,
            Self::Rsa => &algs::RSA,
        }
    }
}

/// Returns the rustls crypto provider for a mode (channel-v2 section 2.4).
///
/// X25519 is not in either: production nodes, which are based on OpenSSL, use its group number 29
/// for SM2, and choosing it would make the handshake fail (p2p-v2 section 2.3).
///
/// It is for programs that build a rustls configuration themselves; [`Identity`](crate::Identity)
/// uses it already.
pub fn crypto_provider(mode: Mode) -> CryptoProvider {
    let (cipher_suites, kx_groups) = match mode {
        Mode::Ec => (
            vec![
                cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            ],
            vec![kx::SECP256K1, kx_group::SECP256R1],
        ),
        Mode::Rsa => (
            vec![
                cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            ],
            // secp256k1 is also needed here: python-sdk and nodejs-sdk offer no other group.
            vec![kx::SECP256K1, kx_group::SECP256R1, kx_group::SECP384R1],
        ),
    };
    CryptoProvider {
        cipher_suites,
        kx_groups,
        signature_verification_algorithms: *mode.algs(),
        key_provider: &sign::KeyLoader,
        ..default_provider()
    }
}
