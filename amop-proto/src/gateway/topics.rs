//! Topic lists (gateway-v3 section 7.1).

use std::fmt::{self, Write};

use bytes::Bytes;
use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::log::OneLine;

/// The longest topic that a message can name, in bytes (ws-v3 section 10.2).
const MAX_TOPIC: usize = 65_535;

/// The longest list that this node announces, in bytes.
pub const MAX_ANNOUNCED: usize = 16 * 1024 * 1024;

/// How many characters of the JSON reader's error text are kept; the text may quote the list.
const MAX_PROBLEM: usize = 160;

/// The topics of a node. Topics are bytes: not all that exist are UTF-8.
///
/// ```
/// use amop_proto::gateway::GatewayTopicList;
/// use bytes::Bytes;
///
/// let list = GatewayTopicList { seq: 5, topics: vec![Bytes::from("hello")] };
/// let text = list.encode();
/// assert_eq!(text, "{\"topicItems\":[\"hello\"],\"topicSeq\":5}\n");
/// assert_eq!(GatewayTopicList::parse(&text, 1024, 10), Ok(list));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayTopicList {
    /// The node's topic sequence number.
    pub seq: u32,
    /// The topics.
    pub topics: Vec<Bytes>,
}

impl GatewayTopicList {
    /// Writes the list as FISCO nodes do: JSON in ASCII, and a line feed. Bytes that are not UTF-8
    /// are written as they are, because JSON cannot express them.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode(self.seq, &self.topics)
    }

    /// Reads a list of at most `max_len` bytes and `max_topics` topics. Topics are taken as bytes,
    /// escaped or not; those that are too long for any message are left out. The topics are
    /// copied, so that a short list does not keep a long buffer alive.
    ///
    /// # Errors
    ///
    /// [`GatewayTopicListError`] if it is not JSON of this shape or over a limit.
    pub fn parse(
        text: &[u8],
        max_len: usize,
        max_topics: usize,
    ) -> Result<Self, GatewayTopicListError> {
        let len = text.len();
        if len > max_len {
            return Err(GatewayTopicListError::TooLong { len, max: max_len });
        }
        let mut list = ListVisitor {
            max: max_topics,
            full: false,
            seq: None,
            topics: None,
        };
        // Text after the object is ignored, as FISCO nodes do.
        let read = serde_json::Deserializer::from_slice(text).deserialize_map(&mut list);
        if list.full {
            return Err(GatewayTopicListError::TooMany { max: max_topics });
        }
        read.map_err(|error| GatewayTopicListError::malformed(&error))?;
        Ok(Self {
            seq: list.seq.ok_or(GatewayTopicListError::NoSeq)?,
            topics: list.topics.ok_or(GatewayTopicListError::NoTopics)?,
        })
    }
}

/// The topics that this node announces on all its connections, with their sequence number.
///
/// FISCO nodes keep one list for each node, however they reach it; so all connections of a node
/// must announce the same one. Clones are cheap.
///
/// ```
/// use amop_proto::gateway::AnnouncedTopics;
/// use bytes::Bytes;
///
/// let mut topics = AnnouncedTopics::starting_at(1_700_000_000);
/// assert_eq!(topics.replace([Bytes::from("hello")]), Ok(true));
/// assert_eq!(topics.replace([Bytes::from("hello")]), Ok(false));
/// assert_eq!(topics.seq(), 1_700_000_001);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncedTopics {
    seq: u32,
    topics: std::sync::Arc<[Bytes]>,
    text: Bytes,
}

impl AnnouncedTopics {
    /// Returns an empty list. The first number should be random, or the time: nodes before 3.14.0
    /// never forget a node's list, and do not ask for a different one with the same number
    /// (gateway-v3 section 7.1).
    #[must_use]
    pub fn starting_at(seq: u32) -> Self {
        Self {
            seq,
            topics: [].into(),
            text: encode(seq, &[]),
        }
    }

    /// Replaces the topics, and returns whether they are different from those before; their order
    /// and repetitions do not matter.
    ///
    /// # Errors
    ///
    /// [`GatewayTopicListError::TooLong`] if the list is longer than [`MAX_ANNOUNCED`]. The topics
    /// stay as they were.
    pub fn replace(
        &mut self,
        topics: impl IntoIterator<Item = Bytes>,
    ) -> Result<bool, GatewayTopicListError> {
        let mut topics: Vec<Bytes> = topics.into_iter().collect();
        topics.sort_unstable();
        topics.dedup();
        if topics[..] == self.topics[..] {
            return Ok(false);
        }
        let seq = self.seq.wrapping_add(1);
        let text = encode(seq, &topics);
        let (len, max) = (text.len(), MAX_ANNOUNCED);
        if len > max {
            return Err(GatewayTopicListError::TooLong { len, max });
        }
        let topics = topics.into();
        *self = Self { seq, topics, text };
        Ok(true)
    }

    /// Returns the sequence number.
    #[must_use]
    pub fn seq(&self) -> u32 {
        self.seq
    }

    /// Returns the topics, in order.
    #[must_use]
    pub fn topics(&self) -> &[Bytes] {
        &self.topics
    }

    /// Returns the list as it is sent.
    #[must_use]
    pub fn text(&self) -> &Bytes {
        &self.text
    }
}

fn encode(seq: u32, topics: &[Bytes]) -> Bytes {
    let mut out = b"{\"topicItems\":[".to_vec();
    for (at, topic) in topics.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put_quoted(topic, &mut out);
    }
    out.extend_from_slice(format!("],\"topicSeq\":{seq}}}\n").as_bytes());
    out.into()
}

fn put_quoted(topic: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in topic.utf8_chunks() {
        let mut text = String::with_capacity(chunk.valid().len());
        chunk.valid().chars().for_each(|c| put_char(c, &mut text));
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(chunk.invalid());
    }
    out.push(b'"');
}

fn put_char(c: char, text: &mut String) {
    match c {
        '"' => text.push_str("\\\""),
        '\\' => text.push_str("\\\\"),
        '\u{8}' => text.push_str("\\b"),
        '\u{c}' => text.push_str("\\f"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        ' '..='\u{7f}' => text.push(c),
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
}

/// Reads the object.
struct ListVisitor {
    max: usize,
    /// Whether there were too many topics.
    full: bool,
    seq: Option<u32>,
    topics: Option<Vec<Bytes>>,
}

impl<'de> Visitor<'de> for &mut ListVisitor {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with topics")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Text)? {
            match &key[..] {
                b"topicSeq" => self.seq = Some(map.next_value()?),
                b"topicItems" => map.next_value_seed(TopicsVisitor(&mut *self))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Reads the array of topics.
struct TopicsVisitor<'a>(&'a mut ListVisitor);

impl<'de> DeserializeSeed<'de> for TopicsVisitor<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for TopicsVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of topics")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut topics = Vec::new();
        while let Some(topic) = items.next_element_seed(Text)? {
            if topics.len() == self.0.max {
                self.0.full = true;
                return Err(de::Error::custom("too many topics"));
            }
            if topic.len() <= MAX_TOPIC {
                topics.push(topic);
            }
        }
        self.0.topics = Some(topics);
        Ok(())
    }
}

/// Reads a string as bytes, whether they are UTF-8 or not.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Bytes;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Bytes, D::Error> {
        value.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(bytes))
    }

    fn visit_str<E>(self, text: &str) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(text.as_bytes()))
    }
}

/// Why a topic list is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayTopicListError {
    /// It is not JSON of this shape.
    #[error("a topic list is malformed: {}", OneLine::new(.0).max(256))]
    Malformed(String),
    /// It does not have a sequence number.
    #[error("a topic list does not have its sequence number; the other side is faulty")]
    NoSeq,
    /// It does not have topics.
    #[error("a topic list does not have topics; the other side is faulty")]
    NoTopics,
    /// It is over the limit of bytes.
    #[error("a topic list has {len} bytes, the limit is {max}; use fewer topics")]
    TooLong {
        /// The length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// It has too many topics.
    #[error("a topic list has more than {max} topics; raise the limit")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// Together with the lists of the other nodes behind the same neighbour it is over the limit.
    #[error("the topics of all nodes behind a neighbour have over {max} bytes; raise the limit")]
    NoRoom {
        /// The limit.
        max: usize,
    },
}

impl GatewayTopicListError {
    fn malformed(error: &serde_json::Error) -> Self {
        Self::Malformed(error.to_string().chars().take(MAX_PROBLEM).collect())
    }
}

#[cfg(test)]
mod tests;
