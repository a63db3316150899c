//! Result codes of 2.x and statuses of 3.x.

use bytes::Bytes;

use crate::{
    channel::result_code,
    ws::{WsMessage, WsSeq, WsStatus, WsType},
};

/// What the SDK gets for a result of 2.x.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SdkAnswer {
    /// A node's own error, in the words of a FISCO node.
    Failure(WsStatus),
    /// A message whose seq is still to be set.
    Message(WsMessage),
}

/// Returns what the SDK gets for a result of 2.x.
pub(super) fn answer_of(result: i32, body: Bytes) -> SdkAnswer {
    let status = match result {
        result_code::NO_SUBSCRIBER => return SdkAnswer::Failure(WsStatus::NO_SUBSCRIBER),
        result_code::DISCONNECTED => return SdkAnswer::Failure(WsStatus::DISCONNECTED),
        result_code::TIMEOUT => return SdkAnswer::Failure(WsStatus::TIMED_OUT),
        result_code::NO_SESSION => return SdkAnswer::Failure(WsStatus::NO_SESSION),
        result_code::OVER_LIMIT => {
            let text = "the node is over its bandwidth or in-flight limit; send more slowly";
            return SdkAnswer::Message(failure(WsStatus::FAILED, text));
        }
        other => i16::try_from(other).map_or(WsStatus::FAILED, WsStatus),
    };
    SdkAnswer::Message(WsMessage {
        status,
        ..WsMessage::new(WsType::RESPONSE, WsSeq::EMPTY, body)
    })
}

/// Returns a node's own error with a text. Its seq is still to be set.
pub(super) fn failure(status: WsStatus, text: impl Into<Bytes>) -> WsMessage {
    WsMessage {
        status,
        ..WsMessage::new(WsType::NODE_ANSWER, WsSeq::EMPTY, text)
    }
}

/// Returns the 2.x result for a unicast that the SDK got and did not answer. Both end the unicast:
/// no other subscriber gets it.
pub(super) fn result_of_silence(status: WsStatus) -> i32 {
    match status {
        WsStatus::DISCONNECTED => result_code::DISCONNECTED,
        _ => result_code::TIMEOUT,
    }
}
