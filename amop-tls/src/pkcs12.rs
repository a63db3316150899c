//! [`private_key`]: reads the key in a PKCS#12 store, which SDKs in Java use.
//!
//! It reads the stores of OpenSSL and of Java, in DER and BER, with a key that is encrypted with
//! PBES2 (PBKDF2, AES-CBC) or with three-key Triple DES. A library for this would need dozens of
//! other libraries.
//! The store's MAC is not checked: an attacker who can change the store can change the MAC, too,
//! and a wrong password is noticed when the key is decrypted.

mod algorithm;
mod ber;
mod derive;
mod problem;

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm as Cipher, DecryptionContext, PaddedBlockDecryptingKey,
    UnboundCipherKey,
};
use cbc::Decryptor;
use cbc::cipher::{Array, BlockModeDecrypt, KeyIvInit};
use der::asn1::{AnyRef, ObjectIdentifier, OctetString};
use der::{Decode, Encode, Sequence, Tag, TagNumber, Tagged};
use des::TdesEde3;
use zeroize::Zeroizing;

use self::algorithm::{Algorithm, bounded, unsupported};
use self::derive::KdfPurpose;
pub use self::problem::Pkcs12Problem;
use self::problem::malformed;

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.1");
const SHROUDED_KEY_BAG: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const SHA1_3DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const DES_EDE3_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.3.7");
const AES: [(ObjectIdentifier, usize, &Cipher); 3] = [
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.2"),
        16,
        &AES_128,
    ),
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.22"),
        24,
        &AES_192,
    ),
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42"),
        32,
        &AES_256,
    ),
];

/// Returns the first private key of a store, as PKCS#8 in DER.
///
/// # Errors
/// [`Pkcs12Problem`] if the key cannot be read.
pub fn private_key(store: &[u8], password: &str) -> Result<Zeroizing<Vec<u8>>, Pkcs12Problem> {
    let store = ber::to_der(store).ok_or(Pkcs12Problem::Malformed)?;
    let store = Pfx::from_der(&store).map_err(malformed)?;
    if store.contents.kind != DATA {
        return Err(Pkcs12Problem::Malformed);
    }
    let safes: OctetString = store.contents.content.decode_as().map_err(malformed)?;
    let safes = ber::to_der(safes.as_bytes()).ok_or(Pkcs12Problem::Malformed)?;
    let safes: Vec<ContentInfo<'_>> = Vec::from_der(&safes).map_err(malformed)?;
    // Certificates may be encrypted with older algorithms than keys: a safe that cannot be opened
    // matters only if no other safe has a key.
    let mut closed = None;
    for safe in safes {
        match open_safe(&safe, password).and_then(|bags| key_of(&bags, password)) {
            Ok(Some(key)) => return Ok(key),
            Ok(None) => {}
            Err(problem) if safe.kind == DATA => return Err(problem),
            Err(problem) => closed = Some(problem),
        }
    }
    Err(closed.unwrap_or(Pkcs12Problem::NoKey))
}

#[derive(Sequence)]
struct Pfx<'a> {
    version: u8,
    contents: ContentInfo<'a>,
    mac: Option<AnyRef<'a>>,
}

#[derive(Sequence)]
struct ContentInfo<'a> {
    kind: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: AnyRef<'a>,
}

#[derive(Sequence)]
struct EncryptedData<'a> {
    version: u8,
    content: EncryptedContent<'a>,
}

#[derive(Sequence)]
struct EncryptedContent<'a> {
    kind: ObjectIdentifier,
    algorithm: Algorithm<'a>,
    /// An octet string with the tag 0, in BER perhaps in pieces.
    bytes: AnyRef<'a>,
}

impl EncryptedContent<'_> {
    fn bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        match self.bytes.tag() {
            Tag::ContextSpecific {
                number: TagNumber(0),
                constructed,
            } => match constructed {
                true => ber::joined(self.bytes.value()),
                false => Some(Zeroizing::new(self.bytes.value().to_vec())),
            },
            _ => None,
        }
    }
}

#[derive(Sequence)]
struct EncryptedKey<'a> {
    algorithm: Algorithm<'a>,
    bytes: OctetString,
}

#[derive(Sequence)]
struct Bag<'a> {
    kind: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    value: AnyRef<'a>,
    attributes: Option<AnyRef<'a>>,
}

#[derive(Sequence)]
struct Pbes1 {
    salt: OctetString,
    iterations: u32,
}

#[derive(Sequence)]
struct Pbes2<'a> {
    derivation: Algorithm<'a>,
    encryption: Algorithm<'a>,
}

/// Returns the bags of a safe, in DER.
fn open_safe(safe: &ContentInfo<'_>, password: &str) -> Result<Zeroizing<Vec<u8>>, Pkcs12Problem> {
    match safe.kind {
        DATA => {
            let bags: OctetString = safe.content.decode_as().map_err(malformed)?;
            Ok(Zeroizing::new(bags.into_bytes().into()))
        }
        ENCRYPTED_DATA => {
            let data: EncryptedData<'_> = safe.content.decode_as().map_err(malformed)?;
            let bytes = data.content.bytes().ok_or(Pkcs12Problem::Malformed)?;
            decrypt(&data.content.algorithm, &bytes, password)
        }
        other => Err(Pkcs12Problem::Unsupported {
            algorithm: other.to_string(),
        }),
    }
}

fn key_of(bags: &[u8], password: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Pkcs12Problem> {
    // With a wrong password the decrypted bytes are not a list of bags.
    let bags = ber::to_der(bags).ok_or(Pkcs12Problem::Password)?;
    let bags: Vec<Bag<'_>> = Vec::from_der(&bags).map_err(|_| Pkcs12Problem::Password)?;
    for bag in bags {
        match bag.kind {
            KEY_BAG => {
                let key = bag.value.to_der().map_err(malformed)?;
                return Ok(Some(Zeroizing::new(key)));
            }
            SHROUDED_KEY_BAG => {
                let key: EncryptedKey<'_> = bag.value.decode_as().map_err(malformed)?;
                let key = decrypt(&key.algorithm, key.bytes.as_bytes(), password)?;
                // By chance, one wrong password in 256 gives a valid padding.
                AnyRef::from_der(&key).map_err(|_| Pkcs12Problem::Password)?;
                return Ok(Some(key));
            }
            _ => {}
        }
    }
    Ok(None)
}

fn decrypt(
    algorithm: &Algorithm<'_>,
    bytes: &[u8],
    password: &str,
) -> Result<Zeroizing<Vec<u8>>, Pkcs12Problem> {
    let parameters = algorithm.parameters.ok_or(Pkcs12Problem::Malformed)?;
    match algorithm.oid {
        SHA1_3DES => {
            let Pbes1 { salt, iterations } = parameters.decode_as().map_err(malformed)?;
            let rounds = bounded(iterations)?;
            let derive =
                |purpose, len| derive::by_sha1(purpose, password, salt.as_bytes(), rounds, len);
            let (key, iv) = (derive(KdfPurpose::Key, 24), derive(KdfPurpose::Iv, 8));
            triple_des(&key, &iv, bytes)
        }
        PBES2 => {
            let Pbes2 {
                derivation,
                encryption,
            } = parameters.decode_as().map_err(malformed)?;
            let iv = encryption.parameters.ok_or(Pkcs12Problem::Malformed)?;
            let iv: OctetString = iv.decode_as().map_err(malformed)?;
            if encryption.oid == DES_EDE3_CBC {
                let key = derive::by_pbkdf2(&derivation, password, 24)?;
                return triple_des(&key, iv.as_bytes(), bytes);
            }
            let known = AES.iter().find(|(oid, ..)| *oid == encryption.oid);
            let (_, len, cipher) = known.ok_or_else(|| unsupported(&encryption))?;
            let key = derive::by_pbkdf2(&derivation, password, *len)?;
            aes(cipher, &key, iv.as_bytes(), bytes)
        }
        _ => Err(unsupported(algorithm)),
    }
}

fn aes(
    cipher: &'static Cipher,
    key: &[u8],
    iv: &[u8],
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Pkcs12Problem> {
    let iv: [u8; 16] = iv.try_into().map_err(|_| Pkcs12Problem::Malformed)?;
    let wrong = |_| Pkcs12Problem::Password;
    let key = UnboundCipherKey::new(cipher, key).map_err(wrong)?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(wrong)?;
    let mut bytes = Zeroizing::new(bytes.to_vec());
    let context = DecryptionContext::Iv128(iv.into());
    let len = key.decrypt(&mut bytes, context).map_err(wrong)?.len();
    bytes.truncate(len);
    Ok(bytes)
}

fn triple_des(key: &[u8], iv: &[u8], bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, Pkcs12Problem> {
    let mut mode =
        Decryptor::<TdesEde3>::new_from_slices(key, iv).map_err(|_| Pkcs12Problem::Malformed)?;
    let mut bytes = Zeroizing::new(bytes.to_vec());
    let (blocks, rest) = Array::slice_as_chunks_mut(&mut bytes);
    if !rest.is_empty() {
        return Err(Pkcs12Problem::Malformed);
    }
    mode.decrypt_blocks(blocks);
    // The padding of PKCS#7.
    let padding = usize::from(*bytes.last().ok_or(Pkcs12Problem::Malformed)?);
    let len = bytes.len().checked_sub(padding);
    let len = len.filter(|_| (1..=8).contains(&padding));
    let len = len.ok_or(Pkcs12Problem::Password)?;
    if bytes[len..]
        .iter()
        .any(|byte| usize::from(*byte) != padding)
    {
        return Err(Pkcs12Problem::Password);
    }
    bytes.truncate(len);
    Ok(bytes)
}

#[cfg(test)]
mod tests;
