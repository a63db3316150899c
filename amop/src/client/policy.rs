//! Policies that a program can choose for its connections.

use std::time::Duration;

/// How many of its endpoints a client connects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ConnectionPolicy {
    /// All of them.
    #[default]
    All,
    /// This many of them at a time, at least 1; the others are spares that take over when a
    /// connection is lost.
    AtMost(usize),
}

/// What publishing and subscribing do while no node is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OfflinePolicy {
    /// Wait for a connection, until the timeout.
    #[default]
    Wait,
    /// Fail at once.
    FailFast,
}

/// When and how often to reconnect.
///
/// After a failure the client waits before it tries the endpoint again. The pause is 1 s at first,
/// doubles with each further failure and is 20 s at most. The client waits a random time between
/// half of the pause and all of it, so that the clients of a node that restarts do not all come
/// back at the same time.
///
/// FISCO nodes of 3.x are spared: from the second failure in a row on, the pause is 10 s at least, as in
/// their own SDKs, whatever this policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a policy does nothing until it is given to a builder"]
pub struct ReconnectPolicy {
    pub(crate) first: Duration,
    pub(crate) max: Duration,
    pub(crate) retries: Option<u32>,
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            max: Duration::from_secs(20),
            retries: None,
        }
    }
}

impl ReconnectPolicy {
    /// Reconnects without limit; the default.
    pub fn forever() -> Self {
        Self::default()
    }

    /// Does not reconnect: when the last connection is lost, the client is closed and reports the
    /// reason.
    pub fn never() -> Self {
        Self::default().retries(0)
    }

    /// Sets the pause after the first failure. Default 1 s; limited to 1 ms to the longest pause.
    pub fn first_pause(mut self, pause: Duration) -> Self {
        self.first = pause.max(Duration::from_millis(1));
        self
    }

    /// Sets the longest pause. Default 20 s; at least 1 ms.
    pub fn max_pause(mut self, pause: Duration) -> Self {
        self.max = pause.max(Duration::from_millis(1));
        self
    }

    /// Sets after how many failed retries in a row the client gives an endpoint up. The client is
    /// closed once it has given up every endpoint.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }
}
