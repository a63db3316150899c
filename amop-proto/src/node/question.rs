//! A request for what a node knows.

use bytes::Bytes;

use super::rpc::RpcRequest;
use crate::channel::{Frame, FrameType, Seq};

/// A JSON-RPC request that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Question {
    /// The seq of the session's frame.
    pub seq: Seq,
    /// The request.
    pub request: RpcRequest,
}

impl Question {
    /// Returns the frame to hand back with
    /// [`NodeEvent::SessionReply`](super::NodeEvent::SessionReply).
    pub fn reply(&self, answer: Bytes) -> Frame {
        Frame::new(FrameType::RPC, self.seq, answer)
    }
}
