//! The names of private topics (channel-v2 section 9.1).

use std::{fmt, str::FromStr};

use rand::Rng;

use super::{
    error::{MAX_PRIVATE_LEN, NEED_VERIFY, PUSH_ROUTE, SUFFIX_LEN, TopicError, VERIFY_ROUTE},
    name::TopicName,
};
use crate::channel::Seq;

/// The name of a private topic, checked: 1 to 185 bytes of UTF-8 without a tab.
///
/// On the wire a private topic uses three topics. None of them is its plain name (channel-v2
/// section 9.1).
///
/// ```
/// use amop_proto::PrivateName;
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

    /// Returns whether a topic on the wire belongs to a private topic: its messages, the challenges to its
    /// subscribers, or requests to verify them go there.
    pub fn concerns(topic: &str) -> bool {
        let prefixes = [NEED_VERIFY, VERIFY_ROUTE, PUSH_ROUTE];
        prefixes.iter().any(|prefix| topic.starts_with(prefix))
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
    pub(crate) fn has_route(&self, topic: &str) -> bool {
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

#[cfg(test)]
mod tests;
