//! Choices a program can make: what happens when something is full, gone or not there.

use std::time::Duration;

/// To how many of its endpoints a client connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Connections {
    /// To all of them.
    #[default]
    All,
    /// To so many of them at a time, at least 1; the others are spares that take over when one is
    /// lost.
    AtMost(usize),
}

/// What publishing and subscribing do while no node is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Offline {
    /// Wait for a connection, within the timeout.
    #[default]
    Wait,
    /// Fail at once.
    FailFast,
}

/// What happens to a message when its subscription's queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// It is turned away: a unicast is refused with result 104, so that the node tries another
    /// subscriber, and a multicast is dropped. The queue keeps what it has.
    #[default]
    DropNewest,
    /// The message that has waited longest is turned away in its place, in the same manner.
    DropOldest,
    /// Nothing more is read from the connection that brought it until there is room, so nothing is
    /// turned away here.
    ///
    /// That holds up everything that comes by this connection, answers to the client's own messages
    /// among it: a task must not wait for those and leave its subscription unread. A node waits 5 s
    /// for the answer to a unicast, and ends connections that are not read from for long; the client
    /// connects again then.
    Block,
}

/// When a lost connection is made again.
///
/// After a failure an endpoint is left alone for half to all of a pause that starts at 1 s, doubles
/// with each further failure and ends at 20 s. The half is left to chance, so that the clients of a
/// node that restarts do not come back all at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconnect {
    pub(crate) first: Duration,
    pub(crate) max: Duration,
    pub(crate) retries: Option<u32>,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            max: Duration::from_secs(20),
            retries: None,
        }
    }
}

impl Reconnect {
    /// As often as it takes; the default.
    pub fn forever() -> Self {
        Self::default()
    }

    /// Not at all: when its last connection is lost, the client is closed and says why.
    pub fn never() -> Self {
        Self::default().retries(0)
    }

    /// The pause after the first failure. Default 1 s; held between 1 ms and the longest pause.
    #[must_use]
    pub fn first_pause(mut self, pause: Duration) -> Self {
        self.first = pause.max(Duration::from_millis(1));
        self
    }

    /// The longest pause. Default 20 s; at least 1 ms.
    #[must_use]
    pub fn max_pause(mut self, pause: Duration) -> Self {
        self.max = pause.max(Duration::from_millis(1));
        self
    }

    /// Gives an endpoint up when so many tries in a row have failed. The client is closed once every
    /// endpoint is given up.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }
}
