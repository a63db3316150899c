//! The contents of messages, and the numbers that say how a unicast ended, in both protocols.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    MAX_TOPIC_LEN,
    channel::{Frame, frame_topic, result_code, split_topic},
    gateway::message::status,
    ws::{EncodeError, WsMessage, WsSeq, WsStatus, WsType},
};

/// The prefix of private topics and of those with which nodes verify their subscribers. Only direct
/// neighbours of 2.x can verify each other's subscribers, so none of them crosses the bridge.
const PRIVATE: &[u8] = b"#!$";

/// Returns whether both protocols can have a topic, and whether the bridge passes it on. Lists of
/// 2.x separate topics by tabs, and FISCO nodes of 2.x misread messages with an empty topic.
pub(super) fn crosses(topic: &[u8]) -> bool {
    (1..=MAX_TOPIC_LEN).contains(&topic.len())
        && !topic.contains(&b'\t')
        && !topic.starts_with(PRIVATE)
        && std::str::from_utf8(topic).is_ok()
}

/// Writes the body of a message for 3.x nodes (ws-v3 section 10.2).
pub(super) fn request_body(topic: &[u8], data: &[u8]) -> Bytes {
    const VERSION: u32 = 0;
    let mut body = BytesMut::with_capacity(6 + topic.len() + data.len());
    body.put_u32(VERSION);
    // Topics of 2.x have at most 254 bytes.
    body.put_u16(u16::try_from(topic.len()).unwrap_or_default());
    body.put_slice(topic);
    body.put_slice(data);
    body.freeze()
}

/// What a 3.x node's error means for a unicast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No subscriber can have the message: another node may be asked.
    Undelivered,
    /// A subscriber may have it: the unicast ends with this result of 2.x.
    Final(i32),
}

/// Returns what the status of an error answer means.
pub(super) fn refusal_of(status: i16) -> Refusal {
    match WsStatus(status) {
        WsStatus::NO_SUBSCRIBER
        | WsStatus::NO_SESSION
        | WsStatus::UNREACHABLE
        | WsStatus::NO_CONNECTION
        | WsStatus::TOO_LONG
        | WsStatus::FAILED
        | WsStatus::GATEWAY_TIMED_OUT
        | WsStatus::GATEWAY_TIMED_OUT_TOO => Refusal::Undelivered,
        WsStatus::DISCONNECTED => Refusal::Final(result_code::DISCONNECTED),
        WsStatus::TIMED_OUT => Refusal::Final(result_code::TIMEOUT),
        WsStatus(other) => Refusal::Final(result_of(other)),
    }
}

/// Returns a subscriber's own status as a result of 2.x. Where the number would mean that nobody has
/// the message, or that nothing failed, it becomes a timeout.
fn result_of(status: i16) -> i32 {
    match i32::from(status) {
        result_code::SUCCESS
        | result_code::NO_SESSION
        | result_code::NO_SUBSCRIBER
        | result_code::OVER_LIMIT => result_code::TIMEOUT,
        other => other,
    }
}

/// Returns the answer of 2.x that a subscriber of a 3.x node gave. Whatever type and status it has,
/// that subscriber has the message, so nobody else may be asked.
pub(super) fn answer_of(message: Bytes, topic: &[u8]) -> (i32, Bytes) {
    let max = message.len();
    let Ok(message) = WsMessage::decode(message, max) else {
        return (result_code::TIMEOUT, Bytes::new());
    };
    let result = match message.status {
        WsStatus::SUCCESS => result_code::SUCCESS,
        WsStatus(status) => result_of(status),
    };
    (result, frame_topic(topic, &message.payload))
}

/// The answer for a 3.x node.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GatewayReply {
    /// A subscriber answered: a WebSocket message.
    Message(Bytes),
    /// An error, with its text.
    Error(i16, &'static str),
}

/// The error of a node that does not pass a message on for a reason that 3.x has no number for.
pub(super) const FAILED: i16 = WsStatus::FAILED.0;

/// The text of the answer to a unicast that is over the limit.
pub(super) const OVER_LIMIT_TEXT: &str = "the node has too many messages that wait for answers";

const LOST_TEXT: &str = "the session has been disconnected";

/// The error for a unicast whose answer can no longer arrive.
pub(super) const LOST: GatewayReply = GatewayReply::Error(status::DISCONNECTED, LOST_TEXT);

/// The error of a node without subscribers.
pub(super) const NOBODY: GatewayReply =
    GatewayReply::Error(status::NO_SUBSCRIBER, status::NO_SUBSCRIBER_TEXT);

/// The error for a subscriber that did not answer.
pub(super) const LATE: GatewayReply =
    GatewayReply::Error(status::TIMED_OUT, status::TIMED_OUT_TEXT);

/// Returns the answer for a 3.x node that the machine's answer means.
pub(super) fn reply_of(answer: &Frame) -> GatewayReply {
    match answer.result {
        result_code::NO_SESSION | result_code::NO_SUBSCRIBER | 99 => NOBODY,
        // The subscriber may have the message.
        result_code::DISCONNECTED => LOST,
        result_code::TIMEOUT => LATE,
        result_code::OVER_LIMIT => GatewayReply::Error(FAILED, OVER_LIMIT_TEXT),
        result => {
            // Subscribers that give no topic give no content either.
            let payload = split_topic(&answer.body).map_or(Bytes::new(), |body| body.payload);
            match i16::try_from(result).map(|status| message_of(answer, status, payload)) {
                Ok(Ok(message)) => GatewayReply::Message(message),
                Ok(Err(_)) => GatewayReply::Error(WsStatus::TOO_LONG.0, "Message size overflow"),
                Err(_) => GatewayReply::Error(
                    FAILED,
                    "the subscriber's result is not a number that 3.x has",
                ),
            }
        }
    }
}

fn message_of(answer: &Frame, status: i16, payload: Bytes) -> Result<Bytes, EncodeError> {
    let message = WsMessage {
        status: WsStatus(status),
        ..WsMessage::new(WsType::RESPONSE, WsSeq::from(answer.seq), payload)
    };
    Ok(message.encode()?.to_bytes())
}
