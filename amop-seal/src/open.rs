//! Opens sealed messages.

use std::collections::HashMap;

use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce, aead::AeadInOut};
use hpke::{
    Deserializable, OpModeR, aead::ChaCha20Poly1305 as HpkeAead, kdf::HkdfSha256, single_shot_open,
};
use zeroize::Zeroizing;

use crate::{
    KeyId, MessageId, OpenError, ReaderError, ReplayWindow, RequestDigest, SealedKind, SealingKey,
    SealingPublicKey,
    error::{MAX_OWN, MAX_PUBLISHERS},
    keys::Kem,
    layout::{Bound, ContentKeys, SealedParts, TAG, Wrap},
    window::Mark,
};

/// An opened message, with proof that its sender made it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenedMessage {
    /// The decrypted content.
    pub content: Vec<u8>,
    /// The kind of message.
    pub kind: SealedKind,
    /// The sender's public key.
    pub sender: SealingPublicKey,
    /// The sender's time, in milliseconds since 1970.
    pub time: u64,
    /// The random number of the message.
    pub id: MessageId,
    /// The digest by which an answer refers to it.
    pub digest: RequestDigest,
    /// The id of the reader's key that opened it.
    pub recipient: KeyId,
}

impl OpenedMessage {
    /// Returns the code of a refusal; `None` if this is not a refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<i32> {
        let code = self.content[..].try_into().ok()?;
        (self.kind == SealedKind::Refusal).then(|| i32::from_be_bytes(code))
    }
}

/// Returns whether a payload has the layout of a sealed message. The signature is not checked.
#[must_use]
pub fn is_sealed(payload: &[u8]) -> bool {
    SealedParts::of(payload).is_ok()
}

/// Opens the messages of a topic for one subscriber, and accepts each message only once.
#[derive(Debug)]
pub struct SealedReader {
    topic: String,
    own: Vec<SealingKey>,
    publishers: HashMap<KeyId, SealingPublicKey>,
    window: ReplayWindow,
}

impl SealedReader {
    /// Creates a reader of `topic` with the keys `own`, the newest first, for messages of
    /// `publishers`.
    ///
    /// # Errors
    ///
    /// [`ReaderError`] if there are no keys or too many. The limits are 16 own keys and 256
    /// publishers.
    pub fn new(
        topic: &str,
        own: &[SealingKey],
        publishers: &[SealingPublicKey],
        mut window: ReplayWindow,
    ) -> Result<Self, ReaderError> {
        let publishers: HashMap<_, _> = publishers.iter().map(|key| (key.id(), *key)).collect();
        match (own.len(), publishers.len()) {
            (0, _) => return Err(ReaderError::NoKey),
            (_, 0) => return Err(ReaderError::NoPublisher),
            (count, _) if count > MAX_OWN => return Err(ReaderError::TooManyKeys { count }),
            (_, count) if count > MAX_PUBLISHERS => {
                return Err(ReaderError::TooManyPublishers { count });
            }
            (_, count) => window.share(count),
        }
        Ok(Self {
            topic: topic.to_owned(),
            own: own.to_vec(),
            publishers,
            window,
        })
    }

    /// Opens a message that arrived as `came`, at the time `now` in milliseconds since 1970. This
    /// does not accept it yet: call [`accept`](Self::accept) for this.
    ///
    /// Cheap checks come first: the layout, the sender, the time, the recipients, then the
    /// signature. Decryption comes last.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if a check fails.
    pub fn open(
        &self,
        message: &[u8],
        came: SealedKind,
        now: u64,
    ) -> Result<OpenedMessage, OpenError> {
        let parts = SealedParts::of(message)?;
        let head = &parts.head;
        if head.kind != came {
            let (expected, got) = (came, head.kind);
            return Err(OpenError::Kind { expected, got });
        }
        let Some(sender) = self.publishers.get(&head.sender) else {
            let sender = head.sender;
            return Err(OpenError::UnknownPublisher { sender });
        };
        self.window.check(head.sender, head.time, &head.id, now)?;
        open(&parts, &self.topic, sender, &self.own)
    }

    /// Accepts a message that was opened: from now on its copies are refused.
    ///
    /// # Errors
    ///
    /// [`OpenError::Refused`] if a copy was accepted after it was opened, or if a mark must be
    /// saved first.
    pub fn accept(&mut self, opened: &OpenedMessage, now: u64) -> Result<(), OpenError> {
        let sender = opened.sender.id();
        Ok(self.window.accept(sender, opened.time, opened.id, now)?)
    }

    /// Returns whether [`next_mark`](Self::next_mark) must be saved before the message is accepted.
    pub fn needs_mark(&self, opened: &OpenedMessage) -> bool {
        self.window.needs_mark(opened.time)
    }

    /// See [`ReplayWindow::next_mark`].
    pub fn next_mark(&self, opened: &OpenedMessage, now: u64) -> Mark {
        self.window.next_mark(opened.time, now)
    }

    /// See [`ReplayWindow::saved`].
    pub fn saved(&mut self, mark: &Mark) {
        self.window.saved(mark);
    }

    /// Returns the messages that the reader remembers.
    pub fn window(&self) -> &ReplayWindow {
        &self.window
    }

    /// Returns the key that opened a message; this key signs its answer.
    pub fn key_of(&self, opened: &OpenedMessage) -> Option<&SealingKey> {
        self.own.iter().find(|key| key.id() == opened.recipient)
    }
}

/// Opens the answer to the unicast `request`, which `publisher` sealed to `recipients`. The
/// answer's time does not matter, since it can answer only one request.
///
/// # Errors
///
/// [`OpenError`] if a check fails.
pub fn open_reply(
    message: &[u8],
    publisher: &SealingKey,
    recipients: &[SealingPublicKey],
    topic: &str,
    request: &RequestDigest,
) -> Result<OpenedMessage, OpenError> {
    let parts = SealedParts::of(message)?;
    let head = &parts.head;
    if !head.kind.is_answer() {
        let (expected, got) = (SealedKind::Reply, head.kind);
        return Err(OpenError::Kind { expected, got });
    }
    if head.about != *request {
        return Err(OpenError::OtherRequest);
    }
    let sender = head.sender;
    let Some(sender) = recipients.iter().find(|key| key.id() == sender) else {
        return Err(OpenError::UnknownPublisher { sender });
    };
    let opened = open(&parts, topic, sender, std::slice::from_ref(publisher))?;
    if opened.kind == SealedKind::Refusal && opened.refusal().is_none() {
        let sender = sender.id();
        return Err(OpenError::Unreadable { sender });
    }
    Ok(opened)
}

fn open(
    parts: &SealedParts<'_>,
    topic: &str,
    sender: &SealingPublicKey,
    own: &[SealingKey],
) -> Result<OpenedMessage, OpenError> {
    // Uses the newest of the own keys to which the message is sealed.
    let wrap_for = |key: &SealingKey| parts.wraps().find(|wrap| wrap.recipient == key.id());
    let mine = own.iter().find_map(|key| Some((key, wrap_for(key)?)));
    let Some((key, wrap)) = mine else {
        return Err(OpenError::NotRecipient);
    };
    let bound = Bound::new(topic, sender, parts.head_bytes);
    let (signed, digest) = bound.signed(parts.recipients, parts.ciphertext);
    let id = sender.id();
    if !sender.verify(&signed, parts.signature) {
        return Err(OpenError::BadSignature { sender: id });
    }
    let content = decrypt(parts, &bound, key, wrap).ok_or(OpenError::Unreadable { sender: id })?;
    Ok(OpenedMessage {
        content,
        kind: parts.head.kind,
        sender: *sender,
        time: parts.head.time,
        id: parts.head.id,
        digest,
        recipient: key.id(),
    })
}

/// Returns `None` if the sender made the message wrongly.
fn decrypt(
    parts: &SealedParts<'_>,
    bound: &Bound,
    key: &SealingKey,
    wrap: Wrap<'_>,
) -> Option<Vec<u8>> {
    let enc = <Kem as hpke::Kem>::EncappedKey::from_bytes(wrap.enc).ok()?;
    let secret = single_shot_open::<HpkeAead, HkdfSha256, Kem>(
        &OpModeR::Base,
        key.opening(),
        &enc,
        &bound.info(),
        wrap.wrapped,
        b"",
    );
    let secret = Zeroizing::new(secret.ok()?);
    let keys = ContentKeys::of(&secret);
    // Without this check a sender could give two recipients different secrets, so that they read
    // different contents in one ciphertext.
    if keys.commitment != parts.head.commitment {
        return None;
    }
    let (content, tag) = parts.ciphertext.split_last_chunk::<TAG>()?;
    let mut content = content.to_vec();
    let aad = bound.content_aad(parts.recipients);
    let cipher = ChaCha20Poly1305::new((&*keys.key).into());
    let opened = cipher.decrypt_inout_detached(
        &Nonce::default(),
        &aad,
        content.as_mut_slice().into(),
        tag.into(),
    );
    opened.ok()?;
    Some(content)
}
