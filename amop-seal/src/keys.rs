//! The keys of sealed topics: Ed25519 for signing, X25519 for opening.

use std::{fmt, fs, io::Write as _, path::Path, str::FromStr, sync::Arc};

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use hpke::{Deserializable, Kem as _, Serializable, kem::X25519HkdfSha256};
use rand::CryptoRng;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{
    key_error::{MAX_FILE, SealingKeyError, SealingKeyProblem},
    pem,
};

/// The length of a signature.
pub(crate) const SIGNATURE: usize = 64;

const ID_LABEL: &[u8] = b"AMOP sealed 1 key";

/// The beginning of the text form of a public key.
const TEXT: &str = "amop-seal-1:";

pub(crate) type Kem = X25519HkdfSha256;
type OpeningKey = <Kem as hpke::Kem>::PrivateKey;

/// The id by which messages refer to a key: 16 bytes of its hash. Text form: 32 lower-case hex
/// digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 16]);

impl KeyId {
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the id.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The key of a publisher or subscriber of sealed topics: an Ed25519 key, which signs messages, and
/// an X25519 key, which opens messages that are sealed to it.
///
/// The key belongs to the application. It is independent of TLS, of the secp256k1 keys of private
/// topics, and of the chain's cryptography: all chains, guomi chains included, use the same kind of
/// keys. Cloning is cheap. The private parts are overwritten with zeros when the last clone is
/// dropped, and are never shown.
///
/// A key file is PEM with two blocks `PRIVATE KEY` (PKCS#8, RFC 8410), as [`save`](Self::save) or
/// OpenSSL writes it:
///
/// ```sh
/// (openssl genpkey -algorithm ed25519; openssl genpkey -algorithm x25519) > bank.pem
/// ```
///
/// ```
/// use amop_seal::{SealingKey, SealingPublicKey};
///
/// let key = SealingKey::generate();
/// // What the other side is given:
/// let public: String = key.public_key().to_string();
/// assert_eq!(public.parse::<SealingPublicKey>()?, key.public_key());
/// # Ok::<(), amop_seal::SealingKeyError>(())
/// ```
#[derive(Clone)]
pub struct SealingKey(Arc<SecretHalves>);

struct SecretHalves {
    // Both overwrite their memory when they are dropped.
    signing: SigningKey,
    opening: OpeningKey,
    public: SealingPublicKey,
    id: KeyId,
}

impl SealingKey {
    /// Generates a key with the system's source of randomness.
    pub fn generate() -> Self {
        Self::generate_with(&mut rand::rng())
    }

    /// Generates a key from 64 bytes of `rng`: the secrets of Ed25519 and of X25519.
    pub fn generate_with(rng: &mut impl CryptoRng) -> Self {
        let mut signing = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *signing);
        let mut opening = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *opening);
        Self::from_secrets(&signing, &opening)
    }

    /// Creates the key with these secrets, of Ed25519 and of X25519.
    pub(crate) fn from_secrets(signing: &[u8; 32], opening: &[u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(signing);
        // X25519 accepts any 32 bytes.
        #[expect(clippy::expect_used, reason = "any 32 bytes are a valid key of X25519")]
        let opening = OpeningKey::from_bytes(opening).expect("32 bytes");
        let mut public = SealingPublicKey {
            signing: signing.verifying_key().to_bytes(),
            sealing: [0; 32],
        };
        public
            .sealing
            .copy_from_slice(&Kem::sk_to_pk(&opening).to_bytes());
        let id = public.id();
        Self(Arc::new(SecretHalves {
            signing,
            opening,
            public,
            id,
        }))
    }

    /// Reads a key file.
    ///
    /// # Errors
    ///
    /// [`SealingKeyError`] names the file and the problem.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SealingKeyError> {
        let path = path.as_ref();
        let read = read(path).and_then(|text| Self::parse(&text));
        read.map_err(|problem| problem.of(Some(path)))
    }

    /// Reads the text of a key file.
    ///
    /// # Errors
    ///
    /// [`SealingKeyError`] describes the problem.
    pub fn from_pem(text: &str) -> Result<Self, SealingKeyError> {
        Self::parse(text.as_bytes()).map_err(|problem| problem.of(None))
    }

    fn parse(text: &[u8]) -> Result<Self, SealingKeyProblem> {
        let (signing, opening) = pem::private_keys(text)?;
        Ok(Self::from_secrets(&signing, &opening))
    }

    /// Returns the text of the key file, which is not encrypted.
    pub fn to_pem(&self) -> Zeroizing<String> {
        pem::private_key_text(&self.0.signing.to_bytes(), &self.0.opening.to_bytes())
    }

    /// Writes the key file, which is not encrypted. Only the user of this process can read it (mode
    /// 0600). An existing file is not overwritten.
    ///
    /// # Errors
    ///
    /// [`SealingKeyError`] if the file exists or cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), SealingKeyError> {
        let path = path.as_ref();
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(path).and_then(|mut file| {
            file.write_all(self.to_pem().as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| SealingKeyProblem::Write(error).of(Some(path)))
    }

    /// Returns the public key: publishers seal messages to it, and subscribers name it.
    pub fn public_key(&self) -> SealingPublicKey {
        self.0.public
    }

    /// Returns the id of the public key.
    pub fn id(&self) -> KeyId {
        self.0.id
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE] {
        self.0.signing.sign(message).to_bytes()
    }

    pub(crate) fn opening(&self) -> &OpeningKey {
        &self.0.opening
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey")
            .field("id", &self.0.id)
            .finish_non_exhaustive()
    }
}

/// Lets one key be given where several are accepted.
impl AsRef<[SealingKey]> for SealingKey {
    fn as_ref(&self) -> &[SealingKey] {
        std::slice::from_ref(self)
    }
}

/// The public half of a [`SealingKey`].
///
/// Text form: `amop-seal-1:` and 128 lower-case hex digits, the keys of Ed25519 and of X25519.
/// Parsing also accepts PEM with two blocks `PUBLIC KEY`, as `openssl pkey -pubout` writes them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SealingPublicKey {
    signing: [u8; 32],
    sealing: [u8; 32],
}

impl SealingPublicKey {
    /// Reads a file with a key in one of the text forms.
    ///
    /// # Errors
    ///
    /// [`SealingKeyError`] names the file and the problem.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SealingKeyError> {
        let path = path.as_ref();
        let read = read(path).and_then(|text| Self::parse(&text));
        read.map_err(|problem| problem.of(Some(path)))
    }

    /// Creates a key from its bytes: first the key of Ed25519, then that of X25519.
    ///
    /// # Errors
    ///
    /// [`SealingKeyError`] if one of them is not a point of the curve, or has small order.
    pub fn from_bytes(bytes: &[u8; 64]) -> Result<Self, SealingKeyError> {
        let (signing, sealing) = bytes.split_at(32);
        Self::new(signing, sealing).map_err(|problem| problem.of(None))
    }

    pub(crate) fn new(signing: &[u8], sealing: &[u8]) -> Result<Self, SealingKeyProblem> {
        let mut key = Self {
            signing: [0; 32],
            sealing: [0; 32],
        };
        if signing.len() != 32 || sealing.len() != 32 {
            return Err(SealingKeyProblem::Weak);
        }
        key.signing.copy_from_slice(signing);
        key.sealing.copy_from_slice(sealing);
        let verifying = VerifyingKey::from_bytes(&key.signing);
        // With a point of small order the shared secret is zero for every private key.
        let shared = x25519_dalek::x25519([1; 32], key.sealing);
        match verifying {
            Ok(verifying) if !verifying.is_weak() && shared != [0; 32] => Ok(key),
            _ => Err(SealingKeyProblem::Weak),
        }
    }

    /// Returns the key's bytes: the key of Ed25519, then that of X25519.
    pub fn to_bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.signing);
        bytes[32..].copy_from_slice(&self.sealing);
        bytes
    }

    /// Returns the id by which messages refer to the key.
    pub fn id(&self) -> KeyId {
        let hash = Sha256::new()
            .chain_update(ID_LABEL)
            .chain_update(self.to_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hash.finalize()[..16]);
        KeyId(id)
    }

    /// Returns PEM with two blocks `PUBLIC KEY`, that of Ed25519 first.
    pub fn to_pem(&self) -> String {
        pem::public_key_text(&self.signing, &self.sealing)
    }

    pub(crate) fn sealing(&self) -> &[u8; 32] {
        &self.sealing
    }

    /// Returns whether this key made a signature. Signatures with an unusual encoding are refused.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE]) -> bool {
        let signature = Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.signing)
            .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }

    fn parse(text: &[u8]) -> Result<Self, SealingKeyProblem> {
        if text.windows(10).any(|window| window == b"-----BEGIN") {
            let (signing, sealing) = pem::public_keys(text)?;
            return Self::new(&signing, &sealing);
        }
        let text = std::str::from_utf8(text).map_err(|_| SealingKeyProblem::NoPublicKey)?;
        let digits = text.trim().strip_prefix(TEXT);
        let digits = digits.ok_or(SealingKeyProblem::NoPublicKey)?;
        if digits.len() != 128 {
            return Err(SealingKeyProblem::Digits(digits.len()));
        }
        let mut bytes = [0; 64];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| SealingKeyProblem::NotHex)?;
        Self::new(&bytes[..32], &bytes[32..])
    }
}

impl FromStr for SealingPublicKey {
    type Err = SealingKeyError;

    fn from_str(text: &str) -> Result<Self, SealingKeyError> {
        Self::parse(text.as_bytes()).map_err(|problem| problem.of(None))
    }
}

impl fmt::Display for SealingPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TEXT)?;
        f.write_str(&hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for SealingPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingPublicKey({self})")
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SealingKeyProblem> {
    if fs::metadata(path).map_err(SealingKeyProblem::Read)?.len() > MAX_FILE {
        return Err(SealingKeyProblem::TooLong);
    }
    let text = fs::read(path).map_err(SealingKeyProblem::Read)?;
    Ok(Zeroizing::new(text))
}

#[cfg(test)]
mod tests;
