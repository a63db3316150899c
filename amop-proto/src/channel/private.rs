//! Private topics: their names, and the bodies of 0x37 and 0x38 (channel-v2 section 9).

use std::{fmt, str::FromStr};

use bytes::Bytes;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::Seq;
use crate::{MAX_TOPIC_LEN, TopicError, TopicName, p2p::NodeId};

/// The prefix of the topic to which messages of a private topic are sent.
pub(crate) const NEED_VERIFY: &str = "#!$TopicNeedVerify_";

/// The prefix of the topic on which a subscriber receives challenges.
pub(crate) const VERIFY_ROUTE: &str = "#!$VerifyChannel_";

/// The prefix of the topic on which publishers are asked to verify subscribers.
pub(crate) const PUSH_ROUTE: &str = "#!$PushChannel_";

/// The number of hex digits at the end of a route.
const SUFFIX_LEN: usize = 32;

/// The longest name of a private topic in bytes. With it the subscriber's route still fits into a
/// topic (channel-v2 section 9.1).
pub const MAX_PRIVATE_LEN: usize =
    MAX_TOPIC_LEN - VERIFY_ROUTE.len() - NEED_VERIFY.len() - 1 - SUFFIX_LEN;

/// The name of a private topic, checked: 1 to 185 bytes of UTF-8 without a tab.
///
/// On the wire a private topic uses three topics. None of them is its plain name (channel-v2
/// section 9.1).
///
/// ```
/// use amop_proto::channel::PrivateName;
///
/// let settlement = PrivateName::new("settlement")?;
/// assert_eq!(settlement.as_str(), "settlement");
/// assert_eq!(settlement.topic().as_str(), "#!$TopicNeedVerify_settlement");
/// # Ok::<(), amop_proto::TopicError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PrivateName {
    topic: TopicName,
    push_topic: TopicName,
}

impl PrivateName {
    /// Checks `name` and creates a private topic with it.
    ///
    /// # Errors
    ///
    /// [`TopicError`] says what is wrong with the name.
    pub fn new(name: &str) -> Result<Self, TopicError> {
        TopicError::check(name)?;
        if name.len() > MAX_PRIVATE_LEN {
            return Err(TopicError::PrivateTooLong {
                len: name.len(),
                start: name.chars().take(24).collect(),
            });
        }
        Ok(Self {
            topic: TopicName::new(&format!("{NEED_VERIFY}{name}"))?,
            push_topic: TopicName::new(&format!("{PUSH_ROUTE}{NEED_VERIFY}{name}"))?,
        })
    }

    /// Returns the private topic whose messages are sent to `topic`; `None` for other topics.
    pub fn of_topic(topic: &TopicName) -> Option<Self> {
        Self::new(topic.as_str().strip_prefix(NEED_VERIFY)?).ok()
    }

    /// Returns the name of a topic to show to people: for the message topic or the push topic of a
    /// private topic, the name of the private topic; otherwise the name on the wire.
    pub fn shown(topic: &TopicName) -> &str {
        let topic = topic.as_str();
        let private = topic.strip_prefix(PUSH_ROUTE).unwrap_or(topic);
        private.strip_prefix(NEED_VERIFY).unwrap_or(topic)
    }

    /// Returns the name by which programs call the topic.
    pub fn as_str(&self) -> &str {
        &self.topic.as_str()[NEED_VERIFY.len()..]
    }

    /// Returns the topic to which messages are sent.
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// Returns the topic to which publishers subscribe, so that they are asked to verify
    /// subscribers.
    pub fn push_topic(&self) -> &TopicName {
        &self.push_topic
    }

    /// Returns a new topic on which a subscriber receives challenges.
    pub fn route<R: Rng + ?Sized>(&self, rng: &mut R) -> TopicName {
        let route = format!("{VERIFY_ROUTE}{}_{}", self.topic, Seq::random(rng));
        TopicName::new(&route).expect("MAX_PRIVATE_LEN leaves room for it")
    }

    /// Returns whether `topic` may be a subscriber's route of this private topic, and of no other
    /// one: a node finds a route by its beginning, and may take a route of `abcd` for one of `abc`.
    fn has_route(&self, topic: &str) -> bool {
        topic
            .strip_prefix(VERIFY_ROUTE)
            .and_then(|rest| rest.strip_prefix(self.topic.as_str()))
            .and_then(|rest| rest.strip_prefix('_'))
            .is_some_and(|suffix| {
                suffix.len() == SUFFIX_LEN && suffix.bytes().all(|byte| byte.is_ascii_hexdigit())
            })
    }
}

impl fmt::Display for PrivateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PrivateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl FromStr for PrivateName {
    type Err = TopicError;

    fn from_str(name: &str) -> Result<Self, TopicError> {
        Self::new(name)
    }
}

/// Returns whether a topic is a route, on which a subscriber of a private topic receives
/// challenges.
pub(crate) fn is_route(topic: &TopicName) -> bool {
    topic.as_str().starts_with(VERIFY_ROUTE)
}

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
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    const ROUTE: &str =
        "#!$VerifyChannel_#!$TopicNeedVerify_hello_92be6ce4dbd311eaae5a983b8fda4e0e";

    fn body(node: &str, topic: &str, route: &str) -> Vec<u8> {
        format!("{{\"nodeId\":\"{node}\",\"topic\":\"{topic}\",\"topicForCert\":\"{route}\"}}\n")
            .into_bytes()
    }

    #[test]
    fn the_longest_name_has_a_route_and_a_longer_one_is_refused() {
        assert_eq!(MAX_PRIVATE_LEN, 185);
        let longest = PrivateName::new(&"t".repeat(185)).unwrap();
        let route = longest.route(&mut StdRng::seed_from_u64(1));
        assert_eq!(route.as_str().len(), MAX_TOPIC_LEN);
        assert!(longest.has_route(route.as_str()));
        assert_eq!(PrivateName::of_topic(longest.topic()), Some(longest));
        assert!(matches!(
            PrivateName::new(&"t".repeat(186)),
            Err(TopicError::PrivateTooLong { len: 186, .. })
        ));
        assert_eq!(PrivateName::new(""), Err(TopicError::Empty));
    }

    #[test]
    fn routes_differ() {
        let name = PrivateName::new("hello").unwrap();
        let mut rng = StdRng::seed_from_u64(1);
        let (one, other) = (name.route(&mut rng), name.route(&mut rng));
        assert!(one != other && is_route(&one));
        assert!(!is_route(name.topic()) && !is_route(name.push_topic()));
        assert_eq!(PrivateName::shown(name.topic()), "hello");
        assert_eq!(PrivateName::shown(name.push_topic()), "hello");
        assert_eq!(PrivateName::shown(&one), one.as_str());
    }

    #[test]
    fn requests_that_make_no_sense_are_refused() {
        let node = "ab".repeat(64);
        let topic = "#!$TopicNeedVerify_hello";
        assert!(VerifyRequest::parse(&body(&node, topic, ROUTE)).is_ok());
        let parse = |node, topic, route| VerifyRequest::parse(&body(node, topic, route));
        let short = &node[2..];
        assert_eq!(parse(short, topic, ROUTE), Err(VerifyRequestError::NodeId));
        assert_eq!(parse(&node, "hello", ROUTE), Err(VerifyRequestError::Topic));
        // The route of another topic, with which a different subscriber would be verified.
        for other in ["#!$TopicNeedVerify_hell", "#!$TopicNeedVerify_hello_92be"] {
            assert_eq!(parse(&node, other, ROUTE), Err(VerifyRequestError::Route));
        }
        for route in [
            "hello",
            &ROUTE[..ROUTE.len() - 1],
            &ROUTE.replace("92be", "92bg"),
        ] {
            assert_eq!(parse(&node, topic, route), Err(VerifyRequestError::Route));
        }
        for text in ["", "{}", "[]", "{\"nodeId\":1}"] {
            assert_eq!(
                VerifyRequest::parse(text.as_bytes()),
                Err(VerifyRequestError::NotJson)
            );
        }
    }
}
