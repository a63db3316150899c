//! Builds a path from a leaf to a trust anchor, within fixed limits.

use rustls::pki_types::CertificateDer;
use x509_cert::name::Name;

use crate::algs;
use crate::cert::{Basic, Cert, KeyAlg, one_line};
use crate::error::VerifyError;
use crate::issuer::{Issuer, IssuerSerial, KeyDigest};
use crate::known::{Fact, Known};
use crate::revoke::Revoked;

/// The maximum number of certificates that a peer may send. Usual chains have at most three; an
/// external root above the chain's CA makes four.
const MAX_SENT: usize = 10;

/// The maximum number of CA certificates between leaf and anchor.
const MAX_INTERMEDIATES: usize = 5;

/// The number of wrong signatures after which a chain is refused, in addition to one for each
/// anchor. An honest peer's chain has none, or one if an agency has two keys.
const MAX_WRONG_SIGNATURES: usize = 2;

/// The maximum number of certificates that are examined for one chain, counting those whose issuers
/// are all verified. Authorities that certify each other make more paths than certificates.
const MAX_STEPS: usize = 256;

/// The parts of a certificate in `ca.crt` that issuing needs.
#[derive(Debug, Clone)]
pub(crate) struct Anchor {
    subject: Name,
    subject_line: String,
    key_alg: KeyAlg,
    key_bits: Vec<u8>,
    not_before: i64,
    not_after: i64,
    path_len: Option<u8>,
    /// Whether the certificate may sign revocation lists.
    crl_sign: bool,
}

impl Anchor {
    /// Returns the anchor, or the reason why the certificate cannot be an anchor.
    pub(crate) fn new(cert: &Cert<'_>) -> Result<Self, VerifyError> {
        let key_alg = check_key(cert)?;
        // Version 1 cannot express CA:TRUE; the entry in ca.crt replaces it.
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
            crl_sign: may_sign_lists(cert),
        })
    }

    /// Returns whether `cert` names this anchor as its issuer.
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
            crl_sign: self.crl_sign,
        }
    }
}

/// Returns whether a certificate may sign revocation lists. Without keyUsage it may.
pub(crate) fn may_sign_lists(cert: &Cert<'_>) -> bool {
    cert.usages.is_none_or(|usages| usages.crl_sign)
}

/// Parses the certificates that a peer sent.
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

/// The parts of a valid path that are needed later.
#[derive(Debug)]
pub(crate) struct Path {
    /// When the first certificate on the path expires, the anchor included; in seconds since 1970.
    pub(crate) expires: i64,
    /// The certificates on the path, without the anchor, each identified by its issuer's key.
    pub(crate) links: Box<[IssuerSerial]>,
    /// The key that signed the leaf.
    pub(crate) issuer: KeyDigest,
    /// A digest that distinguishes the agency from all others; see
    /// [`Standing::agency_digest`](crate::Standing::agency_digest).
    pub(crate) agency: [u8; 32],
}

/// Finds a valid path from one of `anchors` over `others` to `leaf`; `now` is in seconds since
/// 1970.
///
/// The search goes down from the anchor, so that signatures are checked only with keys that are
/// trusted already. In a chain of an unknown authority, only the first certificate that claims to
/// be below an anchor is checked.
pub(crate) fn build(
    leaf: &Cert<'_>,
    others: &[Cert<'_>],
    anchors: &[Anchor],
    revoked: &Revoked,
    known: &Known,
    now: i64,
) -> Result<Path, VerifyError> {
    check_usable(leaf, now)?;
    let mut search = Search {
        leaf,
        others,
        candidates: candidates(leaf, others),
        anchors,
        revoked,
        known,
        now,
        tried: Vec::new(),
        // Checking an anchor that only has the same name as another one fails, which is not the
        // peer's fault.
        failures_left: MAX_WRONG_SIGNATURES + anchors.len(),
        steps_left: MAX_STEPS,
        reason: None,
    };
    for anchor in anchors {
        let issuer = Trusted {
            subject: &anchor.subject,
            key_alg: anchor.key_alg,
            key_bits: &anchor.key_bits,
            expires: anchor.not_after,
            room: anchor
                .path_len
                .map(|limit| (usize::from(limit), &anchor.subject)),
            anchor: Some(anchor),
        };
        if let Some(path) = search.below(&issuer, &mut Vec::new())? {
            return Ok(path);
        }
    }
    Err(search.reason.unwrap_or_else(|| VerifyError::UnknownIssuer {
        subject: leaf.subject_line(),
    }))
}

/// Returns those of `others` that are above the leaf according to their names, each once. The
/// peer's copy of its root is left out: it is not an intermediate, and if it were an anchor it
/// would be in `ca.crt`. So all intermediates count for a pathLenConstraint, which exempts
/// self-issued certificates.
fn candidates(leaf: &Cert<'_>, others: &[Cert<'_>]) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    let mut looked_at = 0;
    let mut name = leaf.issuer();
    loop {
        for (i, other) in others.iter().enumerate() {
            let copy = |&j: &usize| i == j || others[j].is_same(other);
            if other.subject() == name && name != other.issuer() && !found.iter().any(copy) {
                found.push(i);
            }
        }
        let Some(&next) = found.get(looked_at) else {
            return found;
        };
        looked_at += 1;
        name = others[next].issuer();
    }
}

/// A certificate whose signature is verified, and all signatures above it up to an anchor.
struct Trusted<'t> {
    subject: &'t Name,
    key_alg: KeyAlg,
    key_bits: &'t [u8],
    /// When the first certificate from the anchor down to this one expires.
    expires: i64,
    /// The number of intermediates that may follow below, and the name of the certificate that
    /// limits it.
    room: Option<(usize, &'t Name)>,
    /// The anchor, if this is one.
    anchor: Option<&'t Anchor>,
}

/// An intermediate on the way down.
struct PathStep {
    /// The index among the certificates that the peer sent.
    cert: usize,
    link: IssuerSerial,
}

struct Search<'s, 'a> {
    leaf: &'s Cert<'a>,
    others: &'s [Cert<'a>],
    /// The indexes of the certificates that may be on the path.
    candidates: Vec<usize>,
    anchors: &'s [Anchor],
    revoked: &'s Revoked,
    known: &'s Known,
    now: i64,
    /// Signatures that were found wrong.
    tried: Vec<Fact>,
    failures_left: usize,
    steps_left: usize,
    /// Why the first certificate that looked right was refused.
    reason: Option<VerifyError>,
}

impl Search<'_, '_> {
    /// Returns the path to the leaf, if there is one below `issuer`; `above` are the intermediates
    /// down to the issuer. `Err` ends the search.
    fn below(
        &mut self,
        issuer: &Trusted<'_>,
        above: &mut Vec<PathStep>,
    ) -> Result<Option<Path>, VerifyError> {
        self.steps_left = self
            .steps_left
            .checked_sub(1)
            .ok_or(VerifyError::TooComplex {
                detail: "too many paths from ca.crt to the certificate",
            })?;
        let (leaf, others) = (self.leaf, self.others);
        if issuer.subject == leaf.issuer() && self.issued(issuer, leaf)? {
            return Ok(Some(self.path(issuer, above)));
        }
        for at in 0..self.candidates.len() {
            let i = self.candidates[at];
            let cert = &others[i];
            if above.iter().any(|step| step.cert == i) || cert.issuer() != issuer.subject {
                continue;
            }
            let checked = check_intermediate(cert, self.now).and_then(|key_alg| {
                check_room(issuer.room)?;
                Ok(key_alg)
            });
            let key_alg = match checked {
                Ok(key_alg) => key_alg,
                Err(e) => {
                    self.note(e);
                    continue;
                }
            };
            if above.len() == MAX_INTERMEDIATES {
                return Err(VerifyError::TooComplex {
                    detail: "more than 5 intermediate certificates in a row",
                });
            }
            if !self.issued(issuer, cert)? {
                continue;
            }
            above.push(PathStep {
                cert: i,
                link: IssuerSerial::new(issuer.key_bits, cert.serial()),
            });
            let next = Trusted {
                subject: cert.subject(),
                key_alg,
                key_bits: cert.key_bits(),
                expires: issuer.expires.min(cert.not_after),
                room: room_below(issuer.room, cert),
                anchor: None,
            };
            if let Some(path) = self.below(&next, above)? {
                return Ok(Some(path));
            }
            above.pop();
        }
        Ok(None)
    }

    fn path(&self, issuer: &Trusted<'_>, above: &[PathStep]) -> Path {
        let leaf = IssuerSerial::new(issuer.key_bits, self.leaf.serial());
        Path {
            links: above.iter().map(|step| step.link).chain([leaf]).collect(),
            expires: issuer.expires.min(self.leaf.not_after),
            issuer: KeyDigest::new(issuer.key_alg, issuer.key_bits),
            agency: self.agency(issuer, above),
        }
    }

    /// Returns the agency, counted from the lowest anchor on the path. If `ca.crt` has a CA and the
    /// root above it, peers may send the CA or leave it out; this must neither split one agency
    /// into two nor merge all into one.
    fn agency(&self, issuer: &Trusted<'_>, above: &[PathStep]) -> [u8; 32] {
        let is_anchor = |step: &PathStep| {
            let cert = &self.others[step.cert];
            self.anchors.iter().any(|anchor| {
                cert.key_alg == Ok(anchor.key_alg) && cert.key_bits() == anchor.key_bits
            })
        };
        let below = above.iter().rposition(is_anchor).map_or(0, |at| at + 1);
        match above.get(below) {
            Some(step) => step.link.bytes(),
            None => KeyDigest::new(issuer.key_alg, issuer.key_bits).bytes(),
        }
    }

    fn note(&mut self, reason: VerifyError) {
        self.reason.get_or_insert(reason);
    }

    /// Returns whether `issuer` has signed the certificate, was allowed to, and has not revoked it.
    fn issued(&mut self, issuer: &Trusted<'_>, cert: &Cert<'_>) -> Result<bool, VerifyError> {
        if !self.signed_by(issuer, cert)? {
            return Ok(false);
        }
        if let Some(anchor) = issuer.anchor
            && let Err(e) = check_anchor(anchor, self.now)
        {
            self.note(e);
            return Ok(false);
        }
        if self
            .revoked
            .contains(&IssuerSerial::new(issuer.key_bits, cert.serial()))
        {
            self.note(VerifyError::Revoked {
                subject: cert.subject_line(),
                serial: hex::encode_upper(cert.serial()),
            });
            return Ok(false);
        }
        Ok(true)
    }

    fn signed_by(&mut self, issuer: &Trusted<'_>, cert: &Cert<'_>) -> Result<bool, VerifyError> {
        let alg = cert
            .sig_alg
            .ok()
            .and_then(|sig_alg| algs::for_certificate(issuer.key_alg.id(), sig_alg));
        let Some(alg) = alg else {
            self.note(VerifyError::Unsupported {
                subject: cert.subject_line(),
                what: "signature algorithm",
            });
            return Ok(false);
        };
        let fact = Fact::new(issuer.key_alg, issuer.key_bits, cert);
        if self.known.contains(&fact) {
            return Ok(true);
        }
        if self.tried.contains(&fact) {
            return Ok(false);
        }
        if alg
            .verify_signature(issuer.key_bits, cert.tbs(), cert.signature())
            .is_ok()
        {
            self.known.insert(fact);
            return Ok(true);
        }
        self.tried.push(fact);
        // A wrong signature by an anchor is not noted as the reason: every chain names its CA
        // "chain", so a CA with this name may be of another chain.
        if issuer.anchor.is_none() {
            self.note(VerifyError::BadSignature {
                subject: cert.subject_line(),
            });
        }
        self.failures_left = self
            .failures_left
            .checked_sub(1)
            .ok_or(VerifyError::TooComplex {
                detail: "too many wrong signatures",
            })?;
        Ok(false)
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

fn check_intermediate(cert: &Cert<'_>, now: i64) -> Result<KeyAlg, VerifyError> {
    check_may_issue(cert)?;
    check_usable(cert, now)?;
    check_key(cert)
}

fn check_anchor(anchor: &Anchor, now: i64) -> Result<(), VerifyError> {
    let subject = || anchor.subject_line.clone();
    check_dates(anchor.not_before, anchor.not_after, now, subject)
}

/// Checks whether another intermediate may follow below.
fn check_room(room: Option<(usize, &Name)>) -> Result<(), VerifyError> {
    match room {
        Some((0, limited_by)) => Err(VerifyError::NotAnIssuer {
            subject: one_line(limited_by),
            reason: "its pathLenConstraint does not allow this many CA certificates below it",
        }),
        _ => Ok(()),
    }
}

/// Returns the number of intermediates that may follow below a certificate: its own limit, or the
/// rest of the limits above it.
fn room_below<'t>(
    above: Option<(usize, &'t Name)>,
    cert: &'t Cert<'_>,
) -> Option<(usize, &'t Name)> {
    let left = above.map(|(room, name)| (room.saturating_sub(1), name));
    let own = cert.basic.and_then(|basic| basic.path_len);
    let own = own.map(|limit| (usize::from(limit), cert.subject()));
    left.into_iter().chain(own).min_by_key(|(room, _)| *room)
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

/// Checks whether a certificate may issue others. keyUsage may be absent (agency certificates have
/// none), but if it is there, it must allow this.
fn check_may_issue(cert: &Cert<'_>) -> Result<(), VerifyError> {
    let reason = match cert.basic {
        _ if !cert.v3 => "it is of X.509 version 1 and not in ca.crt",
        None => "it has no basicConstraints",
        Some(Basic { ca: false, .. }) => "it says CA:FALSE",
        Some(_) if cert.usages.is_some_and(|usages| !usages.key_cert_sign) => {
            "its keyUsage lacks keyCertSign"
        }
        Some(_) => return Ok(()),
    };
    Err(VerifyError::NotAnIssuer {
        subject: cert.subject_line(),
        reason,
    })
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
