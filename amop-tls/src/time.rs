//! Times as text for people.

use std::{fmt, time::Duration};

use der::DateTime;

/// Seconds since 1970, shown as `2021-01-01T00:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UtcSeconds(pub(crate) i64);

impl fmt::Display for UtcSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = u64::try_from(self.0).map(Duration::from_secs);
        match since.map(DateTime::from_unix_duration) {
            Ok(Ok(time)) => time.fmt(f),
            // The time is before 1970 or after 9999.
            _ => write!(f, "{} seconds since 1970", self.0),
        }
    }
}

#[cfg(test)]
mod tests;
