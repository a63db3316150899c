//! How long, and how many, messages of other nodes are remembered.

use std::time::Duration;

/// No node repeats a message after this long.
pub(super) const REMEMBERED_FOR: Duration = Duration::from_secs(120);

/// Old messages may be held this much longer: they are not worth a timer for each.
pub(super) const SLACK: Duration = Duration::from_secs(10);

/// The number of messages that are remembered.
pub(super) const MAX: usize = 200_000;
