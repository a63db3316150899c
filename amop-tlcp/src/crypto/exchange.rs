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
mod tests {
    use super::*;

    fn secret(digits: &str) -> SecretKey {
        SecretKey::from_slice(&hex::decode(digits).unwrap()).unwrap()
    }

    /// The example for the recommended curve in GB/T 32918.5.
    #[test]
    fn the_standard_s_example() {
        let a = secret("81EB26E941BB5AF16DF116495F90695272AE2CD63D6C4AE1678418BE48230029");
        let b = secret("785129917D45A9EA5437A59356B82338EAADDA6CEB199088F14AE10DEFA229B5");
        let (a_public, b_public) = (a.public_key().into(), b.public_key().into());
        let short_a = secret("D4DE15474DB74D06491C440D305E012400990F3E390C7E87153C12DB2EA60BB3");
        let short_b = secret("7E07124814B309489125EAED101113164EBF0F3458C5BD88335C1F9D596243D6");
        let (short_a, short_b) = (Ephemeral::new(short_a), Ephemeral::new(short_b));
        assert_eq!(
            hex::encode(&short_a.public().to_sec1()[1..33]),
            "64ced1bdbc99d590049b434d0fd73428cf608a5db8fe5ce07f15026940bae40e"
        );
        assert_eq!(
            hex::encode(identity_hash(&a_public)),
            "3b85a57179e11e7e513aa622991f2ca74d1807a0bd4d4b38f90987a17ac245b1"
        );
        assert_eq!(
            hex::encode(identity_hash(&b_public)),
            "79c988d63229d97ef19fe02ca1056e01e6a7411ed24694aa8f834f4a4ab022f7"
        );

        let of_a = agree::<16>(
            &Own {
                role: ConnectionRole::Client,
                long_term: &a,
                long_term_public: &a_public,
                ephemeral: &short_a,
            },
            &Theirs {
                long_term: &b_public,
                ephemeral: short_b.public(),
            },
        );
        let of_b = agree::<16>(
            &Own {
                role: ConnectionRole::Server,
                long_term: &b,
                long_term_public: &b_public,
                ephemeral: &short_b,
            },
            &Theirs {
                long_term: &a_public,
                ephemeral: short_a.public(),
            },
        );
        assert_eq!(
            hex::encode(*of_a.unwrap()),
            "6c89347354de2484c60b4ab1fde4c6e5"
        );
        assert_eq!(
            hex::encode(*of_b.unwrap()),
            "6c89347354de2484c60b4ab1fde4c6e5"
        );
    }

    /// A peer that knows the long-term key can choose an ephemeral key that cancels it.
    #[test]
    fn a_point_that_cancels_the_long_term_key_is_refused() {
        let long_term = secret(&"7".repeat(64));
        // d + x' r = 0 cannot be solved for r directly, since x' depends on r; the sum P + x' R
        // becomes infinite with P = -x' R.
        let ephemeral = Ephemeral::new(secret(&"5".repeat(64)));
        let cancelled = -(ephemeral.public().point() * short(ephemeral.public()));
        let theirs = Sm2PublicKey::from_point(&cancelled).unwrap();
        let own = Ephemeral::new(secret(&"3".repeat(64)));
        let agreed = agree::<48>(
            &Own {
                role: ConnectionRole::Client,
                long_term: &long_term,
                long_term_public: &long_term.public_key().into(),
                ephemeral: &own,
            },
            &Theirs {
                long_term: &theirs,
                ephemeral: ephemeral.public(),
            },
        );
        assert!(agreed.is_none());
    }
}
