//! Reads the test vectors in `tests/data/vectors.json` and creates them again. They are also read
//! by a second implementation, based on other libraries, that only follows docs/sealed-topics.md.
//!
//! `UPDATE_VECTORS=1 cargo test -p amop-seal --test it vectors` writes them again after an intended
//! change.

mod second;

use std::{collections::VecDeque, convert::Infallible, fs, path::PathBuf};

use amop_seal::{
    Recipients, ReplaySettings, ReplayWindow, RequestDigest, Sealed, SealedAnswer, SealedKind,
    SealedReader, SealingKey, SealingPublicKey, open_reply, seal, seal_reply,
};
use rand::{TryCryptoRng, TryRng};
use serde::{Deserialize, Serialize};

/// A key pair: its secrets as 64 bytes, Ed25519 first, and the values derived from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Key {
    /// The 32 bytes of Ed25519 and the 32 bytes of X25519.
    pub(crate) secrets: String,
    /// The public keys in the same order.
    pub(crate) public: String,
    /// The id in messages.
    pub(crate) id: String,
}

/// A message, all binary fields in hex.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Vector {
    /// The special property of this vector.
    pub(crate) name: String,
    /// The topic.
    pub(crate) topic: String,
    /// The kind, a number from 1 to 5.
    pub(crate) kind: u8,
    /// The time in milliseconds since 1970.
    pub(crate) time: u64,
    /// The index of the sender's key in the list of keys.
    pub(crate) sender: usize,
    /// The indexes of the recipients' keys.
    pub(crate) recipients: Vec<usize>,
    /// The digest of the request that it answers; zeros if it is not an answer.
    pub(crate) about: String,
    /// The content.
    pub(crate) content: String,
    /// The random bytes used: id, content secret, and for each recipient the input of `DeriveKeyPair`.
    pub(crate) random: String,
    /// The key with which the content is encrypted.
    pub(crate) content_key: String,
    /// The digest by which an answer refers to it.
    pub(crate) digest: String,
    /// The message.
    pub(crate) message: String,
}

/// The content of the file.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Vectors {
    /// The keys.
    pub(crate) keys: Vec<Key>,
    /// The messages.
    pub(crate) vectors: Vec<Vector>,
}

/// A random number generator that returns the given bytes.
struct Fixed(VecDeque<u8>);

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("only bytes are drawn")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("only bytes are drawn")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            *byte = self.0.pop_front().expect("as many bytes as are drawn");
        }
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

fn fixed(bytes: &[u8]) -> Fixed {
    Fixed(bytes.iter().copied().collect())
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn key(n: u8) -> (SealingKey, Key) {
    let secrets: Vec<u8> = (0..64).map(|at| at * 3 + n * 17 + 1).collect();
    let key = SealingKey::generate_with(&mut fixed(&secrets));
    let public = key.public_key();
    let shown = Key {
        secrets: hex::encode(&secrets),
        public: hex::encode(public.to_bytes()),
        id: public.id().to_string(),
    };
    (key, shown)
}

fn kind(kind: u8) -> SealedKind {
    match kind {
        1 => SealedKind::Multicast,
        2 => SealedKind::Unicast,
        3 => SealedKind::Reply,
        4 => SealedKind::Acknowledgement,
        5 => SealedKind::Refusal,
        other => unreachable!("kind {other}"),
    }
}

fn make(keys: &[SealingKey], vector: &Vector) -> Sealed {
    let mut rng = fixed(&hex::decode(&vector.random).unwrap());
    let recipients: Vec<SealingPublicKey> = vector
        .recipients
        .iter()
        .map(|&at| keys[at].public_key())
        .collect();
    let sender = &keys[vector.sender];
    let content = hex::decode(&vector.content).unwrap();
    let about: RequestDigest = bytes(&vector.about);
    let (topic, time) = (&vector.topic, vector.time);
    let sealed = match kind(vector.kind) {
        kind @ (SealedKind::Multicast | SealedKind::Unicast) => {
            let to = Recipients::new(&recipients).unwrap();
            seal(sender, &to, topic, kind, time, &content, &mut rng)
        }
        kind => {
            let answer = match kind {
                SealedKind::Reply => SealedAnswer::Reply(&content),
                SealedKind::Refusal => {
                    SealedAnswer::Refusal(i32::from_be_bytes(content.try_into().unwrap()))
                }
                _ => SealedAnswer::Acknowledgement,
            };
            seal_reply(
                sender,
                &recipients[0],
                topic,
                &about,
                time,
                answer,
                &mut rng,
            )
        }
    };
    assert!(
        rng.0.is_empty(),
        "{}: all random bytes are drawn",
        vector.name
    );
    sealed.unwrap()
}

fn expected() -> (Vec<SealingKey>, Vectors) {
    let (keys, shown): (Vec<_>, Vec<_>) = (0..4).map(key).unzip();
    let mut vectors = Vec::new();
    let mut add =
        |name: &str, topic: &str, kind, recipients: &[usize], about: &str, content: &[u8]| {
            let n = vectors.len() as u8;
            let drawn = 48 + 32 * recipients.len();
            let random: Vec<u8> = (0..drawn)
                .map(|at| (at as u8).wrapping_mul(7) ^ n.wrapping_mul(29))
                .collect();
            let answers = kind > 2;
            let mut vector = Vector {
                name: name.to_owned(),
                topic: topic.to_owned(),
                kind,
                time: 1_700_000_000_000 + u64::from(n),
                sender: usize::from(answers),
                recipients: recipients.to_vec(),
                about: about.to_owned(),
                content: hex::encode(content),
                content_key: hex::encode(second::content_key(&random[16..48]).0),
                random: hex::encode(random),
                digest: String::new(),
                message: String::new(),
            };
            let sealed = make(&keys, &vector);
            vector.digest = hex::encode(sealed.digest);
            vector.message = hex::encode(sealed.bytes);
            vectors.push(vector.clone());
            vector.digest
        };
    let none = "00".repeat(32);
    add(
        "one recipient",
        "settlement",
        1,
        &[1],
        &none,
        br#"{"amount":100}"#,
    );
    add(
        "three recipients",
        "settlement",
        1,
        &[1, 2, 3],
        &none,
        br#"{"amount":100}"#,
    );
    add("empty content", "settlement", 1, &[1], &none, b"");
    add(
        "topic beyond ASCII",
        "清算/é",
        1,
        &[2],
        &none,
        "金額".as_bytes(),
    );
    let long: Vec<u8> = (0..1000_u32).map(|at| (at % 251) as u8).collect();
    add("long content", "settlement", 1, &[3], &none, &long);
    let about = add("unicast", "settlement", 2, &[1, 2], &none, b"how much?");
    add("reply", "settlement", 3, &[0], &about, b"100");
    add("acknowledgement", "settlement", 4, &[0], &about, b"");
    add(
        "refusal",
        "settlement",
        5,
        &[0],
        &about,
        &1234_i32.to_be_bytes(),
    );
    (
        keys,
        Vectors {
            keys: shown,
            vectors,
        },
    )
}

fn path() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "data", "vectors.json"]
        .iter()
        .collect()
}

fn stored() -> Vectors {
    serde_json::from_str(&fs::read_to_string(path()).unwrap()).unwrap()
}

#[test]
fn the_vectors_are_made_again_byte_by_byte() {
    let (_, expected) = expected();
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&expected).unwrap();
        fs::write(path(), text + "\n").unwrap();
    }
    assert_eq!(stored(), expected);
}

#[test]
fn the_vectors_are_opened_by_each_recipient() {
    let (keys, _) = expected();
    for vector in stored().vectors {
        let message = hex::decode(&vector.message).unwrap();
        let sender = keys[vector.sender].public_key();
        for &at in &vector.recipients {
            let own = &keys[at];
            let kind = kind(vector.kind);
            let opened = if kind.is_answer() {
                open_reply(
                    &message,
                    own,
                    &[sender],
                    &vector.topic,
                    &bytes(&vector.about),
                )
            } else {
                let window = ReplayWindow::first(ReplaySettings::default(), vector.time);
                let reader = SealedReader::new(&vector.topic, own.as_ref(), &[sender], window);
                reader.unwrap().open(&message, kind, vector.time)
            };
            let opened = opened.unwrap();
            assert_eq!(
                hex::encode(opened.content),
                vector.content,
                "{}",
                vector.name
            );
            assert_eq!(hex::encode(opened.digest), vector.digest, "{}", vector.name);
        }
    }
}

#[test]
fn a_second_implementation_reads_them() {
    let Vectors { keys, vectors } = stored();
    for vector in &vectors {
        for &at in &vector.recipients {
            let content = second::open(&keys, vector, at);
            assert_eq!(hex::encode(content), vector.content, "{}", vector.name);
        }
    }
}
