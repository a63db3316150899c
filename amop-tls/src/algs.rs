//! Signature algorithms: one table for certificates and for handshakes.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use k256::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier};
use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};

#[cfg(test)]
thread_local! {
    /// The number of signatures checked in this thread.
    pub(crate) static CHECKED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// One signature algorithm, implemented by aws-lc-rs.
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

// These algorithms themselves refuse RSA keys shorter than 2048 bits.
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

/// ECDSA with SHA-1 and a secp256k1 key, which aws-lc-rs does not have. It is only for the
/// signatures of clients in handshakes, never for certificates.
#[derive(Debug)]
struct P256k1Sha1;

static P256K1_SHA1: &dyn SignatureVerificationAlgorithm = &P256k1Sha1;

impl SignatureVerificationAlgorithm for P256k1Sha1 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, message);
        // JDKs write either of the two values of s; k256 accepts only the lower one.
        key.verify_prehash(digest.as_ref(), &signature.normalize_s())
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256K1
    }

    /// Not used: [`CERTIFICATE`] does not contain this algorithm, so this is never compared.
    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
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

/// The one scheme that all peers have.
const BY_SHA256: (SignatureScheme, &[&dyn SignatureVerificationAlgorithm]) = (
    SignatureScheme::ECDSA_NISTP256_SHA256,
    &[P256K1_SHA256, P256_SHA256, P384_SHA256],
);

/// EC mode. In TLS 1.2 a scheme specifies only the hash, so secp256k1 signs with the scheme that is
/// named after P-256. SHA-384 is left out on purpose: a peer could choose it for its secp256k1 key,
/// and aws-lc-rs cannot check this.
pub(crate) static EC: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: CERTIFICATE,
    mapping: &[BY_SHA256],
};

/// EC mode, for signatures of SDKs: a JDK before 16 uses the scheme above only for P-256 keys,
/// because of its name, and has only SHA-224 and SHA-1 for secp256k1 keys. rustls offers no
/// SHA-224. The better scheme is first, and a peer that supports it does not use the other one.
pub(crate) static EC_SDKS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: CERTIFICATE,
    mapping: &[BY_SHA256, (OLD_SCHEME, &[P256K1_SHA1])],
};

/// The scheme of peers that have no better one.
pub(crate) const OLD_SCHEME: SignatureScheme = SignatureScheme::ECDSA_SHA1_Legacy;

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

/// Returns the algorithm for a certificate's signature by this kind of key, if it is supported.
pub(crate) fn for_certificate(
    key: AlgorithmIdentifier,
    sig: AlgorithmIdentifier,
) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    CERTIFICATE
        .iter()
        .copied()
        .find(|alg| alg.public_key_alg_id() == key && alg.signature_alg_id() == sig)
}

/// Returns the algorithm for a TLS 1.2 handshake signature by this kind of key with this scheme, if
/// `table` has it.
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

#[cfg(test)]
mod tests;
