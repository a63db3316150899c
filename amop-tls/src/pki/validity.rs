//! [`Validity`]: the period in which a certificate is valid.

use std::time::{Duration, SystemTime};

/// The period in which a certificate is valid, with a resolution of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment of validity.
    pub not_before: SystemTime,
    /// The last moment of validity.
    pub not_after: SystemTime,
}

impl Validity {
    /// The validity of all certificates of the chain's script: 36500 days.
    pub const CHAIN_DEFAULT: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

    /// Returns the chain's default validity, starting at `now`.
    pub fn starting(now: SystemTime) -> Self {
        Self {
            not_before: now,
            not_after: now.checked_add(Self::CHAIN_DEFAULT).unwrap_or(now),
        }
    }

    pub(super) fn from_now() -> Self {
        Self::starting(SystemTime::now())
    }
}
