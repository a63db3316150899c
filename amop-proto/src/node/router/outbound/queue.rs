//! The bytes that wait to be written to a connection.

/// Counts the bytes that wait to be written to a connection, and compares them with a limit.
#[derive(Debug, Clone)]
pub(in crate::node::router) struct QueuedBytes {
    limit: usize,
    queued: usize,
    /// The longest frame since the queue was last empty. One frame alone may be longer than the
    /// limit, and a few bytes after it must not count as too much.
    longest: usize,
    /// Whether the queue is over the limit: it accepts no more messages until it is down to half.
    behind: bool,
    /// The multicasts not sent while the queue was behind.
    dropped: u64,
}

/// The effect of a step on a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node::router) enum QueueLevel {
    /// Nothing changed.
    Same,
    /// The queue went over its limit.
    Behind,
    /// The queue is below half of its limit again; `dropped` multicasts were not sent.
    CaughtUp { dropped: u64 },
    /// The queue is over twice its limit.
    Hopeless,
}

impl QueuedBytes {
    pub(in crate::node::router) fn new(limit: usize) -> Self {
        Self {
            limit,
            queued: 0,
            longest: 0,
            behind: false,
            dropped: 0,
        }
    }

    pub(in crate::node::router) fn limit(&self) -> usize {
        self.limit
    }

    pub(in crate::node::router) fn queued(&self) -> usize {
        self.queued
    }

    /// Returns whether another message may be sent.
    pub(in crate::node::router) fn is_open(&self) -> bool {
        !self.behind
    }

    pub(in crate::node::router) fn is_half_full(&self) -> bool {
        self.queued > self.limit / 2
    }

    pub(in crate::node::router) fn is_low(&self) -> bool {
        self.queued <= self.limit / 4
    }

    pub(in crate::node::router) fn count_dropped(&mut self) {
        self.dropped += 1;
    }

    pub(in crate::node::router) fn push(&mut self, len: usize) -> QueueLevel {
        if self.queued == 0 {
            self.longest = 0;
        }
        self.longest = self.longest.max(len);
        self.queued = self.queued.saturating_add(len);
        let limit = self.limit.max(self.longest);
        if self.queued <= limit {
            return QueueLevel::Same;
        }
        if self.queued > limit.saturating_mul(2) {
            return QueueLevel::Hopeless;
        }
        if self.behind {
            return QueueLevel::Same;
        }
        self.behind = true;
        QueueLevel::Behind
    }

    pub(in crate::node::router) fn written(&mut self, len: usize) -> QueueLevel {
        self.queued = self.queued.saturating_sub(len);
        if self.behind && self.queued <= self.limit / 2 {
            self.behind = false;
            let dropped = std::mem::take(&mut self.dropped);
            return QueueLevel::CaughtUp { dropped };
        }
        QueueLevel::Same
    }
}
