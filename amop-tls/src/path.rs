//! Building a path from a leaf to a trust anchor, within fixed bounds.

use rustls::pki_types::CertificateDer;
use x509_cert::name::Name;

use crate::algs;
use crate::cert::{Basic, Cert, KeyAlg};
use crate::revoke::{Issuer, Revoked};
use crate::verify::VerifyError;

/// Certificates a peer may send. Real chains have at most three; an external
/// root above the chain's CA makes four.
const MAX_SENT: usize = 10;

/// CA certificates between leaf and anchor.
const MAX_INTERMEDIATES: usize = 5;

/// Signatures checked for one chain. Certificates can share a name, so that
/// the number of paths grows much faster than that of certificates.
const MAX_SIGNATURE_CHECKS: usize = 32;

/// A certificate of `ca.crt`, reduced to what issuing needs.
#[derive(Debug, Clone)]
pub(crate) struct Anchor {
    subject: Name,
    subject_line: String,
    key_alg: KeyAlg,
    key_bits: Vec<u8>,
    not_before: i64,
    not_after: i64,
    path_len: Option<u8>,
}

impl Anchor {
    /// `Err` says why the certificate cannot be an anchor.
    pub(crate) fn new(cert: &Cert<'_>) -> Result<Self, VerifyError> {
        let key_alg = check_key(cert)?;
        // Version 1 has no way to say CA:TRUE; being in ca.crt says it.
        if cert.v3 {
            check_may_issue(cert)?;
        }
        check_extensions(cert)?;
        Ok(Self {
            subject: cert.subject().clone(),
            subject_line: cert.subject_line(),
            key_alg,
            key_bits: cert.key_bits().to_vec(),
            not_before: cert.not_before,
            not_after: cert.not_after,
            path_len: cert.basic.and_then(|basic| basic.path_len),
        })
    }

    /// Whether `cert` says that this issued it.
    pub(crate) fn is_named_by(&self, cert: &Cert<'_>) -> bool {
        self.subject == *cert.issuer()
    }

    pub(crate) fn key_alg(&self) -> KeyAlg {
        self.key_alg
    }

    pub(crate) fn as_issuer(&self) -> Issuer<'_> {
        Issuer {
            subject: &self.subject,
            key_alg: self.key_alg,
            key_bits: &self.key_bits,
        }
    }
}

/// Parses what a peer sent.
pub(crate) fn parse_chain<'a>(
    leaf: &'a CertificateDer<'_>,
    others: &'a [CertificateDer<'_>],
) -> Result<(Cert<'a>, Vec<Cert<'a>>), VerifyError> {
    if others.len() >= MAX_SENT {
        return Err(VerifyError::TooComplex {
            detail: "more than 10 certificates",
        });
    }
    let parse = |position: usize, der: &'a CertificateDer<'_>| {
        Cert::parse(der).map_err(|detail| VerifyError::BadEncoding { position, detail })
    };
    let leaf = parse(0, leaf)?;
    let others = others
        .iter()
        .enumerate()
        .map(|(i, der)| parse(i + 1, der))
        .collect::<Result<_, _>>()?;
    Ok((leaf, others))
}

/// Finds a valid path from `leaf` over `others` to one of `anchors`; `now` is
/// in seconds since 1970.
pub(crate) fn build(
    leaf: &Cert<'_>,
    others: &[Cert<'_>],
    anchors: &[Anchor],
    revoked: &Revoked,
    now: i64,
) -> Result<(), VerifyError> {
    check_usable(leaf, now)?;
    let mut search = Search {
        others,
        anchors,
        revoked,
        now,
        checks_left: MAX_SIGNATURE_CHECKS,
        reason: None,
    };
    let mut used = Vec::with_capacity(MAX_INTERMEDIATES);
    if search.issued(leaf, &mut used)? {
        return Ok(());
    }
    Err(search.reason.unwrap_or_else(|| VerifyError::UnknownIssuer {
        subject: leaf.subject_line(),
    }))
}

struct Search<'s, 'a> {
    others: &'s [Cert<'a>],
    anchors: &'s [Anchor],
    revoked: &'s Revoked,
    now: i64,
    checks_left: usize,
    /// Why the first candidate that looked right was not.
    reason: Option<VerifyError>,
}

impl Search<'_, '_> {
    /// Whether `cert`, which stands on top of the intermediates `used`, leads
    /// to an anchor. `Err` ends the search.
    fn issued(&mut self, cert: &Cert<'_>, used: &mut Vec<usize>) -> Result<bool, VerifyError> {
        for anchor in self.anchors.iter().filter(|a| a.is_named_by(cert)) {
            // A wrong signature here gives no reason of its own: every chain
            // calls its CA "chain", so the same name is no sign of being it.
            if !self.signed_by(cert, anchor.key_alg, &anchor.key_bits)? {
                continue;
            }
            match check_anchor(anchor, used.len(), self.now) {
                Ok(()) => return Ok(true),
                Err(e) => self.note(e),
            }
        }
        let others = self.others;
        for (i, issuer) in others.iter().enumerate() {
            if used.contains(&i) || issuer.subject() != cert.issuer() {
                continue;
            }
            // The peer's copy of its root: not an intermediate, and were it
            // an anchor it would have been found above. So all intermediates
            // count against a pathLenConstraint, which exempts self-issued ones.
            if issuer.subject() == issuer.issuer() {
                continue;
            }
            if let Err(e) = check_intermediate(issuer, used.len(), self.now) {
                self.note(e);
                continue;
            }
            let key_alg = check_key(issuer)?;
            if !self.signed_by(cert, key_alg, issuer.key_bits())? {
                self.note(VerifyError::BadSignature {
                    subject: cert.subject_line(),
                });
                continue;
            }
            if used.len() == MAX_INTERMEDIATES {
                return Err(VerifyError::TooComplex {
                    detail: "more than 5 intermediate certificates in a row",
                });
            }
            used.push(i);
            if self.issued(issuer, used)? {
                return Ok(true);
            }
            used.pop();
        }
        Ok(false)
    }

    fn note(&mut self, reason: VerifyError) {
        self.reason.get_or_insert(reason);
    }

    /// Whether this key has signed the certificate and its owner has not revoked it since.
    fn signed_by(
        &mut self,
        cert: &Cert<'_>,
        key_alg: KeyAlg,
        key_bits: &[u8],
    ) -> Result<bool, VerifyError> {
        let alg = cert
            .sig_alg
            .ok()
            .and_then(|sig_alg| algs::for_certificate(key_alg.id(), sig_alg));
        let Some(alg) = alg else {
            self.note(VerifyError::Unsupported {
                subject: cert.subject_line(),
                what: "signature algorithm",
            });
            return Ok(false);
        };
        self.checks_left = self
            .checks_left
            .checked_sub(1)
            .ok_or(VerifyError::TooComplex {
                detail: "more than 32 signatures to check",
            })?;
        let signed = alg
            .verify_signature(key_bits, cert.tbs(), cert.signature())
            .is_ok();
        if signed && self.revoked.contains(cert, key_bits) {
            self.note(VerifyError::Revoked {
                subject: cert.subject_line(),
                serial: cert.serial().iter().map(|b| format!("{b:02X}")).collect(),
            });
            return Ok(false);
        }
        Ok(signed)
    }
}

fn check_usable(cert: &Cert<'_>, now: i64) -> Result<(), VerifyError> {
    check_key(cert)?;
    check_dates(cert.not_before, cert.not_after, now, || cert.subject_line())?;
    check_extensions(cert)
}

fn check_extensions(cert: &Cert<'_>) -> Result<(), VerifyError> {
    match &cert.unhandled {
        Some(oid) => Err(VerifyError::UnhandledExtension {
            subject: cert.subject_line(),
            oid: oid.clone(),
        }),
        None => Ok(()),
    }
}

fn check_intermediate(cert: &Cert<'_>, below: usize, now: i64) -> Result<(), VerifyError> {
    check_may_issue(cert)?;
    check_usable(cert, now)?;
    let path_len = cert.basic.and_then(|basic| basic.path_len);
    check_path_len(path_len, below, || cert.subject_line())
}

fn check_anchor(anchor: &Anchor, below: usize, now: i64) -> Result<(), VerifyError> {
    let subject = || anchor.subject_line.clone();
    check_dates(anchor.not_before, anchor.not_after, now, subject)?;
    check_path_len(anchor.path_len, below, subject)
}

fn check_key(cert: &Cert<'_>) -> Result<KeyAlg, VerifyError> {
    let subject = || cert.subject_line();
    if cert.is_guomi() {
        return Err(VerifyError::Guomi { subject: subject() });
    }
    cert.key_alg.map_err(|_| VerifyError::Unsupported {
        subject: subject(),
        what: "key",
    })
}

/// keyUsage need not be there (agency certificates have none), but where it
/// is, it must allow this.
fn check_may_issue(cert: &Cert<'_>) -> Result<(), VerifyError> {
    let reason = match cert.basic {
        _ if !cert.v3 => "it is of X.509 version 1 and not in ca.crt",
        None => "it has no basicConstraints",
        Some(Basic { ca: false, .. }) => "it says CA:FALSE",
        Some(_) if cert.key_cert_sign == Some(false) => "its keyUsage lacks keyCertSign",
        Some(_) => return Ok(()),
    };
    Err(VerifyError::NotAnIssuer {
        subject: cert.subject_line(),
        reason,
    })
}

fn check_path_len(
    limit: Option<u8>,
    below: usize,
    subject: impl Fn() -> String,
) -> Result<(), VerifyError> {
    match limit {
        Some(limit) if below > usize::from(limit) => Err(VerifyError::NotAnIssuer {
            subject: subject(),
            reason: "its pathLenConstraint does not allow so many CA certificates below it",
        }),
        _ => Ok(()),
    }
}

fn check_dates(
    not_before: i64,
    not_after: i64,
    now: i64,
    subject: impl Fn() -> String,
) -> Result<(), VerifyError> {
    if now < not_before {
        return Err(VerifyError::NotYetValid {
            subject: subject(),
            not_before,
        });
    }
    if now > not_after {
        return Err(VerifyError::Expired {
            subject: subject(),
            not_after,
        });
    }
    Ok(())
}
