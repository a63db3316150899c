//! Signature algorithms: one table for certificates and for handshakes.

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};

#[cfg(test)]
thread_local! {
    /// Signatures checked in this thread.
    pub(crate) static CHECKED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// One way to check a signature, done by aws-lc-rs.
struct Alg {
    key: AlgorithmIdentifier,
    sig: AlgorithmIdentifier,
    verify: &'static dyn VerificationAlgorithm,
    name: &'static str,
}

impl std::fmt::Debug for Alg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl SignatureVerificationAlgorithm for Alg {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        #[cfg(test)]
        CHECKED.with(|checked| checked.set(checked.get() + 1));
        UnparsedPublicKey::new(self.verify, public_key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.sig
    }
}

macro_rules! algs {
    ($($name:ident: $key:ident, $sig:ident, $verify:ident;)*) => {
        $(static $name: &dyn SignatureVerificationAlgorithm = &Alg {
            key: alg_id::$key,
            sig: alg_id::$sig,
            verify: &signature::$verify,
            name: stringify!($name),
        };)*
    };
}

// RSA keys shorter than 2048 bits are refused by these algorithms themselves.
algs! {
    P256K1_SHA256: ECDSA_P256K1, ECDSA_SHA256, ECDSA_P256K1_SHA256_ASN1;
    P256_SHA256: ECDSA_P256, ECDSA_SHA256, ECDSA_P256_SHA256_ASN1;
    P256_SHA384: ECDSA_P256, ECDSA_SHA384, ECDSA_P256_SHA384_ASN1;
    P384_SHA256: ECDSA_P384, ECDSA_SHA256, ECDSA_P384_SHA256_ASN1;
    P384_SHA384: ECDSA_P384, ECDSA_SHA384, ECDSA_P384_SHA384_ASN1;
    PKCS1_SHA256: RSA_ENCRYPTION, RSA_PKCS1_SHA256, RSA_PKCS1_2048_8192_SHA256;
    PKCS1_SHA384: RSA_ENCRYPTION, RSA_PKCS1_SHA384, RSA_PKCS1_2048_8192_SHA384;
    PKCS1_SHA512: RSA_ENCRYPTION, RSA_PKCS1_SHA512, RSA_PKCS1_2048_8192_SHA512;
    PSS_SHA256: RSA_ENCRYPTION, RSA_PSS_SHA256, RSA_PSS_2048_8192_SHA256;
    PSS_SHA384: RSA_ENCRYPTION, RSA_PSS_SHA384, RSA_PSS_2048_8192_SHA384;
    PSS_SHA512: RSA_ENCRYPTION, RSA_PSS_SHA512, RSA_PSS_2048_8192_SHA512;
}

/// Algorithms for the signatures in certificates.
static CERTIFICATE: &[&dyn SignatureVerificationAlgorithm] = &[
    P256K1_SHA256,
    P256_SHA256,
    P256_SHA384,
    P384_SHA256,
    P384_SHA384,
    PKCS1_SHA256,
    PKCS1_SHA384,
    PKCS1_SHA512,
];

/// EC mode. In TLS 1.2 a scheme names the hash only, so secp256k1 signs under
/// the scheme that is called after P-256. SHA-384 is left out on purpose: a
/// peer could choose it for its secp256k1 key, which aws-lc-rs cannot check.
pub(crate) static EC: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: CERTIFICATE,
    mapping: &[(
        SignatureScheme::ECDSA_NISTP256_SHA256,
        &[P256K1_SHA256, P256_SHA256, P384_SHA256],
    )],
};

/// RSA mode. PSS is for peers with OpenSSL 1.1.1 and later.
pub(crate) static RSA: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: CERTIFICATE,
    mapping: &[
        (SignatureScheme::RSA_PSS_SHA256, &[PSS_SHA256]),
        (SignatureScheme::RSA_PSS_SHA384, &[PSS_SHA384]),
        (SignatureScheme::RSA_PSS_SHA512, &[PSS_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[PKCS1_SHA256]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[PKCS1_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[PKCS1_SHA512]),
    ],
};

/// The algorithm for a certificate's signature by this kind of key, if we
/// have it.
pub(crate) fn for_certificate(
    key: AlgorithmIdentifier,
    sig: AlgorithmIdentifier,
) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    CERTIFICATE
        .iter()
        .copied()
        .find(|alg| alg.public_key_alg_id() == key && alg.signature_alg_id() == sig)
}

/// The algorithm for a TLS 1.2 handshake signature by this kind of key under
/// this scheme, if `table` has it.
pub(crate) fn for_handshake(
    table: &WebPkiSupportedAlgorithms,
    key: AlgorithmIdentifier,
    scheme: SignatureScheme,
) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    let (_, algs) = table.mapping.iter().find(|(s, _)| *s == scheme)?;
    algs.iter()
        .copied()
        .find(|alg| alg.public_key_alg_id() == key)
}
