//! The answer to a unicast.

use amop_proto::channel::Seq;
use bytes::Bytes;

/// The answer to a unicast.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The message's seq, which logs of nodes and subscribers show, too.
    pub seq: Seq,
    /// The payload that the subscriber answered with; empty if it only took the message.
    pub payload: Bytes,
}
