//! Why a connection that was accepted is accepted no longer.

use crate::log::Utc;

/// Why the certificate of a connection, which was accepted before, is no longer accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateLapse {
    /// The certificate has expired, or one above it has.
    #[error("its certificate, or one above it, expired at {}: renew it", Utc(*at))]
    Expired {
        /// The end of the validity in seconds since 1970.
        at: i64,
    },
    /// The issuer has revoked the certificate, or one above it.
    #[error("its certificate, or one above it, has been revoked by its issuer")]
    Revoked,
    /// The lists of the node refuse the certificate.
    #[error("the lists of this node do not let it in any longer")]
    Unlisted,
}
