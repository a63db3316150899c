//! Certificate revocation lists: checks their issuers, and whether a certificate is on one.

use std::collections::HashSet;
use std::sync::Arc;

use der::asn1::BitString;
use der::{Decode, Sequence};
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use x509_cert::certificate::Version;
use x509_cert::crl::RevokedCert;
use x509_cert::ext::Extensions;
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;

use crate::cert;
use crate::issuer::{Issuer, IssuerSerial};
use crate::pem::{self, PemProblem};
use crate::{TlsError, algs};

/// The maximum number of lists in one file.
const MAX_LISTS: usize = 32;

/// The signed part of a list, RFC 5280 section 5.1, of version 1 or 2: `openssl ca -gencrl` writes
/// both.
#[derive(Sequence)]
pub(crate) struct TbsList {
    #[asn1(optional = "true")]
    pub(crate) version: Option<Version>,
    pub(crate) signature: AlgorithmIdentifierOwned,
    pub(crate) issuer: Name,
    pub(crate) this_update: Time,
    #[asn1(optional = "true")]
    pub(crate) next_update: Option<Time>,
    #[asn1(optional = "true")]
    pub(crate) revoked: Option<Vec<RevokedCert>>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(crate) extensions: Option<Extensions>,
}

#[derive(Sequence)]
pub(crate) struct SignedList {
    pub(crate) tbs: TbsList,
    pub(crate) algorithm: AlgorithmIdentifierOwned,
    pub(crate) signature: BitString,
}

/// A list whose signature was checked.
#[derive(Debug)]
struct RevocationList {
    revoked: HashSet<IssuerSerial>,
    next_update: Option<i64>,
}

/// The revoked certificates.
#[derive(Debug, Clone, Default)]
pub(crate) struct Revoked {
    lists: Vec<Arc<RevocationList>>,
}

impl Revoked {
    pub(crate) fn contains(&self, link: &IssuerSerial) -> bool {
        self.lists.iter().any(|list| list.revoked.contains(link))
    }

    /// Returns when the first list should have been replaced, in seconds since 1970.
    pub(crate) fn next_update(&self) -> Option<i64> {
        self.lists.iter().filter_map(|list| list.next_update).min()
    }

    /// Adds the lists of a file; one of `issuers` must have signed each.
    pub(crate) fn add(
        &mut self,
        file: &str,
        bytes: &[u8],
        issuers: &[Issuer<'_>],
    ) -> Result<(), TlsError> {
        for der in lists_in(file, bytes)? {
            self.lists.push(Arc::new(read(file, &der, issuers)?));
        }
        Ok(())
    }
}

/// Returns the lists in a file: PEM, or one list in DER.
fn lists_in(
    file: &str,
    bytes: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes.to_vec().into()]);
    }
    let bad = |detail: String| TlsError::BadCrl {
        file: file.to_owned(),
        detail,
    };
    let text = match pem::tidy(bytes) {
        Ok(text) => text,
        Err(PemProblem::NoSection) => {
            return Err(bad("it has no BEGIN X509 CRL section and is not DER".into()));
        }
        Err(problem) => return Err(bad(format!("damaged PEM: {problem}"))),
    };
    let mut lists = Vec::new();
    for list in CertificateRevocationListDer::pem_slice_iter(text.as_bytes()) {
        if lists.len() == MAX_LISTS {
            return Err(bad(format!("it has more than {MAX_LISTS} lists")));
        }
        lists.push(list.map_err(|error| bad(format!("damaged PEM: {error}")))?);
    }
    if lists.is_empty() {
        return Err(bad("it has no BEGIN X509 CRL section and is not DER".into()));
    }
    Ok(lists)
}

fn read(file: &str, der: &[u8], issuers: &[Issuer<'_>]) -> Result<RevocationList, TlsError> {
    let bad = |detail: String| TlsError::BadCrl {
        file: file.to_owned(),
        detail,
    };
    let malformed = |error: der::Error| bad(format!("not an X.509 revocation list ({error})"));
    let signed = SignedList::from_der(der).map_err(malformed)?;
    let signed_part = cert::signed_part(der).map_err(malformed)?;
    let tbs = signed.tbs;
    if tbs.signature != signed.algorithm {
        return Err(bad("its two signature algorithm fields differ".into()));
    }
    // An extension that must be understood is not supported: the list has only changes, only a
    // part, or certificates of other authorities. Using it as a complete list would let revoked
    // certificates in.
    let mut extensions = tbs.extensions.iter().flatten().chain(
        tbs.revoked
            .iter()
            .flatten()
            .flat_map(|entry| entry.crl_entry_extensions.iter().flatten()),
    );
    if let Some(critical) = extensions.find(|extension| extension.critical) {
        return Err(bad(format!(
            "it has the critical extension {}: only whole lists of an authority's own certificates \
             are supported",
            critical.extn_id
        )));
    }
    let named: Vec<_> = issuers
        .iter()
        .filter(|issuer| *issuer.subject == tbs.issuer)
        .collect();
    if named.is_empty() {
        return Err(TlsError::CrlIssuer {
            file: file.to_owned(),
            issuer: cert::one_line(&tbs.issuer),
        });
    }
    let is_signed_by = |issuer: &&&Issuer<'_>| {
        cert::sig_alg(&signed.algorithm)
            .ok()
            .and_then(|sig_alg| algs::for_certificate(issuer.key_alg.id(), sig_alg))
            .zip(signed.signature.as_bytes())
            .is_some_and(|(alg, signature)| {
                alg.verify_signature(issuer.key_bits, signed_part, signature)
                    .is_ok()
            })
    };
    let Some(issuer) = named.iter().find(is_signed_by) else {
        return Err(TlsError::CrlSignature {
            file: file.to_owned(),
            issuer: cert::one_line(&tbs.issuer),
        });
    };
    if !issuer.crl_sign {
        return Err(bad(format!(
            "keyUsage of its issuer {:?} lacks cRLSign: let an authority issue it that has cRLSign",
            cert::one_line(&tbs.issuer)
        )));
    }
    let revoked = tbs.revoked.into_iter().flatten();
    Ok(RevocationList {
        revoked: revoked
            .map(|entry| IssuerSerial::new(issuer.key_bits, entry.serial_number.as_bytes()))
            .collect(),
        next_update: tbs.next_update.map(cert::seconds),
    })
}

#[cfg(all(test, feature = "pki"))]
mod tests;
