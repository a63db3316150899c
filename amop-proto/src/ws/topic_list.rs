//! The topics of a session, 0x0110 (ws-v3 section 10.1).

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{
    Deserializer, Serialize,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    WsJsonError, WsTopic,
    json::{check_object, to_payload},
};

/// The longest list that is read, in bytes.
pub const MAX_TOPIC_LIST: usize = 2 * 1024 * 1024;

/// The list of the topics of an SDK. An SDK always sends its whole list. A node adds the listed
/// topics to those of the session, never answers, and never removes a topic.
///
/// ```
/// use amop_proto::ws::{WsTopicList, WsTopic};
///
/// let topics = [WsTopic::new("a")?, WsTopic::new("é")?];
/// let payload = WsTopicList::payload_of(&topics);
/// assert_eq!(&payload[..], b"{\"topics\":[\"a\",\"\\u00e9\"]}\n");
/// let list = WsTopicList::parse(&payload, 10)?;
/// assert_eq!(list.topics, ["a", "é"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WsTopicList {
    /// The topics, in the order given. They need not be text.
    pub topics: Vec<Bytes>,
    /// The number of topics that were over the limit and were not kept.
    pub left_out: usize,
}

#[derive(Serialize)]
struct Written<'a> {
    topics: Vec<&'a str>,
}

impl WsTopicList {
    /// Returns the payload with these topics.
    pub fn payload_of<'a>(topics: impl IntoIterator<Item = &'a WsTopic>) -> Bytes {
        let topics = topics.into_iter().map(WsTopic::as_str).collect();
        to_payload(&Written { topics })
    }

    /// Reads a payload of at most [`MAX_TOPIC_LIST`] bytes, as a FISCO node reads it. At most `max`
    /// topics are kept.
    ///
    /// # Errors
    ///
    /// [`WsJsonError`] if it is not a JSON object with an array `topics`, or an element is neither a
    /// text nor a number, a flag or null. A node ignores the message then.
    pub fn parse(payload: &[u8], max: usize) -> Result<Self, WsJsonError> {
        check_object(payload, MAX_TOPIC_LIST)?;
        // Texts are read as bytes, because an SDK may write bytes that are not UTF-8 without an
        // escape. A list with other elements is read again, as UTF-8.
        match read::<true>(payload, max) {
            Ok(list) => Ok(list),
            Err(_) => read::<false>(payload, max).map_err(WsJsonError::of),
        }
    }
}

fn read<const BYTES: bool>(payload: &[u8], max: usize) -> Result<WsTopicList, serde_json::Error> {
    let top = Top::<BYTES> { max };
    let mut reader = serde_json::Deserializer::from_slice(payload);
    // Only the first value counts; text after it is ignored.
    reader.deserialize_map(top)
}

/// The object.
struct Top<const BYTES: bool> {
    max: usize,
}

impl<'de, const BYTES: bool> Visitor<'de> for Top<BYTES> {
    type Value = WsTopicList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with an array of topics")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WsTopicList, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if key == "topics" {
                // The last one counts.
                found = Some(map.next_value_seed(Elements::<BYTES> { max: self.max })?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        found.ok_or_else(|| de::Error::missing_field("topics"))
    }
}

/// The array.
struct Elements<const BYTES: bool> {
    max: usize,
}

impl<'de, const BYTES: bool> DeserializeSeed<'de> for Elements<BYTES> {
    type Value = WsTopicList;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<WsTopicList, D::Error> {
        value.deserialize_seq(self)
    }
}

impl<'de, const BYTES: bool> Visitor<'de> for Elements<BYTES> {
    type Value = WsTopicList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of topics")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<WsTopicList, A::Error> {
        let mut list = WsTopicList::default();
        while let Some(topic) = items.next_element_seed(Element::<BYTES>)? {
            if list.topics.len() < self.max {
                list.topics.push(topic);
            } else {
                list.left_out += 1;
            }
        }
        Ok(list)
    }
}

/// One element of the array.
struct Element<const BYTES: bool>;

impl<'de, const BYTES: bool> DeserializeSeed<'de> for Element<BYTES> {
    type Value = Bytes;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Bytes, D::Error> {
        if BYTES {
            value.deserialize_bytes(self)
        } else {
            value.deserialize_any(self)
        }
    }
}

impl<'de, const BYTES: bool> Visitor<'de> for Element<BYTES> {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a topic")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(bytes))
    }

    fn visit_str<E>(self, text: &str) -> Result<Bytes, E> {
        Ok(Bytes::copy_from_slice(text.as_bytes()))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Bytes, E> {
        Ok(flag.to_string().into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Bytes, E> {
        Ok(number.to_string().into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Bytes, E> {
        Ok(number.to_string().into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Bytes, E> {
        let number = serde_json::Number::from_f64(number);
        Ok(number.map(|n| n.to_string()).unwrap_or_default().into())
    }

    fn visit_unit<E>(self) -> Result<Bytes, E> {
        Ok(Bytes::new())
    }
}
