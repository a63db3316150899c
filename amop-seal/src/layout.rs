//! The bytes of a sealed message. `docs/sealed-topics.md` describes them.

use hkdf::Hkdf;
use sha2::{Digest as _, Sha256, Sha512};
use zeroize::Zeroizing;

use crate::{
    error::OpenError,
    keys::{KeyId, SIGNATURE, SealingPublicKey},
    kind::{MAX_RECIPIENTS, MessageId, RequestDigest, SealedKind},
};

/// The first bytes of every sealed message: `AMPS`.
pub const MAGIC: [u8; 4] = *b"AMPS";

/// The version of the layout and of the signed bytes.
pub const VERSION: u8 = 1;

/// The cipher suite: HPKE with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305;
/// ChaCha20-Poly1305 for the content; Ed25519.
pub(crate) const SUITE: u8 = 1;

/// The number of bytes of a sealed message in addition to its content and its recipients.
pub const OVERHEAD: usize = HEAD + TAG + SIGNATURE;

/// The number of bytes that each recipient adds.
pub const OVERHEAD_PER_RECIPIENT: usize = 16 + ENC + SECRET + TAG;

pub(crate) const HEAD: usize = 114;
pub(crate) const TAG: usize = 16;
/// The length of an encapsulated key of HPKE.
pub(crate) const ENC: usize = 32;
/// The length of the secret from which the content's key is derived.
pub(crate) const SECRET: usize = 32;

const WRAP_LABEL: &[u8] = b"AMOP sealed 1 wrap";
const CONTENT_LABEL: &[u8] = b"AMOP sealed 1 content";
const SIGNATURE_LABEL: &[u8] = b"AMOP sealed 1 signature";
const SALT: &[u8] = b"AMOP sealed 1";
const KEY_LABEL: &[u8] = b"content key";
const COMMITMENT_LABEL: &[u8] = b"commitment";

/// The fields of a message before its recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealedHead {
    pub(crate) kind: SealedKind,
    /// Milliseconds since 1970, by the sender's clock.
    pub(crate) time: u64,
    pub(crate) id: MessageId,
    pub(crate) sender: KeyId,
    /// The digest of the request that is answered; zeros if the message is not an answer.
    pub(crate) about: RequestDigest,
    /// A commitment to the content's key, so that all recipients read the same content.
    pub(crate) commitment: [u8; 32],
    pub(crate) recipients: u16,
}

impl SealedHead {
    pub(crate) fn encode(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = VERSION;
        bytes[5] = SUITE;
        bytes[6] = self.kind.to_byte();
        bytes[8..16].copy_from_slice(&self.time.to_be_bytes());
        bytes[16..32].copy_from_slice(&self.id);
        bytes[32..48].copy_from_slice(self.sender.as_bytes());
        bytes[48..80].copy_from_slice(&self.about);
        bytes[80..112].copy_from_slice(&self.commitment);
        bytes[112..].copy_from_slice(&self.recipients.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEAD]) -> Result<Self, OpenError> {
        let malformed = |problem| Err(OpenError::Malformed { problem });
        if bytes[..4] != MAGIC {
            return malformed("it does not begin with AMPS");
        }
        if bytes[4] != VERSION {
            return Err(OpenError::Version { version: bytes[4] });
        }
        if bytes[5] != SUITE {
            return Err(OpenError::Suite { suite: bytes[5] });
        }
        let Some(kind) = SealedKind::of_byte(bytes[6]) else {
            return malformed("its kind is unknown");
        };
        if bytes[7] != 0 {
            return malformed("its reserved byte is not 0");
        }
        let head = Self {
            kind,
            time: u64::from_be_bytes(array(&bytes[8..16])),
            id: array(&bytes[16..32]),
            sender: KeyId::from_bytes(array(&bytes[32..48])),
            about: array(&bytes[48..80]),
            commitment: array(&bytes[80..112]),
            recipients: u16::from_be_bytes(array(&bytes[112..])),
        };
        if head.recipients == 0 || usize::from(head.recipients) > MAX_RECIPIENTS {
            return malformed("it has no recipient, or more than 256");
        }
        if !kind.is_answer() && head.about != [0; 32] {
            return malformed("it refers to a request but is not an answer");
        }
        Ok(head)
    }
}

/// Returns the bytes of a slice of known length.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

/// The parts of a sealed message. No part is verified yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SealedParts<'a> {
    pub(crate) head: SealedHead,
    pub(crate) head_bytes: &'a [u8; HEAD],
    /// The wraps for all recipients.
    pub(crate) recipients: &'a [u8],
    /// The encrypted content with its tag.
    pub(crate) ciphertext: &'a [u8],
    pub(crate) signature: &'a [u8; SIGNATURE],
}

/// The content's secret, wrapped for one recipient.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wrap<'a> {
    pub(crate) recipient: KeyId,
    pub(crate) enc: &'a [u8],
    pub(crate) wrapped: &'a [u8],
}

impl<'a> SealedParts<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Result<Self, OpenError> {
        let short = OpenError::Malformed {
            problem: "it is too short",
        };
        let Some((head_bytes, rest)) = message.split_first_chunk::<HEAD>() else {
            return Err(short);
        };
        let head = SealedHead::decode(head_bytes)?;
        let len = usize::from(head.recipients) * OVERHEAD_PER_RECIPIENT;
        let Some((recipients, rest)) = rest.split_at_checked(len) else {
            return Err(short);
        };
        match rest.split_last_chunk::<SIGNATURE>() {
            Some((ciphertext, signature)) if ciphertext.len() >= TAG => Ok(Self {
                head,
                head_bytes,
                recipients,
                ciphertext,
                signature,
            }),
            _ => Err(short),
        }
    }

    pub(crate) fn wraps(&self) -> impl Iterator<Item = Wrap<'a>> + use<'a> {
        let chunks = self.recipients.chunks_exact(OVERHEAD_PER_RECIPIENT);
        chunks.map(|chunk| Wrap {
            recipient: KeyId::from_bytes(array(&chunk[..16])),
            enc: &chunk[16..16 + ENC],
            wrapped: &chunk[16 + ENC..],
        })
    }
}

/// The data to which every part of a message is bound: the topic, the sender's whole public key,
/// the head.
pub(crate) struct Bound(Vec<u8>);

impl Bound {
    pub(crate) fn new(topic: &str, sender: &SealingPublicKey, head: &[u8; HEAD]) -> Self {
        let mut bytes = Vec::with_capacity(2 + topic.len() + 64 + HEAD);
        // The length comes first, so that a topic cannot be confused with the beginning of another
        // topic and its key.
        bytes.extend((topic.len() as u64).to_be_bytes());
        bytes.extend(topic.as_bytes());
        bytes.extend(sender.to_bytes());
        bytes.extend(head);
        Self(bytes)
    }

    /// Returns the info of HPKE for each recipient.
    pub(crate) fn info(&self) -> Vec<u8> {
        [WRAP_LABEL, &self.0].concat()
    }

    /// Returns the data that is authenticated together with the content.
    pub(crate) fn content_aad(&self, recipients: &[u8]) -> Vec<u8> {
        [CONTENT_LABEL, &self.0, recipients].concat()
    }

    fn hash(&self, recipients: &[u8], ciphertext: &[u8]) -> [u8; 64] {
        let hash = Sha512::new().chain_update(&self.0);
        hash.chain_update(recipients)
            .chain_update(ciphertext)
            .finalize()
            .into()
    }

    /// Returns the bytes to sign, and the digest by which an answer refers to the message.
    pub(crate) fn signed(&self, recipients: &[u8], ciphertext: &[u8]) -> (Vec<u8>, RequestDigest) {
        let hash = self.hash(recipients, ciphertext);
        ([SIGNATURE_LABEL, &hash].concat(), array(&hash[..32]))
    }
}

/// The keys derived from the content's secret.
pub(crate) struct ContentKeys {
    pub(crate) key: Zeroizing<[u8; 32]>,
    pub(crate) commitment: [u8; 32],
}

impl ContentKeys {
    pub(crate) fn of(secret: &[u8]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(SALT), secret);
        let mut keys = Self {
            key: Zeroizing::new([0; 32]),
            commitment: [0; 32],
        };
        // HKDF can always produce 32 bytes.
        let done = hkdf.expand(KEY_LABEL, &mut *keys.key);
        debug_assert!(done.is_ok());
        let done = hkdf.expand(COMMITMENT_LABEL, &mut keys.commitment);
        debug_assert!(done.is_ok());
        keys
    }
}
