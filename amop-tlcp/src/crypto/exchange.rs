//! The SM2 key exchange of suite 0xe011 (GB/T 32918.3), without key confirmation.

use rand_core::CryptoRng;
use sm2::elliptic_curve::ops::Reduce;
use sm2::elliptic_curve::{Generate, Group};
use sm2::{FieldBytes, NonZeroScalar, Scalar, SecretKey};
use sm3::{Digest, Sm3};
use zeroize::Zeroizing;

use super::{IDENTITY, kdf};
use crate::{ConnectionRole, Sm2PublicKey};

/// The curve's a, b, and base point, in the form in which they are hashed with each public key.
const CURVE: [u8; 128] = {
    let mut bytes = [0; 128];
    let words: [u128; 8] = [
        0xFFFFFFFE_FFFFFFFF_FFFFFFFF_FFFFFFFF,
        0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFC,
        0x28E9FA9E_9D9F5E34_4D5A9E4B_CF6509A7,
        0xF39789F5_15AB8F92_DDBCBD41_4D940E93,
        0x32C4AE2C_1F198119_5F990446_6A39C994,
        0x8FE30BBF_F2660BE1_715A4589_334C74C7,
        0xBC3736A2_F4F6779C_59BDCEE3_6B692153,
        0xD0A9877C_C62A4740_02DF32E5_2139F0A0,
    ];
    let mut i = 0;
    while i < 128 {
        bytes[i] = words[i / 16].to_be_bytes()[i % 16];
        i += 1;
    }
    bytes
};

/// Returns Z: the hash of the identity, the curve and a public key.
pub(crate) fn identity_hash(key: &Sm2PublicKey) -> [u8; 32] {
    let bits = u16::try_from(IDENTITY.len() * 8).expect("the identity is short");
    let mut hash = Sm3::new();
    hash.update(bits.to_be_bytes());
    hash.update(IDENTITY);
    hash.update(CURVE);
    hash.update(&key.to_sec1()[1..]);
    hash.finalize().into()
}

/// A key pair for one handshake.
pub(crate) struct Ephemeral {
    /// The secret key, which is zeroed when dropped.
    secret: SecretKey,
    public: Sm2PublicKey,
}

impl Ephemeral {
    pub(crate) fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        // This takes 32 bytes, first byte first, until they are a valid scalar, so that a test can
        // repeat a handshake.
        let secret = Zeroizing::new(NonZeroScalar::generate_from_rng(rng));
        Self::new(SecretKey::from(&*secret))
    }

    pub(crate) fn new(secret: SecretKey) -> Self {
        let public = Sm2PublicKey::from(secret.public_key());
        Self { secret, public }
    }

    pub(crate) fn public(&self) -> &Sm2PublicKey {
        &self.public
    }
}

/// The keys of this side.
pub(crate) struct Own<'a> {
    pub(crate) role: ConnectionRole,
    pub(crate) long_term: &'a SecretKey,
    pub(crate) long_term_public: &'a Sm2PublicKey,
    pub(crate) ephemeral: &'a Ephemeral,
}

/// The public keys of the other side.
pub(crate) struct Theirs<'a> {
    pub(crate) long_term: &'a Sm2PublicKey,
    pub(crate) ephemeral: &'a Sm2PublicKey,
}

/// Returns the shared secret. `None` if the common point is infinite, which happens only if the
/// peer chooses its key for this purpose.
///
/// The two scalar multiplications with secrets take the same time for all values.
pub(crate) fn agree<const N: usize>(
    own: &Own<'_>,
    theirs: &Theirs<'_>,
) -> Option<Zeroizing<[u8; N]>> {
    let secret = |key: &SecretKey| Zeroizing::new(*key.to_nonzero_scalar().as_ref());
    // t = d + x' r
    let mut t = secret(&own.ephemeral.secret);
    *t *= short(own.ephemeral.public());
    *t += *secret(own.long_term);
    // U = t (P + x' R)
    let their_point = theirs.long_term.point() + theirs.ephemeral.point() * short(theirs.ephemeral);
    let shared = Zeroizing::new(their_point * *t);
    if shared.is_identity().into() {
        return None;
    }
    let shared = Sm2PublicKey::from_point(&shared)?;
    let coordinates = Zeroizing::new(shared.to_sec1());
    let mut hashes = [
        identity_hash(own.long_term_public),
        identity_hash(theirs.long_term),
    ];
    // The client's hash comes first.
    if own.role == ConnectionRole::Server {
        hashes.reverse();
    }
    let mut key = Zeroizing::new([0; N]);
    kdf(&[&coordinates[1..], &hashes[0], &hashes[1]], &mut *key);
    Some(key)
}

/// x' = 2^127 + (x mod 2^127) of a point.
fn short(key: &Sm2PublicKey) -> Scalar {
    let mut bytes = FieldBytes::default();
    bytes[16..].copy_from_slice(&key.to_sec1()[17..33]);
    bytes[16] |= 0x80;
    Scalar::reduce(&bytes)
}

#[cfg(test)]
mod tests;
