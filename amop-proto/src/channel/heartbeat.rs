//! Heartbeats, 0x13 (channel-v2 section 5.2).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ProtocolVersion;

/// The body an SDK sends.
pub fn heartbeat_request(version: ProtocolVersion) -> Bytes {
    if version == ProtocolVersion::V1 {
        Bytes::from_static(b"0")
    } else {
        Bytes::from_static(b"{\"heartBeat\":0}")
    }
}

#[derive(Serialize, Deserialize)]
struct Refusal {
    #[serde(rename = "heartBeat")]
    heart_beat: i64,
    /// Topics of the session's set that it did not get, as many as fit.
    #[serde(default)]
    refused: Vec<String>,
}

/// What a node answers to a client of ours that did not get all topics of its set: as always, and the
/// first of them. Clients that do not know it do not look at it.
pub fn heartbeat_refusal(refused: &[String]) -> Bytes {
    let refusal = Refusal {
        heart_beat: 1,
        refused: refused.to_vec(),
    };
    // A number and texts always serialise.
    let mut body = serde_json::to_vec(&refusal).unwrap_or_default();
    body.push(b'\n');
    body.into()
}

/// The longest such answer, in bytes: 64 of the longest topics, escaped.
const MAX_REFUSAL: usize = 128 * 1024;

/// The topics that an answer says the session did not get.
pub fn refused_topics(answer: &[u8]) -> Vec<String> {
    // Mostly it says nothing.
    if answer.len() <= "{\"heartBeat\":1}\n".len() || answer.len() > MAX_REFUSAL {
        return Vec::new();
    }
    let refusal = Refusal::deserialize(&mut serde_json::Deserializer::from_slice(answer));
    refusal.map_or_else(|_| Vec::new(), |refusal| refusal.refused)
}

/// The body a node answers with; `None` where it stays silent.
///
/// Version 1 answers only the body `0`; later ones answer anything.
pub fn heartbeat_answer(version: ProtocolVersion, request: &[u8]) -> Option<Bytes> {
    if version > ProtocolVersion::V1 {
        Some(Bytes::from_static(b"{\"heartBeat\":1}\n"))
    } else {
        (request == b"0").then(|| Bytes::from_static(b"1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_topics_come_back_and_whatever_else_is_said_names_none() {
        let refused = vec!["a".to_owned(), "话\"题".to_owned()];
        let body = heartbeat_refusal(&refused);
        assert!(body.starts_with(b"{\"heartBeat\":1,") && body.ends_with(b"}\n"));
        assert_eq!(refused_topics(&body), refused);
        let long = vec!["\u{1}".repeat(254); 64];
        assert_eq!(refused_topics(&heartbeat_refusal(&long)), long);
        for body in [
            "1",
            "{\"heartBeat\":1}\n",
            "{\"heartBeat\":1,\"refused\":1}",
            "not JSON at all",
        ] {
            assert!(refused_topics(body.as_bytes()).is_empty(), "{body}");
        }
    }
}
