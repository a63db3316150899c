//! Topic names, and the rules that make a name usable on every node of a network.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use crate::channel::MAX_PRIVATE_LEN;

/// The maximum length of a topic on the wire, in bytes: the length byte counts itself.
///
/// channel-v2 section 7.1.
pub const MAX_TOPIC_LEN: usize = 254;

/// The name of a topic, checked: 1 to 254 bytes of UTF-8 without a tab.
///
/// Cloning is cheap. Topics are compared byte by byte, with no normalisation
/// (channel-v2 section 6.1).
///
/// ```
/// use amop_proto::TopicName;
///
/// let topic: TopicName = "hello".parse()?;
/// assert_eq!(topic.as_str(), "hello");
/// assert!("".parse::<TopicName>().is_err());
/// # Ok::<(), amop_proto::TopicError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// Checks `name` and creates a topic with it.
    ///
    /// # Errors
    ///
    /// [`TopicError`] says what is wrong with the name.
    pub fn new(name: &str) -> Result<Self, TopicError> {
        TopicError::check(name)?;
        Ok(Self(name.into()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the bytes of the name, as they are on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for TopicName {
    type Err = TopicError;

    fn from_str(name: &str) -> Result<Self, TopicError> {
        Self::new(name)
    }
}

impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Why a name cannot be a topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// The name is empty. The wire could carry it, but node-to-node topic lists cannot.
    #[error("a topic must not be empty; give it a name of 1 to {MAX_TOPIC_LEN} bytes")]
    Empty,
    /// The name is longer than the length byte can express.
    #[error(
        "topic {start:?}... is {len} bytes long, the protocol allows {MAX_TOPIC_LEN}; shorten it"
    )]
    TooLong {
        /// The name's length in bytes.
        len: usize,
        /// The first characters of the name, to recognise it.
        start: String,
    },
    /// The name of a private topic is too long: a prefix is added to it on the wire (channel-v2
    /// section 9.1).
    #[error(
        "private topic {start:?}... is {len} bytes long, the protocol allows {MAX_PRIVATE_LEN}; \
         shorten it"
    )]
    PrivateTooLong {
        /// The name's length in bytes.
        len: usize,
        /// The first characters of the name, to recognise it.
        start: String,
    },
    /// The name contains a tab, which separates topics in node-to-node lists
    /// (p2p-v2 section 6).
    #[error("topic {0:?} contains a tab, which nodes use to separate topics; remove it")]
    Tab(String),
}

impl TopicError {
    /// Checks a name without creating a [`TopicName`].
    ///
    /// # Errors
    ///
    /// [`TopicError`] for the first rule that the name breaks.
    pub fn check(name: &str) -> Result<(), Self> {
        if name.is_empty() {
            return Err(Self::Empty);
        }
        if name.len() > MAX_TOPIC_LEN {
            return Err(Self::TooLong {
                len: name.len(),
                start: name.chars().take(24).collect(),
            });
        }
        if name.contains('\t') {
            return Err(Self::Tab(name.to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_bytes() {
        assert!(TopicName::new(&"t".repeat(254)).is_ok());
        assert!(matches!(
            TopicName::new(&"t".repeat(255)),
            Err(TopicError::TooLong { len: 255, .. })
        ));
        // 85 characters of three bytes each are 255 bytes.
        assert!(matches!(
            TopicName::new(&"话".repeat(85)),
            Err(TopicError::TooLong { len: 255, .. })
        ));
    }

    #[test]
    fn names_that_break_topic_lists_are_refused() {
        assert_eq!(TopicName::new(""), Err(TopicError::Empty));
        assert!(matches!(TopicName::new("a\tb"), Err(TopicError::Tab(_))));
    }
}
