//! Opening messages.

use std::collections::HashMap;

use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce, aead::AeadInOut};
use hpke::{
    Deserializable, OpModeR, aead::ChaCha20Poly1305 as HpkeAead, kdf::HkdfSha256,
    kem::X25519HkdfSha256, single_shot_open,
};
use zeroize::Zeroizing;

use crate::{
    Digest, Id, KeyId, Kind, OpenError, ReaderError, SealingKey, SealingPublicKey, Window,
    error::{MAX_OWN, MAX_PUBLISHERS},
    layout::{Bound, ContentKeys, Parts, TAG, Wrap},
    window::Mark,
};

type Kem = X25519HkdfSha256;

/// A message that is proven to be its sender's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// What it says.
    pub content: Vec<u8>,
    /// How it travels.
    pub kind: Kind,
    /// Who made it.
    pub sender: SealingPublicKey,
    /// When, in milliseconds since 1970, by the sender's clock.
    pub time: u64,
    /// Its random number.
    pub id: Id,
    /// By what an answer names it.
    pub digest: Digest,
    /// Which of the keys given opened it.
    pub recipient: KeyId,
}

impl Opened {
    /// The code of a refusal; `None` if this is no refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<i32> {
        let code = self.content[..].try_into().ok()?;
        (self.kind == Kind::Refusal).then(|| i32::from_be_bytes(code))
    }
}

/// Whether a payload has the layout of a sealed message. Whether anybody signed it is not looked at.
#[must_use]
pub fn is_sealed(payload: &[u8]) -> bool {
    Parts::of(payload).is_ok()
}

/// Opens the messages of a topic for one subscriber, and takes each once.
#[derive(Debug)]
pub struct Reader {
    topic: String,
    own: Vec<SealingKey>,
    publishers: HashMap<KeyId, SealingPublicKey>,
    window: Window,
}

impl Reader {
    /// A reader of `topic` with the keys `own`, the newest first, for messages by `publishers`.
    ///
    /// # Errors
    ///
    /// [`ReaderError`] if there are no keys or too many: 16 of its own and 256 publishers are fine.
    pub fn new(
        topic: &str,
        own: &[SealingKey],
        publishers: &[SealingPublicKey],
        mut window: Window,
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

    /// Opens a message that came as `came`, at the time `now` in milliseconds since 1970. It is not
    /// taken yet: [`accept`](Self::accept) does that.
    ///
    /// What is cheap is checked first: the layout, the sender, the time, the recipients, then the
    /// signature, and only then anything is decrypted.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(&self, message: &[u8], came: Kind, now: u64) -> Result<Opened, OpenError> {
        let parts = Parts::of(message)?;
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

    /// Takes a message that was opened: it is refused from now on.
    ///
    /// # Errors
    ///
    /// [`OpenError::Refused`] if it was taken since it was opened, or if a mark has to be saved first.
    pub fn accept(&mut self, opened: &Opened, now: u64) -> Result<(), OpenError> {
        let sender = opened.sender.id();
        Ok(self.window.accept(sender, opened.time, opened.id, now)?)
    }

    /// Whether [`next_mark`](Self::next_mark) has to be saved before the message is taken.
    pub fn needs_mark(&self, opened: &Opened) -> bool {
        self.window.needs_mark(opened.time)
    }

    /// See [`Window::next_mark`].
    pub fn next_mark(&self, opened: &Opened, now: u64) -> Mark {
        self.window.next_mark(opened.time, now)
    }

    /// See [`Window::saved`].
    pub fn saved(&mut self, mark: &Mark) {
        self.window.saved(mark);
    }

    /// What the reader remembers.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// The key by which a message was opened, which signs its answer.
    pub fn key_of(&self, opened: &Opened) -> Option<&SealingKey> {
        self.own.iter().find(|key| key.id() == opened.recipient)
    }
}

/// Opens the answer to the unicast `request`, which `publisher` sealed to `recipients`. Its time does
/// not matter: there is one request that it can answer.
///
/// # Errors
///
/// [`OpenError`].
pub fn open_reply(
    message: &[u8],
    publisher: &SealingKey,
    recipients: &[SealingPublicKey],
    topic: &str,
    request: &Digest,
) -> Result<Opened, OpenError> {
    let parts = Parts::of(message)?;
    let head = &parts.head;
    if !head.kind.is_answer() {
        let (expected, got) = (Kind::Reply, head.kind);
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
    if opened.kind == Kind::Refusal && opened.refusal().is_none() {
        let sender = sender.id();
        return Err(OpenError::Unreadable { sender });
    }
    Ok(opened)
}

fn open(
    parts: &Parts<'_>,
    topic: &str,
    sender: &SealingPublicKey,
    own: &[SealingKey],
) -> Result<Opened, OpenError> {
    // The newest of the own keys that it is sealed to.
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
    Ok(Opened {
        content,
        kind: parts.head.kind,
        sender: *sender,
        time: parts.head.time,
        id: parts.head.id,
        digest,
        recipient: key.id(),
    })
}

/// `None` if the sender made the message wrong.
fn decrypt(parts: &Parts<'_>, bound: &Bound, key: &SealingKey, wrap: Wrap<'_>) -> Option<Vec<u8>> {
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
    // Else two recipients could be given two secrets, and read two contents of one ciphertext.
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
