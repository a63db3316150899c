//! The way back to the node that a message came from.

use std::{fmt, sync::Arc};

use amop_proto::{TopicName, channel::Seq, client::CloseReason};

use crate::ReplyError;

/// What this room needs of a connection. Connections implement it, so that nothing here depends on
/// them.
pub(crate) trait ReplyPath: fmt::Debug + Send + Sync {
    /// Returns the connection's number among all connections of the client.
    fn id(&self) -> u64;

    /// Returns the node's address.
    fn endpoint(&self) -> &str;

    /// Returns why the connection has ended; `None` if it has not.
    fn close_reason(&self) -> Option<CloseReason>;

    /// Checks that an answer is not too long to be sent.
    fn check_len(&self, topic: &TopicName, payload: &[u8]) -> Result<(), ReplyError>;

    /// Answers a unicast. Returns whether the connection was still open.
    fn respond(&self, seq: Seq, topic: &TopicName, result: i32, payload: &[u8]) -> bool;

    /// Wakes the connection, which waits for room in a queue. Must not be called while the
    /// subscriptions are locked.
    fn wake(&self);
}

impl PartialEq for dyn ReplyPath {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

/// Wakes connections that wait for room in a queue. Must not be called while the subscriptions are
/// locked.
pub(crate) fn wake_all(paths: Vec<Arc<dyn ReplyPath>>) {
    for path in paths {
        path.wake();
    }
}
