//! Private topics: their names, and the bodies of 0x37 and 0x38 (channel-v2 section 9).

use std::{fmt, str::FromStr};

use bytes::Bytes;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::Seq;
use crate::{MAX_TOPIC_LEN, TopicError, TopicName, p2p::NodeId};

/// Messages of a private topic go to the topic behind this.
pub(crate) const NEED_VERIFY: &str = "#!$TopicNeedVerify_";

/// Subscribers take challenges behind this.
pub(crate) const VERIFY_ROUTE: &str = "#!$VerifyChannel_";

/// Publishers are asked to verify subscribers behind this.
pub(crate) const PUSH_ROUTE: &str = "#!$PushChannel_";

/// Hex digits at the end of a route.
const SUFFIX_LEN: usize = 32;

/// The longest name of a private topic in bytes, so that the subscriber's route fits into a topic
/// (channel-v2 section 9.1).
pub const MAX_PRIVATE_LEN: usize =
    MAX_TOPIC_LEN - VERIFY_ROUTE.len() - NEED_VERIFY.len() - 1 - SUFFIX_LEN;

/// The name of a private topic, checked: 1 to 185 bytes of UTF-8 without a tab.
///
/// On the wire it has three topics, none of them its plain name (channel-v2 section 9.1).
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
    /// Checks `name` and makes a private topic of it.
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

    /// The private topic whose messages go to `topic`; `None` if that is none's.
    pub fn of_topic(topic: &TopicName) -> Option<Self> {
        Self::new(topic.as_str().strip_prefix(NEED_VERIFY)?).ok()
    }

    /// What programs call a topic: the name if messages or wishes to verify go to a private topic by
    /// it, else what it is on the wire.
    pub fn shown(topic: &TopicName) -> &str {
        let topic = topic.as_str();
        let private = topic.strip_prefix(PUSH_ROUTE).unwrap_or(topic);
        private.strip_prefix(NEED_VERIFY).unwrap_or(topic)
    }

    /// The name, as programs call the topic.
    pub fn as_str(&self) -> &str {
        &self.topic.as_str()[NEED_VERIFY.len()..]
    }

    /// The topic that messages go to.
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// The topic to which publishers subscribe to be asked to verify subscribers.
    pub fn push_topic(&self) -> &TopicName {
        &self.push_topic
    }

    /// A new topic to which a subscriber subscribes for challenges.
    pub fn route<R: Rng + ?Sized>(&self, rng: &mut R) -> TopicName {
        let route = format!("{VERIFY_ROUTE}{}_{}", self.topic, Seq::random(rng));
        TopicName::new(&route).expect("MAX_PRIVATE_LEN leaves room for it")
    }

    /// Whether `topic` may be a subscriber's topic for challenges of this private topic, and of no
    /// other one: a node finds it by its beginning, and may take that of `abcd` for that of `abc`.
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

/// Whether a topic is one on which subscribers of private topics take challenges.
pub(crate) fn is_route(topic: &TopicName) -> bool {
    topic.as_str().starts_with(VERIFY_ROUTE)
}

/// What a node asks of a publisher, 0x37: to verify the subscriber behind another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyRequest {
    /// The subscriber's node.
    pub node: NodeId,
    /// The private topic.
    pub topic: PrivateName,
    /// Where the subscriber takes its challenge.
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
        // What follows the object, a line feed from nodes, is ignored.
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

    /// Writes the body of the 0x38 frame that tells the node the result.
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
        // Texts and a number always serialise.
        serde_json::to_vec(&body).unwrap_or_default().into()
    }
}

/// Writes the body of a 0x37 frame: asks a publisher to verify a subscriber behind another node.
pub(crate) fn verify_request(node: &NodeId, topic: &[u8], route: &[u8]) -> Bytes {
    let body = serde_json::json!({
        "nodeId": node.to_string(),
        "topic": String::from_utf8_lossy(topic),
        "topicForCert": String::from_utf8_lossy(route),
    });
    format!("{body}\n").into()
}

/// The longest 0x38 body read, in bytes: much longer than any publisher writes.
const MAX_VERDICT: usize = 16 * 1024;

impl Verdict {
    /// The longest body read, in bytes.
    pub(crate) const MOST: usize = MAX_VERDICT;
}

/// A publisher's verdict on the subscribers of another node, 0x38.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The private topic, as it is on the wire.
    pub topic: Bytes,
    /// The subscribers' node.
    pub node: NodeId,
    /// Whether one of them holds a granted key.
    pub good: bool,
}

impl Verdict {
    /// Reads the body of a 0x38 frame; returns `None` if the bytes are not a verdict.
    pub fn parse(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            check_result: i64,
            node_id: String,
            topic: String,
        }
        if body.len() > MAX_VERDICT {
            return None;
        }
        let body = Body::deserialize(&mut serde_json::Deserializer::from_slice(body)).ok()?;
        Some(Self {
            topic: Bytes::from(body.topic),
            node: body.node_id.parse().ok()?,
            good: body.check_result == 0,
        })
    }
}

/// Why a 0x37 cannot be acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyRequestError {
    /// It is not an object with the texts `nodeId`, `topic` and `topicForCert`.
    #[error("it is not an object with the texts nodeId, topic and topicForCert")]
    NotJson,
    /// `nodeId` is no node's.
    #[error("its nodeId is not 128 hex digits")]
    NodeId,
    /// `topic` is not a private topic.
    #[error("its topic is not a private one")]
    Topic,
    /// `topicForCert` is not where a subscriber of `topic` takes challenges.
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
        // The route of another topic, by which somebody else would be verified.
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
