//! The rules that make a name usable on every node of a network.

/// The maximum length of a topic on the wire, in bytes: the length byte counts itself.
///
/// channel-v2 section 7.1.
pub const MAX_TOPIC_LEN: usize = 254;

/// The prefix of the topic to which messages of a private topic are sent.
pub(crate) const NEED_VERIFY: &str = "#!$TopicNeedVerify_";

/// The prefix of the topic on which a subscriber receives challenges.
pub(crate) const VERIFY_ROUTE: &str = "#!$VerifyChannel_";

/// The prefix of the topic on which publishers are asked to verify subscribers.
pub(crate) const PUSH_ROUTE: &str = "#!$PushChannel_";

/// The number of hex digits at the end of a route.
pub(super) const SUFFIX_LEN: usize = 32;

/// The longest name of a private topic in bytes. With it the subscriber's route still fits into a
/// topic (channel-v2 section 9.1).
pub const MAX_PRIVATE_LEN: usize =
    MAX_TOPIC_LEN - VERIFY_ROUTE.len() - NEED_VERIFY.len() - 1 - SUFFIX_LEN;

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
    /// Checks a name without creating a [`TopicName`](crate::TopicName).
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
