//! Key files: PEM with a key of Ed25519 and one of X25519 (RFC 8410).

use pkcs8::{
    LineEnding, ObjectIdentifier, PrivateKeyInfoRef,
    der::{Decode, asn1::OctetStringRef, pem},
    spki::SubjectPublicKeyInfoRef,
};
use zeroize::Zeroizing;

use crate::key_error::SealingKeyProblem as Problem;

const ED25519: &str = "Ed25519";
const X25519: &str = "X25519";
const ED25519_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const X25519_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
const EC_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The bytes before the 32 bytes of a key; the last byte of the algorithm is filled in (RFC 8410
/// section 7).
const PRIVATE: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0, 4, 0x22, 4, 0x20,
];
const PRIVATE_ALGORITHM: usize = 11;
const PUBLIC: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0, 3, 0x21, 0];
const PUBLIC_ALGORITHM: usize = 8;
const ED25519_LAST: u8 = 112;
const X25519_LAST: u8 = 110;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// The keys found in a file, by kind.
struct Slots<T> {
    ed25519: Option<T>,
    x25519: Option<T>,
}

impl<T> Slots<T> {
    fn put(&mut self, algorithm: ObjectIdentifier, key: Option<T>) -> Result<(), Problem> {
        let (slot, name) = match algorithm {
            ED25519_OID => (&mut self.ed25519, ED25519),
            X25519_OID => (&mut self.x25519, X25519),
            EC_OID => {
                return Err(Problem::OtherKind(
                    "an elliptic curve: secp256k1, SM2 or NIST",
                ));
            }
            RSA_OID => return Err(Problem::OtherKind("RSA")),
            _ => return Err(Problem::OtherKind("neither Ed25519 nor X25519")),
        };
        if slot.is_some() {
            return Err(Problem::Twice(name));
        }
        *slot = Some(key.ok_or(Problem::NotPem)?);
        Ok(())
    }
}

/// Returns the private keys in a file: of Ed25519, and of X25519.
pub(crate) fn private_keys(text: &[u8]) -> Result<(Secret, Secret), Problem> {
    let mut slots: Slots<Secret> = Slots {
        ed25519: None,
        x25519: None,
    };
    for block in blocks(text)? {
        let (label, der) = pem::decode_vec(block).map_err(|_| Problem::NotPem)?;
        let der = Zeroizing::new(der);
        match label {
            "PRIVATE KEY" => {
                let info = PrivateKeyInfoRef::from_der(&der).map_err(|_| Problem::NotPem)?;
                slots.put(info.algorithm.oid, secret(&info))?;
            }
            "ENCRYPTED PRIVATE KEY" => return Err(Problem::Encrypted),
            "EC PRIVATE KEY" => {
                return Err(Problem::OtherKind(
                    "an elliptic curve: secp256k1, SM2 or NIST",
                ));
            }
            // Parameters, public keys and certificates in the same file do no harm.
            _ => {}
        }
    }
    let signing = slots.ed25519.ok_or(Problem::NoPrivateKey(ED25519))?;
    let opening = slots.x25519.ok_or(Problem::NoPrivateKey(X25519))?;
    Ok((signing, opening))
}

/// Returns the 32 bytes of a private key of either kind.
fn secret(info: &PrivateKeyInfoRef<'_>) -> Option<Secret> {
    let inner = <&OctetStringRef>::from_der(info.private_key.as_bytes()).ok()?;
    let bytes: &[u8; 32] = inner.as_bytes().try_into().ok()?;
    Some(Zeroizing::new(*bytes))
}

/// Returns the public keys in a file: of Ed25519, and of X25519.
pub(crate) fn public_keys(text: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Problem> {
    let mut slots: Slots<Vec<u8>> = Slots {
        ed25519: None,
        x25519: None,
    };
    for block in blocks(text)? {
        let (label, der) = pem::decode_vec(block).map_err(|_| Problem::NotPem)?;
        let der = Zeroizing::new(der);
        if label == "PUBLIC KEY" {
            let info = SubjectPublicKeyInfoRef::from_der(&der).map_err(|_| Problem::NotPem)?;
            let key = info.subject_public_key.raw_bytes().to_vec();
            slots.put(info.algorithm.oid, Some(key))?;
        }
    }
    let signing = slots.ed25519.ok_or(Problem::NoPublicBlock(ED25519))?;
    let sealing = slots.x25519.ok_or(Problem::NoPublicBlock(X25519))?;
    Ok((signing, sealing))
}

/// Returns the PEM blocks of a file; text between them is ignored.
fn blocks(text: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(start) = find(rest, BEGIN) {
        let block = &rest[start..];
        let end = find(block, END).ok_or(Problem::NotPem)?;
        let line = find(&block[end + END.len()..], b"-----").ok_or(Problem::NotPem)?;
        let (block, after) = block.split_at(end + END.len() + line + 5);
        blocks.push(block);
        rest = after;
    }
    Ok(blocks)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

pub(crate) fn private_key_text(signing: &[u8; 32], opening: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    for (last, key) in [(ED25519_LAST, &signing[..]), (X25519_LAST, opening)] {
        let mut der = Zeroizing::new(PRIVATE.to_vec());
        der[PRIVATE_ALGORITHM] = last;
        der.extend(key);
        text.push_str(&Zeroizing::new(encode("PRIVATE KEY", &der)));
    }
    text
}

pub(crate) fn public_key_text(signing: &[u8; 32], sealing: &[u8; 32]) -> String {
    let mut text = String::new();
    for (last, key) in [(ED25519_LAST, signing), (X25519_LAST, sealing)] {
        let mut der = PUBLIC.to_vec();
        der[PUBLIC_ALGORITHM] = last;
        der.extend(key);
        text.push_str(&encode("PUBLIC KEY", &der));
    }
    text
}

fn encode(label: &str, der: &[u8]) -> String {
    // This fails only for labels with unusual characters and for lengths beyond the address space.
    pem::encode_string(label, LineEnding::LF, der).unwrap_or_default()
}
