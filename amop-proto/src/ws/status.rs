//! The status of an answer (ws-v3 section 10.4).

use std::fmt;

use crate::{channel::result_code, log::OneLine};

/// How many characters of a topic an error text shows.
const MAX_TOPIC_SHOWN: usize = 256;

/// The status of an answer: 0, an error of a node, or a number of the subscriber.
///
/// Errors of nodes and numbers of subscribers share one range. A node's own error has the type
/// [`WsType::NODE_ANSWER`](super::WsType::NODE_ANSWER), and FISCO SDKs answer with
/// [`WsType::RESPONSE`](super::WsType::RESPONSE).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WsStatus(pub i16);

impl WsStatus {
    /// The message was delivered and answered.
    pub const SUCCESS: Self = Self(0);
    /// No node that can be reached has a subscriber of the topic.
    pub const NO_SUBSCRIBER: Self = Self(3001);
    /// The node that was chosen has no subscriber of the topic any more.
    pub const NO_SESSION: Self = Self(3002);
    /// The message could be sent to none of the nodes with subscribers.
    pub const UNREACHABLE: Self = Self(3003);
    /// The subscriber's session ended before it answered.
    pub const DISCONNECTED: Self = Self(-4006);
    /// The subscriber did not answer within 30 s.
    pub const TIMED_OUT: Self = Self(-4008);
    /// An SDK reports this to its program, without a node: it has no connection.
    pub const NO_CONNECTION: Self = Self(-4009);
    /// The message is longer than what the node delivers.
    pub const TOO_LONG: Self = Self(-4011);
    /// Any other error of a node; its text says which.
    pub const FAILED: Self = Self(-1);
    /// The node cannot reach its gateway, which is another program.
    pub const GATEWAY_TIMED_OUT: Self = Self(-7);
    /// The same as [`GATEWAY_TIMED_OUT`](Self::GATEWAY_TIMED_OUT) with another number.
    pub const GATEWAY_TIMED_OUT_TOO: Self = Self(-8);

    /// Returns the error that the status means; `None` for a success.
    ///
    /// ```
    /// use amop_proto::ws::{WsFailure, WsStatus};
    ///
    /// assert_eq!(WsStatus(3001).failure(), Some(WsFailure::NoSubscriber));
    /// assert_eq!(WsStatus(42).failure(), Some(WsFailure::Other(42)));
    /// assert_eq!(WsStatus::SUCCESS.failure(), None);
    /// ```
    pub fn failure(self) -> Option<WsFailure> {
        Some(match self {
            Self::SUCCESS => return None,
            Self::NO_SUBSCRIBER => WsFailure::NoSubscriber,
            Self::NO_SESSION => WsFailure::NoSession,
            Self::UNREACHABLE => WsFailure::Unreachable,
            Self::DISCONNECTED => WsFailure::Disconnected,
            Self::TIMED_OUT => WsFailure::TimedOut,
            Self::NO_CONNECTION => WsFailure::NoConnection,
            Self::TOO_LONG => WsFailure::TooLong,
            Self::FAILED => WsFailure::Failed,
            Self::GATEWAY_TIMED_OUT | Self::GATEWAY_TIMED_OUT_TOO => WsFailure::GatewayTimedOut,
            Self(other) => WsFailure::Other(other),
        })
    }

    /// Returns the result of 2.x that says the same as a node's own error; for one without such a result,
    /// its number.
    pub(crate) fn as_result(self) -> i32 {
        match self {
            Self::NO_SUBSCRIBER | Self::UNREACHABLE => result_code::NO_SUBSCRIBER,
            Self::NO_SESSION => result_code::NO_SESSION,
            Self::DISCONNECTED => result_code::DISCONNECTED,
            Self::TIMED_OUT | Self::GATEWAY_TIMED_OUT | Self::GATEWAY_TIMED_OUT_TOO => {
                result_code::TIMEOUT
            }
            // An overlay node over a limit says this, too.
            Self::FAILED => result_code::OVER_LIMIT,
            Self(other) => other.into(),
        }
    }

    /// Returns the text that a node sends with its own error about a message of `topic`. Errors of
    /// FISCO nodes have the same text, except that theirs do not cut or escape the topic.
    pub fn text(self, topic: &[u8]) -> String {
        match self.failure() {
            None => String::new(),
            Some(WsFailure::NoSubscriber) => {
                let topic = String::from_utf8_lossy(topic);
                let topic = OneLine::new(topic).max(MAX_TOPIC_SHOWN);
                format!("there has no node subscribe this topic, topic: {topic}")
            }
            Some(WsFailure::NoSession) => "NotFoundClientByTopicDispatchMsg".to_owned(),
            Some(WsFailure::Unreachable) => "unable to send message to peer by topic".to_owned(),
            Some(WsFailure::Disconnected) => "the session has been disconnected".to_owned(),
            Some(WsFailure::TimedOut) => "waiting for message response timed out".to_owned(),
            Some(WsFailure::TooLong) => "Message size overflow".to_owned(),
            Some(other) => other.to_string(),
        }
    }
}

impl fmt::Display for WsStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a status other than 0 means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WsFailure {
    /// 3001: no node that can be reached has a subscriber of the topic.
    #[error("no subscriber of the topic can be reached")]
    NoSubscriber,
    /// 3002: the node that was chosen has no subscriber of the topic any more.
    #[error("the chosen node has no subscriber of the topic any more; send the message again")]
    NoSession,
    /// 3003: the message could be sent to none of the nodes with subscribers.
    #[error("the node cannot send to the nodes with subscribers of the topic")]
    Unreachable,
    /// -4006: the subscriber's session ended before it answered.
    #[error("the subscriber's session ended before it answered")]
    Disconnected,
    /// -4008: the subscriber did not answer within 30 s.
    #[error("the subscriber did not answer the node in time")]
    TimedOut,
    /// -4009: the SDK has no connection.
    #[error("the SDK has no connection to a node")]
    NoConnection,
    /// -4011: the message is longer than what the node delivers.
    #[error("the message is too long for the node; send less")]
    TooLong,
    /// -1: any other error of a node, for example because AMOP is switched off there.
    #[error("the node does not deliver the message; its text says why")]
    Failed,
    /// -7 or -8: the node cannot reach its gateway.
    #[error("the node cannot reach its gateway")]
    GatewayTimedOut,
    /// Any other number, usually chosen by the subscriber.
    #[error("an application-defined status, {0}")]
    Other(i16),
}
