//! Heartbeats, 0x13 (channel-v2 section 5.2).

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ProtocolVersion;

/// Returns the heartbeat body that an SDK sends.
pub fn heartbeat_request(version: ProtocolVersion) -> Bytes {
    if version == ProtocolVersion::V1 {
        Bytes::from_static(b"0")
    } else {
        Bytes::from_static(b"{\"heartBeat\":0}")
    }
}

/// The topics that a session lacks of the set it sent. An overlay node reports them to a native
/// client in the answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Shortage {
    /// The first of the topics that the session does not have, to show to people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// The whole set is not in force: the session still has the set it had before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// The number of topics of the set that were checked, in byte order; the session has none of
    /// the others.
    #[serde(default)]
    pub read: usize,
    /// Those of the checked topics that the session does not have.
    #[serde(default, skip_serializing_if = "Places::is_empty")]
    pub missing: Places,
}

impl Shortage {
    /// Returns whether the session has all topics.
    pub fn is_none(&self) -> bool {
        !self.kept && self.refused.is_empty() && self.missing.is_empty()
    }

    /// Returns whether the session has the topic at a position of its set, in byte order.
    pub fn spares(&self, place: usize) -> bool {
        !self.kept && place < self.read && !self.missing.contains(place)
    }
}

/// A set of positions in a list, one bit each. On the wire these are hexadecimal digits with four
/// positions per digit; the first position is the highest bit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places(Vec<u8>);

impl Places {
    /// Adds a position.
    pub fn insert(&mut self, place: usize) {
        let byte = place / 8;
        if self.0.len() <= byte {
            self.0.resize(byte + 1, 0);
        }
        self.0[byte] |= 0x80 >> (place % 8);
    }

    /// Returns whether a position is in the set.
    pub fn contains(&self, place: usize) -> bool {
        let byte = self.0.get(place / 8).copied().unwrap_or(0);
        byte & (0x80 >> (place % 8)) != 0
    }

    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&byte| byte == 0)
    }
}

impl Serialize for Places {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        let mut places = Self::default();
        for (at, digit) in text.chars().enumerate() {
            let bits = digit
                .to_digit(16)
                .ok_or_else(|| de::Error::custom("not hexadecimal"))?;
            for bit in (0..4).filter(|bit| bits & (8 >> bit) != 0) {
                places.insert(at * 4 + bit);
            }
        }
        Ok(places)
    }
}

#[derive(Serialize, Deserialize)]
struct HeartbeatAnswer {
    #[serde(rename = "heartBeat")]
    heart_beat: i64,
    #[serde(flatten)]
    shortage: Shortage,
}

/// Returns the body with which a node answers a native client that did not get all topics of its
/// set: the usual answer, and the missing topics. Clients that do not know the extra fields ignore
/// them.
pub fn heartbeat_shortage(shortage: &Shortage) -> Bytes {
    let answer = HeartbeatAnswer {
        heart_beat: 1,
        shortage: shortage.clone(),
    };
    // Numbers and strings always serialise.
    let mut body = serde_json::to_vec(&answer).unwrap_or_default();
    body.push(b'\n');
    body.into()
}

/// The longest such answer, in bytes: 64 of the longest topics, escaped, and one digit for every
/// four topics of the longest set.
const MAX_SHORTAGE: usize = 512 * 1024;

/// Returns the missing topics that an answer to a heartbeat reports.
pub fn read_shortage(answer: &[u8]) -> Shortage {
    // The usual answer has no further fields.
    if answer.len() <= "{\"heartBeat\":1}\n".len() || answer.len() > MAX_SHORTAGE {
        return Shortage::default();
    }
    let answer = HeartbeatAnswer::deserialize(&mut serde_json::Deserializer::from_slice(answer));
    answer.map_or_else(|_| Shortage::default(), |answer| answer.shortage)
}

/// Returns the body with which a node answers; `None` if it does not answer.
///
/// In version 1 a node answers only the body `0`; in later versions it answers any body.
pub fn heartbeat_answer(version: ProtocolVersion, request: &[u8]) -> Option<Bytes> {
    if version > ProtocolVersion::V1 {
        Some(Bytes::from_static(b"{\"heartBeat\":1}\n"))
    } else {
        (request == b"0").then(|| Bytes::from_static(b"1"))
    }
}

#[cfg(test)]
mod tests;
