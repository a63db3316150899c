//! The counts of a server.

/// What a [`Server`](crate::Server) did with the messages that it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerStats {
    /// Requests that were replied to in time.
    pub replied: u64,
    /// Requests that the handler refused.
    pub refused: u64,
    /// Requests whose handler returned an error.
    pub failed: u64,
    /// Requests whose handler panicked.
    pub panicked: u64,
    /// Answers that were sent after the node had stopped waiting. They are counted here only, and
    /// logged.
    pub late: u64,
    /// Replies that could not be sent: the codec refused them, they were too long, or the connection
    /// was lost. They are counted here only, and logged.
    pub unsent: u64,
    /// Messages that could not be decoded. Their publishers were told.
    pub undecodable: u64,
    /// Multicasts, which are not requests. The handler does not get them.
    pub multicasts: u64,
}
