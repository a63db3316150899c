//! No certificates were found.

use std::{fmt, path::PathBuf};

/// No folder with certificates was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificatesNotFound {
    /// The places that were searched, in this order, and why each is not usable.
    pub tried: Vec<(PathBuf, String)>,
}

impl fmt::Display for CertificatesNotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no folder with ca.crt, sdk.crt and sdk.key was found")?;
        for (place, problem) in &self.tried {
            write!(f, "; {}: {problem}", place.display())?;
        }
        f.write_str(
            "; copy the chain's nodes/<ip>/sdk folder to ./conf, set AMOP_CONF, or name the \
             folder with ClientBuilder::certificates",
        )
    }
}

impl std::error::Error for CertificatesNotFound {}
