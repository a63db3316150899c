//! Seals messages.

use std::collections::HashSet;

use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce, aead::AeadInOut};
use hpke::{
    Deserializable, OpModeS, Serializable, aead::ChaCha20Poly1305 as HpkeAead, kdf::HkdfSha256,
    single_shot_seal_with_rng,
};
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    MAX_RECIPIENTS, MessageId, OVERHEAD, OVERHEAD_PER_RECIPIENT, RequestDigest, SealError,
    SealedKind, SealingKey, SealingPublicKey,
    keys::Kem,
    layout::{Bound, ContentKeys, HEAD, SECRET, SealedHead},
};

/// The keys that may read a message: 1 to 256, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipients(Vec<SealingPublicKey>);

impl Recipients {
    /// Creates a set of recipients. A key that is given twice counts once.
    ///
    /// # Errors
    ///
    /// [`SealError::NoRecipient`] or [`SealError::TooManyRecipients`].
    pub fn new(keys: &[SealingPublicKey]) -> Result<Self, SealError> {
        let mut known = HashSet::new();
        let keys = keys.iter().filter(|key| known.insert(**key));
        let keys: Vec<_> = keys.copied().collect();
        match keys.len() {
            0 => Err(SealError::NoRecipient),
            count if count > MAX_RECIPIENTS => Err(SealError::TooManyRecipients { count }),
            _ => Ok(Self(keys)),
        }
    }

    /// Returns the keys of the recipients.
    pub fn keys(&self) -> &[SealingPublicKey] {
        &self.0
    }
}

/// A message ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sealed {
    /// The bytes to send as the payload.
    pub bytes: Vec<u8>,
    /// The digest by which an answer refers to the message.
    pub digest: RequestDigest,
}

/// Seals a multicast or a unicast of `sender` to `recipients`, for `topic`.
///
/// `now` is the time in milliseconds since 1970. `rng` provides 16 bytes for the message's id, 32
/// for the content's secret, and 32 for each recipient.
///
/// # Errors
///
/// [`SealError::Encryption`] if the encryption fails.
///
/// # Panics
///
/// If `kind` is that of an answer: use [`seal_reply`] for answers.
pub fn seal(
    sender: &SealingKey,
    recipients: &Recipients,
    topic: &str,
    kind: SealedKind,
    now: u64,
    content: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Sealed, SealError> {
    assert!(!kind.is_answer(), "answers are sealed by seal_reply");
    build(
        sender,
        &recipients.0,
        topic,
        kind,
        [0; 32],
        now,
        content,
        rng,
    )
}

/// A subscriber's answer to a unicast that it has received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealedAnswer<'a> {
    /// A reply with this content.
    Reply(&'a [u8]),
    /// Only the information that it accepted the unicast.
    Acknowledgement,
    /// A refusal with a code.
    Refusal(i32),
}

/// Seals the answer to the unicast `request`, for the publisher that sent it.
///
/// # Errors
///
/// [`SealError::Encryption`] if the encryption fails.
pub fn seal_reply(
    subscriber: &SealingKey,
    publisher: &SealingPublicKey,
    topic: &str,
    request: &RequestDigest,
    now: u64,
    answer: SealedAnswer<'_>,
    rng: &mut impl CryptoRng,
) -> Result<Sealed, SealError> {
    let code;
    let (kind, content) = match answer {
        SealedAnswer::Reply(content) => (SealedKind::Reply, content),
        SealedAnswer::Acknowledgement => (SealedKind::Acknowledgement, &[][..]),
        SealedAnswer::Refusal(of) => {
            code = of.to_be_bytes();
            (SealedKind::Refusal, &code[..])
        }
    };
    let to = std::slice::from_ref(publisher);
    build(subscriber, to, topic, kind, *request, now, content, rng)
}

#[expect(
    clippy::too_many_arguments,
    reason = "every argument goes into the message"
)]
fn build(
    sender: &SealingKey,
    recipients: &[SealingPublicKey],
    topic: &str,
    kind: SealedKind,
    about: RequestDigest,
    time: u64,
    content: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Sealed, SealError> {
    let mut id: MessageId = [0; 16];
    rng.fill_bytes(&mut id);
    let mut secret = Zeroizing::new([0; SECRET]);
    rng.fill_bytes(&mut *secret);
    let keys = ContentKeys::of(&*secret);
    let head = SealedHead {
        kind,
        time,
        id,
        sender: sender.id(),
        about,
        commitment: keys.commitment,
        // There are at most 256.
        recipients: recipients.len() as u16,
    };
    let head = head.encode();
    let bound = Bound::new(topic, &sender.public_key(), &head);

    let wraps = recipients.len() * OVERHEAD_PER_RECIPIENT;
    let mut bytes = Vec::with_capacity(OVERHEAD + wraps + content.len());
    bytes.extend(head);
    let info = bound.info();
    for recipient in recipients {
        wrap(&mut bytes, recipient, &info, &secret, rng)?;
    }
    let start = bytes.len();
    bytes.extend(content);
    let aad = bound.content_aad(&bytes[HEAD..start]);
    // The key is used only for this content, so the nonce may be constant.
    let cipher = ChaCha20Poly1305::new((&*keys.key).into());
    let tag = cipher
        .encrypt_inout_detached(&Nonce::default(), &aad, (&mut bytes[start..]).into())
        .map_err(|_| SealError::Encryption {
            recipient: recipients[0].id(),
        })?;
    bytes.extend(tag);
    let (signed, digest) = bound.signed(&bytes[HEAD..start], &bytes[start..]);
    bytes.extend(sender.sign(&signed));
    Ok(Sealed { bytes, digest })
}

/// Appends the secret, wrapped for a recipient.
pub(crate) fn wrap(
    bytes: &mut Vec<u8>,
    recipient: &SealingPublicKey,
    info: &[u8],
    secret: &[u8; SECRET],
    rng: &mut impl CryptoRng,
) -> Result<(), SealError> {
    let failed = |_| SealError::Encryption {
        recipient: recipient.id(),
    };
    let key = <Kem as hpke::Kem>::PublicKey::from_bytes(recipient.sealing()).map_err(failed)?;
    let (enc, wrapped) = single_shot_seal_with_rng::<HpkeAead, HkdfSha256, Kem>(
        &OpModeS::Base,
        &key,
        info,
        secret,
        b"",
        rng,
    )
    .map_err(failed)?;
    bytes.extend(recipient.id().as_bytes());
    bytes.extend(enc.to_bytes());
    bytes.extend(wrapped);
    Ok(())
}
