//! The expiry of a connection's certificates.

use std::time::{Duration, SystemTime};

use amop_tls::{Identity, Standing};
use tokio::time::sleep;

/// The longest time between two looks at the system's clock, which may be set.
const LOOK: Duration = Duration::from_secs(60);

/// The expiry of the first certificate that expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expiry {
    /// End of its validity in seconds since 1970.
    pub(crate) at: i64,
    /// Whether it is this client's certificate, and not the node's.
    pub(crate) own: bool,
}

impl Expiry {
    /// Returns the first expiry in this client's certificate chain and the node's.
    pub(crate) fn of(identity: &Identity, node: &Standing) -> Self {
        let (ours, theirs) = (identity.not_after(), node.expires());
        Self {
            at: ours.min(theirs),
            own: ours < theirs,
        }
    }

    /// Returns how long the certificate is valid: until the end of its last second.
    fn left(self, now: SystemTime) -> Duration {
        let over = u64::try_from(self.at.saturating_add(1)).unwrap_or(0);
        let over = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(over));
        // A time that the system cannot express is far in the future.
        over.map_or(Duration::MAX, |over| {
            over.duration_since(now).unwrap_or(Duration::ZERO)
        })
    }
}

/// Waits until the certificate has expired; forever without a certificate.
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
