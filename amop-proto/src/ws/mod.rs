//! The SDK-node protocol of FISCO BCOS 3.x: messages over WebSocket, for both sides, without I/O.
//!
//! All numbers are big-endian. One binary WebSocket message has one [`WsMessage`]: type, status, seq
//! and payload (ws-v3 section 5). The shells own WebSocket framing, its upgrade and TLS; this module
//! reads and writes only payloads of WebSocket messages.
//!
//! | part | what it holds |
//! | --- | --- |
//! | [`WsMessage`], [`EncodedMessage`] | messages, read and written |
//! | [`AmopRequest`] | the payload of AMOP messages: topic and data |
//! | [`WsHandshakeRequest`], [`GroupInfo`], [`WsTopicList`], [`WsRpcRequest`], [`BlockNotice`] | JSON payloads |
//! | [`WsStatus`] | the errors of nodes |
//! | [`client`] | the SDK side of a session |
//! | [`server`] | the node's side of a session |
//! | [`bridge`] | what joins such sessions to native clients and overlay nodes |
//!
//! Nothing here has a 2.x counterpart on the wire: framing, handshake, topics, liveness and errors
//! all differ from [`channel`](crate::channel).
//!
//! # What a shell must do
//!
//! Both sides send binary WebSocket messages, unfragmented and without extensions, accept at most
//! [`MAX_MESSAGE`] bytes, and answer pings at once, even while they are busy (ws-v3 section 4). A
//! client waits for the answer to the upgrade before it sends anything, never offers TLS sessions for
//! resumption, and dials a node again after 10 s or more (ws-v3 sections 2, 3, 12.2). SDKs
//! send messages in any order, and FISCO nodes handle them in any order, so nothing may depend on it.
//!
//! # What is never sent
//!
//! An AMOP message whose payload ends before its topic does stops all message work of a FISCO node,
//! for all its SDKs (ws-v3 section 15). The only bytes that sessions send are [`EncodedMessage`]s,
//! and none can be made of such a message.

mod amop;
pub mod bridge;
pub mod client;
mod encode;
mod group;
mod handshake;
mod json;
mod kind;
mod liveness;
mod message;
mod notify;
mod outbox;
mod rpc;
mod seq;
pub mod server;
mod status;
#[cfg(test)]
mod tests;
mod topic;
mod topic_list;

pub use amop::{AmopRequest, AmopRequestError};
pub use encode::{EncodeError, EncodedMessage};
pub use group::{GroupInfo, GroupNode, GroupProtocol, ServiceInfo};
pub use handshake::{
    MAX_WS_VERSION, MIN_WS_VERSION, WsHandshakeError, WsHandshakeRequest, WsHandshakeResponse,
};
pub use json::WsJsonError;
pub use kind::WsType;
pub use message::{MAX_MESSAGE, MIN_MESSAGE, WsMessage, WsMessageError};
pub use notify::BlockNotice;
pub use outbox::WsTransmit;
pub use rpc::{WsRpcAnswer, WsRpcRequest};
pub use seq::WsSeq;
pub use status::{WsFailure, WsStatus};
pub use topic::{MAX_WS_TOPIC_LEN, WsTopic, WsTopicError};
pub use topic_list::{MAX_TOPIC_LIST, WsTopicList};
