//! The keys of private topics, and their signatures: secp256k1 and Keccak-256 (channel-v2 section
//! 9.4).

use std::{fmt, path::Path, str::FromStr};

use amop_tls::{
    pem::{self as pem_text, PemProblem},
    pkcs12,
};
use k256::{
    SecretKey,
    ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey},
    elliptic_curve::Generate,
    pkcs8::DecodePublicKey,
};
use sha3::{Digest, Keccak256};
use tokio_rustls::rustls::pki_types::{
    PrivateKeyDer, SubjectPublicKeyInfoDer,
    pem::{self, PemObject},
};
use zeroize::Zeroizing;

use crate::error::{KeyError, KeyProblem, MAX_FILE};

/// Bytes of a signature: r, s and the recovery id v.
pub(super) const SIGNATURE_LEN: usize = 65;

/// The key with which a subscriber of a private topic proves its identity.
///
/// It is a secp256k1 key of the application, as the chain's `get_account.sh` makes them, and is not
/// related to TLS. It signs data that publishers choose, so do not use it for anything else.
///
/// ```
/// use amop::{TopicKey, TopicPublicKey};
///
/// let key = TopicKey::generate();
/// // What the publisher grants the topic to:
/// let public: String = key.public_key().to_string();
/// assert_eq!(public.parse::<TopicPublicKey>()?, key.public_key());
/// # Ok::<(), amop::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TopicKey(SigningKey);

impl TopicKey {
    /// Generates a key from the system's source of randomness.
    ///
    /// # Panics
    ///
    /// If the system has no randomness.
    pub fn generate() -> Self {
        Self(SigningKey::generate())
    }

    /// Reads a file that holds PEM or hex digits, see [`from_pem`](Self::from_pem) and
    /// [`from_hex`](Self::from_hex).
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the file and what is wrong with it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        Self::load_file(path.as_ref(), None)
    }

    /// Reads a PKCS#12 store (`.p12`), as Java SDKs use them, with its password; a file of another
    /// kind is read as by [`load`](Self::load).
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the file and what is wrong with it.
    pub fn load_with_password(path: impl AsRef<Path>, password: &str) -> Result<Self, KeyError> {
        Self::load_file(path.as_ref(), Some(password))
    }

    fn load_file(path: &Path, password: Option<&str>) -> Result<Self, KeyError> {
        let read = read(path).and_then(|bytes| match (is_store(path, &bytes), password) {
            (true, Some(password)) => Self::from_store(&bytes, password),
            (true, None) => Err(KeyProblem::NoPassword),
            (false, _) => Self::parse(&bytes),
        });
        read.map_err(|problem| problem.of(Some(path)))
    }

    /// Reads PEM text: `PRIVATE KEY` (PKCS#8) or `EC PRIVATE KEY` (SEC1).
    ///
    /// # Errors
    ///
    /// [`KeyError`] says what is wrong with it.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        Self::parse_pem(text.as_bytes()).map_err(|problem| problem.of(None))
    }

    /// Reads the hex digits of a private key as Java and Go SDKs write it: 64 digits, or fewer if
    /// leading zeros are left out, with or without `0x` before them.
    ///
    /// ```
    /// let key = amop::TopicKey::from_hex("0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20")?;
    /// # Ok::<(), amop::KeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`KeyError`] says what is wrong with it.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        Self::parse_hex(text.as_bytes()).map_err(|problem| problem.of(None))
    }

    fn parse(text: &[u8]) -> Result<Self, KeyProblem> {
        match pem_text::tidy(text) {
            Err(PemProblem::NoSection) if looks_hex(text) => Self::parse_hex(text),
            _ => Self::parse_pem(text),
        }
    }

    fn parse_pem(text: &[u8]) -> Result<Self, KeyProblem> {
        let text = tidy(text).map_err(|problem| match problem {
            KeyProblem::NotPem(PemProblem::NoSection) => KeyProblem::NoPrivateKey,
            other => other,
        })?;
        if pem_text::is_encrypted(&text) {
            return Err(KeyProblem::Encrypted);
        }
        let der = PrivateKeyDer::from_pem_slice(text.as_bytes());
        let der = der.map_err(|error| match error {
            pem::Error::NoItemsFound => KeyProblem::NoPrivateKey,
            _ => KeyProblem::NotSecp256k1,
        })?;
        let der = Zeroizing::new(der);
        if matches!(*der, PrivateKeyDer::Pkcs1(_)) {
            return Err(KeyProblem::NotSecp256k1);
        }
        Self::from_der(der.secret_der())
    }

    fn parse_hex(text: &[u8]) -> Result<Self, KeyProblem> {
        let text = pem_text::plain(text);
        let digits = digits_of(&text);
        let significant = digits.iter().position(|digit| *digit != b'0');
        let digits = &digits[significant.unwrap_or(digits.len())..];
        if digits.len() > 64 {
            return Err(KeyProblem::PrivateDigits(digits.len()));
        }
        let mut padded = Zeroizing::new([b'0'; 64]);
        padded[64 - digits.len()..].copy_from_slice(digits);
        let mut secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(*padded, &mut *secret).map_err(|_| KeyProblem::NotHex)?;
        let key = SecretKey::from_slice(&*secret).map_err(|_| KeyProblem::NotSecp256k1)?;
        Ok(Self(key.into()))
    }

    fn from_store(store: &[u8], password: &str) -> Result<Self, KeyProblem> {
        Self::from_der(&pkcs12::private_key(store, password)?)
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyProblem> {
        let key = SecretKey::from_der(der).map_err(|_| KeyProblem::NotSecp256k1)?;
        Ok(Self(key.into()))
    }

    /// Returns the public key, to which publishers grant topics.
    pub fn public_key(&self) -> TopicPublicKey {
        TopicPublicKey::of(self.0.verifying_key())
    }

    /// Signs a challenge: r, s and v, with v 0 or 1 and a low s.
    pub(crate) fn sign(&self, challenge: &[u8]) -> [u8; SIGNATURE_LEN] {
        let digest = Keccak256::digest(challenge);
        let (signature, v) = self.0.sign_prehash_recoverable(&digest);
        let mut bytes = [0; SIGNATURE_LEN];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        bytes[64] = v.to_byte();
        bytes
    }
}

impl fmt::Debug for TopicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = self.public_key();
        f.debug_struct("TopicKey")
            .field("public_key", &public)
            .finish_non_exhaustive()
    }
}

/// The public key of a private topic's subscriber.
///
/// Text form: x and y as 128 lower-case hex digits. Parsing also takes upper case, `0x` and the
/// prefix `04` before them, and PEM (`PUBLIC KEY`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPublicKey([u8; 64]);

impl TopicPublicKey {
    /// Reads a file with a key in one of the text forms.
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the file and what is wrong with it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let read = read(path).and_then(|text| Self::parse(&text));
        read.map_err(|problem| problem.of(Some(path)))
    }

    fn parse(text: &[u8]) -> Result<Self, KeyProblem> {
        let plain = pem_text::plain(text);
        if plain.contains("BEGIN") {
            let text = tidy(text)?;
            let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes());
            let der = der.map_err(|error| match error {
                pem::Error::NoItemsFound => KeyProblem::NoPublicKey,
                _ => KeyProblem::NotSecp256k1,
            })?;
            let key = VerifyingKey::from_public_key_der(&der);
            return Ok(Self::of(&key.map_err(|_| KeyProblem::NotSecp256k1)?));
        }
        let digits = digits_of(&plain);
        let digits = match digits.strip_prefix(b"04") {
            Some(rest) if digits.len() == 130 => rest,
            _ => digits,
        };
        if digits.len() != 128 {
            return Err(KeyProblem::Digits(digits.len()));
        }
        let mut point = [4; 65];
        hex::decode_to_slice(digits, &mut point[1..]).map_err(|_| KeyProblem::NotHex)?;
        let key = VerifyingKey::from_sec1_bytes(&point);
        Ok(Self::of(&key.map_err(|_| KeyProblem::NotSecp256k1)?))
    }

    fn of(key: &VerifyingKey) -> Self {
        let point = key.to_sec1_point(false);
        let mut bytes = [0; 64];
        // After the 04 of an uncompressed point.
        bytes.copy_from_slice(&point.as_bytes()[1..]);
        Self(bytes)
    }

    /// Returns the key that signed a challenge; `None` if the signature is not valid.
    pub(crate) fn of_signer(challenge: &[u8], signature: &[u8]) -> Option<Self> {
        let (rs, v) = signature.split_at_checked(SIGNATURE_LEN - 1)?;
        let [v] = *v else { return None };
        let signature = Signature::from_slice(rs).ok()?;
        // Only the form with a low s is accepted, as in the Go SDK, so that a challenge has one
        // valid signature.
        if signature.normalize_s() != signature {
            return None;
        }
        let digest = Keccak256::digest(challenge);
        let v = RecoveryId::from_byte(v)?;
        let key = VerifyingKey::recover_from_prehash(&digest, &signature, v).ok()?;
        Some(Self::of(&key))
    }

    /// Returns the key's bytes: x and y.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl FromStr for TopicPublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text.as_bytes()).map_err(|problem| problem.of(None))
    }
}

impl fmt::Display for TopicPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TopicPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicPublicKey({self})")
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
    if std::fs::metadata(path)?.len() > MAX_FILE {
        return Err(KeyProblem::TooLong);
    }
    Ok(Zeroizing::new(std::fs::read(path)?))
}

/// Returns whether a file is a PKCS#12 store, by its name or by how DER begins.
fn is_store(path: &Path, bytes: &[u8]) -> bool {
    let extension = path.extension().unwrap_or_default();
    let named = ["p12", "pfx"]
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known));
    named || bytes.first() == Some(&0x30) && bytes.get(1).is_some_and(|byte| *byte >= 0x80)
}

fn tidy(text: &[u8]) -> Result<Zeroizing<String>, KeyProblem> {
    pem_text::tidy(text).map_err(KeyProblem::NotPem)
}

/// Returns the hex digits without white space and `0x` around them.
fn digits_of(text: &str) -> &[u8] {
    let text = text.trim();
    let prefixed = text.strip_prefix("0x").or(text.strip_prefix("0X"));
    prefixed.unwrap_or(text).as_bytes()
}

/// Returns whether a text is probably meant as hex digits: it is not empty and has no other
/// characters.
fn looks_hex(text: &[u8]) -> bool {
    let text = pem_text::plain(text);
    let digits = digits_of(&text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests;
