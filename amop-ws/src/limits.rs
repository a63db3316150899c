//! The limits of a WebSocket connection.

use std::time::Duration;

use amop_proto::ws::MAX_MESSAGE;

/// The limits of a [`BridgeStream`](crate::BridgeStream).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WsLimits {
    /// The longest message that is accepted, in bytes. Default [`MAX_MESSAGE`], 32 MiB.
    pub max_message: usize,
    /// How long the rest of a message may take after its first byte. Default 10 s.
    pub grace: Duration,
    /// For each of this number of bytes received, a message has one second more. Default 64 KiB.
    pub rate: usize,
}

impl Default for WsLimits {
    fn default() -> Self {
        Self {
            max_message: MAX_MESSAGE,
            grace: Duration::from_secs(10),
            rate: 64 * 1024,
        }
    }
}

impl WsLimits {
    /// Returns the limits with a change.
    ///
    /// ```
    /// let limits = amop_ws::WsLimits::default().with(|limits| limits.max_message = 1024);
    /// assert_eq!(limits.max_message, 1024);
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Returns how long a message may take of which so much has been received.
    pub(crate) fn patience(&self, received: usize) -> Duration {
        let more = Duration::from_secs_f64(received as f64 / self.rate.max(1) as f64);
        self.grace.saturating_add(more)
    }
}
