//! The SDK-node protocol ("channel"): frames, message bodies and error codes.
//!
//! All numbers are big-endian. A frame is a 42-byte header and a body (channel-v2 section 3).

mod amop;
mod frame;
mod handshake;
mod heartbeat;
mod private;
mod seq;
mod subscribe;

pub use amop::{AmopBody, AmopBodyError, frame_topic, split_topic, topic_end};
pub(crate) use frame::RESULT_OFFSET;
pub use frame::{
    DEFAULT_MAX_FRAME, Frame, FrameDecoder, FrameError, FrameType, HEADER_LEN, NO_ACK,
    PROTOCOL_MAX_FRAME,
};
pub use handshake::{
    BRIDGE_TYPE, CLIENT_TYPE, HandshakeError, HandshakeRequest, HandshakeResponse,
    PROTOCOL_VERSIONS, ProtocolVersion,
};
pub use heartbeat::{
    Places, Shortage, heartbeat_answer, heartbeat_request, heartbeat_shortage, read_shortage,
};
pub(crate) use private::verify_request;
pub use private::{Verdict, VerifyRequest, VerifyRequestError};
pub use seq::{ParseSeqError, Seq};
pub(crate) use subscribe::read_names;
pub use subscribe::{SetTopics, encode_topics};

pub use crate::topic::{MAX_PRIVATE_LEN, PrivateName};

/// Result codes of AMOP messages, in a frame's result field.
///
/// channel-v2 section 10.
pub mod result_code {
    /// The message was delivered and answered.
    pub const SUCCESS: i32 = 0;
    /// No node with a subscriber of the topic could be reached. The body is empty.
    pub const NO_SUBSCRIBER: i32 = 100;
    /// The SDK of 3.x that has the message left before it answered. FISCO nodes have the code in their
    /// list, and do not send it.
    pub const DISCONNECTED: i32 = 101;
    /// The deadline passed before an answer came.
    pub const TIMEOUT: i32 = 102;
    /// The publisher's node is over its limit. The body is empty.
    pub const OVER_LIMIT: i32 = 103;
    /// The subscriber's node has no session that accepts the message. The body is that of the
    /// request.
    pub const NO_SESSION: i32 = 104;
    /// The subscriber could not decode the payload. Other SDKs use this code locally; native
    /// clients also send it, so that the publisher learns of the failure.
    pub const DECODE: i32 = 105;
    /// The subscriber accepted the message and gave no reply, although the topic's unicasts are
    /// requests. Only native clients send it.
    pub const NO_REPLY: i32 = 106;
    /// The subscriber failed while it handled the message: its code panicked. Only native clients
    /// send it.
    pub const FAILED: i32 = 107;

    /// Returns the meaning of a code, as text for people.
    pub fn describe(code: i32) -> &'static str {
        match code {
            SUCCESS => "success",
            99 => "the message could not be sent",
            NO_SUBSCRIBER => "no subscriber could be reached",
            DISCONNECTED => "the subscriber left before it answered",
            TIMEOUT => "timed out",
            OVER_LIMIT => "the publisher's node is over its bandwidth or in-flight limit",
            NO_SESSION => "the subscriber's node found no session that took the message",
            DECODE => "the subscriber could not decode the message",
            NO_REPLY => "the subscriber took the request and gave no reply",
            FAILED => "the subscriber failed while it had the message",
            _ => "an application-defined result",
        }
    }
}
