//! The expiry of a connection's certificates.

use std::time::{Duration, SystemTime};

use amop_proto::client::ExpiredCertificate;
use amop_tls::{Admitted, Identity};
use tokio::time::sleep;

/// The longest time between two looks at the system's clock, which may be set.
const LOOK: Duration = Duration::from_secs(60);

/// Returns the first of this client's certificates and the node's that expires.
pub(crate) fn first_to_expire(identity: &Identity, node: &Admitted) -> ExpiredCertificate {
    let (ours, theirs) = (identity.not_after(), node.standing.expires());
    if ours < theirs {
        let file = identity.cert_file().to_owned();
        return ExpiredCertificate::of_client(identity.subject(), Some(file), ours);
    }
    ExpiredCertificate::of_node(&node.info.subject, theirs)
}

/// Returns how long a certificate is valid that expires at `at`: until the end of its last second.
fn left(at: i64, now: SystemTime) -> Duration {
    let over = u64::try_from(at.saturating_add(1)).unwrap_or(0);
    let over = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(over));
    // A time that the system cannot express is far in the future.
    over.map_or(Duration::MAX, |over| {
        over.duration_since(now).unwrap_or(Duration::ZERO)
    })
}

/// Waits until the certificate has expired; forever without a certificate.
pub(crate) async fn expired(certificate: Option<ExpiredCertificate>) -> ExpiredCertificate {
    let Some(certificate) = certificate else {
        return std::future::pending().await;
    };
    loop {
        let left = left(certificate.at, SystemTime::now());
        if left.is_zero() {
            return certificate;
        }
        sleep(left.min(LOOK)).await;
    }
}

#[cfg(test)]
mod tests;
