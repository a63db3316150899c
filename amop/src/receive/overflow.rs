//! The policy for full queues.

/// What happens to a message when its subscription's queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OverflowPolicy {
    /// The new message is turned away: a unicast is refused with result 104, so that the node tries
    /// another subscriber, and a multicast is dropped. The queue keeps its messages.
    #[default]
    DropNewest,
    /// The message that has waited longest is turned away instead, in the same way.
    DropOldest,
    /// The client stops reading from the connection that the message came over until there is room,
    /// so no message is turned away.
    ///
    /// This delays everything that comes over this connection, including the answers to the
    /// client's own messages: a task must not wait for such an answer while it does not read its
    /// subscription. A node waits 5 s for the answer to a unicast, and closes connections that are
    /// not read for long; the client then connects again. A node of 3.x waits 30 s for the answer, and
    /// closes the connection after 10 s in which more than 128 KiB wait, because its pings are behind
    /// them.
    Block,
}
