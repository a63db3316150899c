//! What was left when a client gave up draining.

use std::time::Duration;

/// The messages that were left when [`Client::drain`](crate::Client::drain) gave up. The client is
/// closed in this case, too.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the client was closed after {} ms with {unread} messages unread, {unanswered} unicasts \
     unanswered and {publishing} published messages without an answer; read subscriptions to their \
     end while draining, or raise drain_timeout",
    after.as_millis()
)]
#[non_exhaustive]
pub struct DrainError {
    /// Messages that the program did not read. Unicasts among them go to other subscribers.
    pub unread: usize,
    /// Unicasts that the program has not answered, including the unread ones.
    pub unanswered: usize,
    /// Messages published by this client that had no answer.
    pub publishing: usize,
    /// How long the client waited.
    pub after: Duration,
}
