//! The contents of one file in PEM.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;
use zeroize::Zeroizing;

use crate::cert::Cert;
use crate::error::{TlsError, VerifyError};
use crate::path::Anchor;
use crate::pem;
use crate::sign::{self, PrivateKeyProblem};

/// The maximum number of certificates in one file.
const MAX_CERTIFICATES: usize = 32;

/// The PEM sections of one file, and its name in errors.
pub(super) struct NamedPem {
    pub(super) name: String,
    text: Zeroizing<String>,
}

impl NamedPem {
    pub(super) fn new(name: String, text: &[u8]) -> Result<Self, TlsError> {
        match pem::tidy(text) {
            Ok(text) => Ok(Self::tidied(name, text)),
            Err(problem) => Err(TlsError::NotPem {
                file: name,
                detail: problem.to_string(),
            }),
        }
    }

    pub(super) fn tidied(name: String, text: Zeroizing<String>) -> Self {
        Self { name, text }
    }

    pub(super) fn guomi(&self, subject: Option<String>) -> TlsError {
        TlsError::Guomi {
            file: self.name.clone(),
            subject,
        }
    }

    pub(super) fn no_certificate(&self) -> TlsError {
        TlsError::NoCertificate {
            file: self.name.clone(),
        }
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    fn not_pem(&self, error: &rustls::pki_types::pem::Error) -> TlsError {
        TlsError::NotPem {
            file: self.name.clone(),
            detail: error.to_string(),
        }
    }

    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let mut certs = Vec::new();
        for cert in CertificateDer::pem_slice_iter(self.text.as_bytes()) {
            if certs.len() == MAX_CERTIFICATES {
                return Err(TlsError::NotPem {
                    file: self.name.clone(),
                    detail: format!("it has more than {MAX_CERTIFICATES} certificates"),
                });
            }
            certs.push(cert.map_err(|e| self.not_pem(&e))?);
        }
        if certs.is_empty() {
            return Err(self.no_certificate());
        }
        Ok(certs)
    }

    pub(super) fn parse<'c>(
        &self,
        certs: &'c [CertificateDer<'static>],
    ) -> Result<Vec<Cert<'c>>, TlsError> {
        let mut parsed = Vec::with_capacity(certs.len());
        for (i, der) in certs.iter().enumerate() {
            parsed.push(Cert::parse(der).map_err(|detail| TlsError::BadCertificate {
                file: self.name.clone(),
                subject: None,
                position: i + 1,
                detail,
            })?);
        }
        Ok(parsed)
    }

    /// Returns the anchors. Certificates that cannot be anchors are skipped as long as there is one
    /// that can: an operator's external root may have an unsupported key, while the chain's CA
    /// below it has a supported one.
    pub(super) fn anchors(&self) -> Result<Vec<Anchor>, TlsError> {
        let certs = self.certificates()?;
        let mut anchors = Vec::new();
        let mut problem = None;
        for (i, cert) in self.parse(&certs)?.iter().enumerate() {
            match Anchor::new(cert) {
                Ok(anchor) => anchors.push(anchor),
                Err(VerifyError::Guomi { subject }) => return Err(self.guomi(Some(subject))),
                Err(e) => {
                    problem.get_or_insert(TlsError::BadCertificate {
                        file: self.name.clone(),
                        subject: Some(cert.subject_line()),
                        position: i + 1,
                        detail: e.to_string(),
                    });
                }
            }
        }
        match problem {
            Some(problem) if anchors.is_empty() => Err(problem),
            _ => Ok(anchors),
        }
    }

    pub(super) fn private_key(&self) -> Result<Zeroizing<PrivateKeyDer<'static>>, TlsError> {
        let file = || self.name.clone();
        if pem::is_encrypted(&self.text) {
            return Err(TlsError::EncryptedKey { file: file() });
        }
        match PrivateKeyDer::from_pem_slice(self.text.as_bytes()) {
            Ok(der) => Ok(Zeroizing::new(der)),
            Err(rustls::pki_types::pem::Error::NoItemsFound) => {
                Err(TlsError::NoKey { file: file() })
            }
            Err(e) => Err(self.not_pem(&e)),
        }
    }

    pub(super) fn signing_key(
        &self,
        der: &PrivateKeyDer<'_>,
    ) -> Result<Arc<dyn SigningKey>, TlsError> {
        let file = || self.name.clone();
        sign::load(der).map_err(|problem| match problem {
            PrivateKeyProblem::Guomi => self.guomi(None),
            PrivateKeyProblem::Curve(curve) => TlsError::UnsupportedCurve {
                file: file(),
                subject: None,
                curve: curve.into(),
            },
            PrivateKeyProblem::Other(detail) => TlsError::BadKey {
                file: file(),
                detail,
            },
        })
    }
}
