//! The counts of a subscription.

/// The counts of a subscription's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SubscriptionStats {
    /// Messages that were put into the queue.
    pub received: u64,
    /// Multicasts that were dropped because the queue was full.
    pub dropped: u64,
    /// Unicasts that were refused because the queue was full, or because a message in it had not
    /// been read for as long as a node waits (5 s). The node tries another subscriber.
    pub refused: u64,
    /// Messages that had to wait at a connection until there was room
    /// ([`OverflowPolicy::Block`](crate::OverflowPolicy::Block)).
    pub blocked: u64,
    /// Messages in the queue now.
    pub waiting: usize,
}
