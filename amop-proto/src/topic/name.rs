//! Topic names.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use super::error::TopicError;

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

#[cfg(test)]
mod tests;
