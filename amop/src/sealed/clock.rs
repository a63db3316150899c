//! The time, as messages carry it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the time in milliseconds since 1970; 0 if the clock shows an earlier time.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
