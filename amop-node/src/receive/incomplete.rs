//! An incomplete frame, and the time that it may take.

use std::time::Duration;

use tokio::time::Instant;

use crate::intake::IntakeRoom;

/// The time that frames may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// The time that any frame has.
    pub(crate) grace: Duration,
    /// For each of this number of bytes received, a frame has one second more.
    pub(crate) rate: usize,
}

impl Patience {
    /// Returns the time that a frame has of which this many bytes were received.
    pub(crate) fn of(self, received: usize) -> Duration {
        let more = Duration::from_secs_f64(received as f64 / self.rate.max(1) as f64);
        self.grace.saturating_add(more)
    }
}

/// An incomplete frame.
#[derive(Debug)]
pub(super) struct IncompleteFrame {
    pub(super) since: Instant,
    /// How much of it has been dropped, if it is not wanted, and how much is still to be dropped.
    pub(super) dropped: usize,
    pub(super) to_drop: usize,
    pub(super) room: Option<IntakeRoom>,
}

impl IncompleteFrame {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            dropped: 0,
            to_drop: 0,
            room: None,
        }
    }
}
