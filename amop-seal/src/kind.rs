//! What a message is: its kind, its number, and the request that it answers.

/// The maximum number of recipients of a message.
pub const MAX_RECIPIENTS: usize = 256;

/// The random number of a message. Together with the message's time it distinguishes copies of one
/// message from different messages.
pub type MessageId = [u8; 16];

/// The value by which an answer refers to its request: a hash of all signed bytes of the request.
pub type RequestDigest = [u8; 32];

/// The kind of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SealedKind {
    /// A message to all subscribers.
    Multicast,
    /// A message to one subscriber, which answers it.
    Unicast,
    /// A subscriber's reply to a unicast.
    Reply,
    /// A subscriber accepted a unicast without a reply. The content is empty.
    Acknowledgement,
    /// A subscriber received a unicast and refuses it. The content is a code, 4 bytes, big-endian:
    /// see [`OpenedMessage::refusal`](crate::OpenedMessage::refusal).
    Refusal,
}

impl SealedKind {
    pub(crate) fn to_byte(self) -> u8 {
        match self {
            Self::Multicast => 1,
            Self::Unicast => 2,
            Self::Reply => 3,
            Self::Acknowledgement => 4,
            Self::Refusal => 5,
        }
    }

    pub(crate) fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Multicast),
            2 => Some(Self::Unicast),
            3 => Some(Self::Reply),
            4 => Some(Self::Acknowledgement),
            5 => Some(Self::Refusal),
            _ => None,
        }
    }

    /// Returns whether it answers a unicast.
    pub fn is_answer(self) -> bool {
        matches!(self, Self::Reply | Self::Acknowledgement | Self::Refusal)
    }
}
