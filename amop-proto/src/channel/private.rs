//! Private topics: the bodies of 0x37 and 0x38 (channel-v2 section 9).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    NodeId, TopicName,
    topic::{NEED_VERIFY, PrivateName},
};

/// A node's request to a publisher, 0x37: verify the subscriber behind another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyRequest {
    /// The subscriber's node.
    pub node: NodeId,
    /// The private topic.
    pub topic: PrivateName,
    /// The topic on which the subscriber receives its challenge.
    pub route: TopicName,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestBody {
    node_id: String,
    topic: String,
    topic_for_cert: String,
}

impl VerifyRequest {
    /// Reads the body of a 0x37 frame.
    ///
    /// # Errors
    ///
    /// [`VerifyRequestError`] says what is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, VerifyRequestError> {
        // Text after the object is ignored; nodes write a line feed there.
        let body = RequestBody::deserialize(&mut serde_json::Deserializer::from_slice(body))
            .map_err(|_| VerifyRequestError::NotJson)?;
        let node = body.node_id.parse();
        let node = node.map_err(|_| VerifyRequestError::NodeId)?;
        let name = body.topic.strip_prefix(NEED_VERIFY);
        let topic = name.and_then(|name| PrivateName::new(name).ok());
        let topic = topic.ok_or(VerifyRequestError::Topic)?;
        if !topic.has_route(&body.topic_for_cert) {
            return Err(VerifyRequestError::Route);
        }
        let route = TopicName::new(&body.topic_for_cert);
        let route = route.map_err(|_| VerifyRequestError::Route)?;
        Ok(Self { node, topic, route })
    }

    /// Returns the body of the 0x38 frame that tells the node the result.
    pub fn result(&self, good: bool) -> Bytes {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct ResultBody<'a> {
            check_result: u8,
            node_id: String,
            topic: &'a str,
        }
        let body = ResultBody {
            check_result: u8::from(!good),
            node_id: self.node.to_string(),
            topic: self.topic.topic().as_str(),
        };
        // Strings and numbers always serialise.
        serde_json::to_vec(&body).unwrap_or_default().into()
    }
}

/// Returns the body of a 0x37 frame, which asks a publisher to verify a subscriber behind another
/// node.
pub(crate) fn verify_request(node: &NodeId, topic: &[u8], route: &[u8]) -> Bytes {
    let body = serde_json::json!({
        "nodeId": node.to_string(),
        "topic": String::from_utf8_lossy(topic),
        "topicForCert": String::from_utf8_lossy(route),
    });
    format!("{body}\n").into()
}

/// The longest 0x38 body that is read, in bytes: much longer than any publisher writes.
const MAX_VERDICT: usize = 16 * 1024;

impl Verdict {
    /// The longest body that is read, in bytes.
    pub(crate) const MOST: usize = MAX_VERDICT;
}

/// A publisher's verdict on the subscribers of another node, 0x38.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The private topic, as on the wire.
    pub topic: Bytes,
    /// The subscribers' node.
    pub node: NodeId,
    /// Whether one of the subscribers holds a granted key.
    pub good: bool,
}

impl Verdict {
    /// Reads the body of a 0x38 frame; returns `None` if the bytes are not a verdict.
    pub fn parse(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct VerdictBody {
            check_result: i64,
            node_id: String,
            topic: String,
        }
        if body.len() > MAX_VERDICT {
            return None;
        }
        let body =
            VerdictBody::deserialize(&mut serde_json::Deserializer::from_slice(body)).ok()?;
        Some(Self {
            topic: Bytes::from(body.topic),
            node: body.node_id.parse().ok()?,
            good: body.check_result == 0,
        })
    }
}

/// Why a 0x37 frame cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyRequestError {
    /// It is not an object with the texts `nodeId`, `topic` and `topicForCert`.
    #[error("it is not an object with the texts nodeId, topic and topicForCert")]
    NotJson,
    /// `nodeId` is not a node's id.
    #[error("its nodeId is not 128 hex digits")]
    NodeId,
    /// `topic` is not a private topic.
    #[error("its topic is not a private one")]
    Topic,
    /// `topicForCert` is not a topic on which a subscriber of `topic` receives challenges.
    #[error("its topicForCert is not a route of its topic")]
    Route,
}

#[cfg(test)]
mod tests;
