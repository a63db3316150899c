//! When the certificates that a connection rests on expire.

use std::time::{Duration, SystemTime};

use amop_tls::{Identity, Standing};
use tokio::time::sleep;

/// The clock that certificates go by may be set: it is looked at this often at least.
const LOOK: Duration = Duration::from_secs(60);

/// When the first of them does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expiry {
    /// End of its validity in seconds since 1970.
    pub(crate) at: i64,
    /// Whether it is this side's own.
    pub(crate) own: bool,
}

impl Expiry {
    /// The first of our own chain and the node's.
    pub(crate) fn of(identity: &Identity, node: &Standing) -> Self {
        let (ours, theirs) = (identity.not_after(), node.expires());
        Self {
            at: ours.min(theirs),
            own: ours < theirs,
        }
    }

    /// How long until it is over: in its last second it is valid.
    fn left(self, now: SystemTime) -> Duration {
        let over = u64::try_from(self.at.saturating_add(1)).unwrap_or(0);
        let over = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(over));
        // A time that the system cannot express is far away.
        over.map_or(Duration::MAX, |over| {
            over.duration_since(now).unwrap_or(Duration::ZERO)
        })
    }
}

/// Waits for it; for ever if there is none.
pub(crate) async fn expired(expiry: Option<Expiry>) -> Expiry {
    let Some(expiry) = expiry else {
        return std::future::pending().await;
    };
    loop {
        let left = expiry.left(SystemTime::now());
        if left.is_zero() {
            return expiry;
        }
        sleep(left.min(LOOK)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_valid_in_its_last_second() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_500);
        let left = |at| Expiry { at, own: false }.left(now);
        assert_eq!(left(1000), Duration::from_millis(500));
        assert_eq!(left(999), Duration::ZERO);
        assert_eq!(left(-1), Duration::ZERO);
        assert!(left(i64::MAX) > LOOK);
    }
}
