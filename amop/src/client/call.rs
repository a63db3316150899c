//! The settings that a call may change.

use std::time::Duration;

use super::policy::OfflinePolicy;
use crate::OverflowPolicy;

/// The longest time that can be set. It prevents an overflow when deadlines are computed.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The settings that calls read from their handle to the client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallOptions {
    pub(crate) timeout: Duration,
    pub(crate) drain_timeout: Duration,
    /// What a call does while no node is connected.
    pub(crate) offline: OfflinePolicy,
    /// The length of a new subscription's queue; at least 1.
    pub(crate) queue: usize,
    pub(crate) overflow: OverflowPolicy,
    /// The number of connections that a multicast to FISCO nodes is sent over; at least 1.
    pub(crate) copies: usize,
    /// The time after which a unicast to a FISCO node is sent over another connection as well.
    pub(crate) ask_another: Option<Duration>,
}

/// Returns the time within its limits.
pub(super) fn hold(time: Duration) -> Duration {
    time.clamp(Duration::from_millis(1), LONGEST)
}
