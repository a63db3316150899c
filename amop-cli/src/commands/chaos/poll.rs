//! How often states are polled.

use std::time::Duration;

/// The interval at which a state is polled.
pub(super) const LOOK: Duration = Duration::from_millis(20);
