//! Topics of 3.x that a client publishes to or subscribes to.

use std::{
    borrow::Borrow,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use crate::TopicName;

/// The length of the longest topic of 3.x in bytes (ws-v3 section 10.2).
pub const MAX_WS_TOPIC_LEN: usize = u16::MAX as usize;

/// How many characters of a topic that is too long an error shows.
const SHOWN: usize = 24;

/// The name of a topic that a client of a 3.x node uses: at most 65,535 bytes of UTF-8 without NUL,
/// because SDKs pass topics on as strings of C (ws-v3 sections 10.2, 14).
///
/// Topics are compared byte by byte. What arrives from a node or an SDK is `Bytes`, and need not be
/// text. Cloning is cheap.
///
/// ```
/// use amop_proto::ws::WsTopic;
///
/// let topic = WsTopic::new("价格")?;
/// assert_eq!(topic.as_str(), "价格");
/// assert!(topic.is_portable());
/// assert!(!WsTopic::new("价格😀")?.is_portable());
/// assert!(WsTopic::new("a\0b").is_err());
/// # Ok::<(), amop_proto::ws::WsTopicError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WsTopic(Arc<str>);

impl WsTopic {
    /// Checks `name` and creates a topic with it.
    ///
    /// # Errors
    ///
    /// [`WsTopicError`] says what is wrong with the name.
    pub fn new(name: &str) -> Result<Self, WsTopicError> {
        if name.len() > MAX_WS_TOPIC_LEN {
            return Err(WsTopicError::TooLong {
                len: name.len(),
                start: name.chars().take(SHOWN).collect(),
            });
        }
        if name.contains('\0') {
            let start = name.chars().take(SHOWN).collect();
            return Err(WsTopicError::Nul { start });
        }
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

    /// Returns whether SDKs in Java have the same topic under this name. They write characters above
    /// U+FFFF as two surrogates of 3 bytes each in messages, and lose them in the list of their
    /// topics, so they can never receive on such a topic (ws-v3 section 10.2).
    pub fn is_portable(&self) -> bool {
        self.0.chars().all(|c| c <= '\u{ffff}')
    }
}

impl TryFrom<&TopicName> for WsTopic {
    type Error = WsTopicError;

    fn try_from(name: &TopicName) -> Result<Self, WsTopicError> {
        Self::new(name.as_str())
    }
}

/// Hashes the bytes, so that a topic is found by its bytes.
impl Hash for WsTopic {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl Borrow<[u8]> for WsTopic {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for WsTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WsTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Why a name cannot be a topic of 3.x.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WsTopicError {
    /// The name is longer than the length field can express.
    #[error(
        "topic {start:?}... is {len} bytes long, the protocol allows {MAX_WS_TOPIC_LEN}; shorten it"
    )]
    TooLong {
        /// The name's length in bytes.
        len: usize,
        /// The first characters of the name, to recognise it.
        start: String,
    },
    /// The name contains NUL, at which SDKs end it.
    #[error("topic {start:?} contains the character NUL, at which SDKs cut it; remove it")]
    Nul {
        /// The first characters of the name, to recognise it.
        start: String,
    },
}
