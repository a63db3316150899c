//! Derives keys from passwords.

use std::num::NonZeroU32;

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use aws_lc_rs::pbkdf2::{
    self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA384, PBKDF2_HMAC_SHA512,
};
use der::Sequence;
use der::asn1::{ObjectIdentifier, OctetString};
use zeroize::Zeroizing;

use super::algorithm::{Algorithm, bounded, unsupported};
use super::problem::{Pkcs12Problem, malformed};

const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
const HMACS: [(ObjectIdentifier, pbkdf2::Algorithm); 4] = [
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.2.7"),
        PBKDF2_HMAC_SHA1,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.2.9"),
        PBKDF2_HMAC_SHA256,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.2.10"),
        PBKDF2_HMAC_SHA384,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.2.11"),
        PBKDF2_HMAC_SHA512,
    ),
];

/// SHA-1's output and block, in bytes.
const OUTPUT: usize = 20;
const BLOCK: usize = 64;

/// The purpose of a derived key: RFC 7292 appendix B.3.
#[derive(Debug, Clone, Copy)]
pub(super) enum KdfPurpose {
    Key = 1,
    Iv = 2,
}

#[derive(Sequence)]
struct Parameters<'a> {
    salt: OctetString,
    iterations: u32,
    length: Option<u16>,
    hmac: Option<Algorithm<'a>>,
}

/// Derives a key with PBKDF2, RFC 8018 section 5.2.
pub(super) fn by_pbkdf2(
    algorithm: &Algorithm<'_>,
    password: &str,
    len: usize,
) -> Result<Zeroizing<Vec<u8>>, Pkcs12Problem> {
    if algorithm.oid != PBKDF2 {
        return Err(unsupported(algorithm));
    }
    let parameters = algorithm.parameters.ok_or(Pkcs12Problem::Malformed)?;
    let parameters: Parameters<'_> = parameters.decode_as().map_err(malformed)?;
    let rounds = NonZeroU32::new(bounded(parameters.iterations)?);
    let rounds = rounds.ok_or(Pkcs12Problem::Malformed)?;
    if parameters
        .length
        .is_some_and(|length| usize::from(length) != len)
    {
        return Err(Pkcs12Problem::Malformed);
    }
    let hmac = match &parameters.hmac {
        None => PBKDF2_HMAC_SHA1,
        Some(wanted) => HMACS
            .iter()
            .find(|(oid, _)| *oid == wanted.oid)
            .map(|(_, hmac)| *hmac)
            .ok_or_else(|| unsupported(wanted))?,
    };
    let mut key = Zeroizing::new(vec![0; len]);
    let salt = parameters.salt.as_bytes();
    pbkdf2::derive(hmac, rounds, salt, password.as_bytes(), &mut key);
    Ok(key)
}

/// Derives a key as in RFC 7292 appendix B.2, with SHA-1.
pub(super) fn by_sha1(
    purpose: KdfPurpose,
    password: &str,
    salt: &[u8],
    rounds: u32,
    len: usize,
) -> Zeroizing<Vec<u8>> {
    // UTF-16, big-endian, with a zero at the end.
    let units = password.encode_utf16().chain([0]);
    let password = Zeroizing::new(units.flat_map(u16::to_be_bytes).collect::<Vec<u8>>());
    let mut input = filled(salt);
    input.extend_from_slice(&filled(&password));
    let mut derived = Zeroizing::new(Vec::with_capacity(len + OUTPUT));
    loop {
        let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        context.update(&[purpose as u8; BLOCK]);
        context.update(&input);
        let mut output = context.finish();
        for _ in 1..rounds {
            output = aws_lc_rs::digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, output.as_ref());
        }
        derived.extend_from_slice(output.as_ref());
        if derived.len() >= len {
            derived.truncate(len);
            return derived;
        }
        let repeated: Vec<u8> = output
            .as_ref()
            .iter()
            .copied()
            .cycle()
            .take(BLOCK)
            .collect();
        for block in input.chunks_exact_mut(BLOCK) {
            add_one_more(block, &repeated);
        }
    }
}

/// Returns the bytes, repeated to fill whole blocks.
fn filled(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let len = bytes.len().div_ceil(BLOCK) * BLOCK;
    Zeroizing::new(bytes.iter().copied().cycle().take(len).collect())
}

/// Adds another number of the same length, and one.
fn add_one_more(number: &mut [u8], other: &[u8]) {
    let mut carry = 1;
    for (byte, more) in number.iter_mut().zip(other).rev() {
        let sum = u16::from(*byte) + u16::from(*more) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
}
