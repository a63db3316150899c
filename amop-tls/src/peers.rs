//! [`PeerVerifier`]: the peers that a port accepts, or that a client connects to.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};

use crate::algs;
use crate::cert::{Cert, KeyAlg};
use crate::error::VerifyError;
use crate::filter::PeerFilter;
use crate::identity::Identity;
use crate::issuer::KeyDigest;
use crate::key::PublicKey;
use crate::known::Known;
use crate::mode::Mode;
use crate::path::{self, Anchor, Path};
use crate::peer_info::{info_of, public_key_of};
use crate::pin::NodeKey;
use crate::role::Role;
use crate::rules::{ReplaceableLists, Rules};
use crate::side::Side;
use crate::standing::{AdmissionLapse, Admitted, Standing};

/// Verifies certificates by the rules of one port. Its lists can be replaced while connections
/// exist, see [`replace_lists`](Self::replace_lists).
///
/// Created by [`Identity::verifier_of_sdks`], [`Identity::verifier_of_peers`] and
/// [`Identity::verifier_of_nodes`]. Clones share everything.
#[derive(Clone)]
pub struct PeerVerifier(Arc<PeerVerifierInner>);

struct PeerVerifierInner {
    mode: Mode,
    anchors: Arc<[Anchor]>,
    rules: Rules,
    known: Known,
    /// Digests of the keys that signed a handshake with SHA-1 recently.
    by_sha1: Mutex<VecDeque<[u8; 32]>>,
    lists: RwLock<Arc<ReplaceableLists>>,
}

/// The number of keys that signed with SHA-1 that are remembered.
const BY_SHA1: usize = 1024;

impl fmt::Debug for PeerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerVerifier")
            .field("mode", &self.0.mode)
            .field("anchors", &self.0.anchors.len())
            .finish_non_exhaustive()
    }
}

impl PeerVerifier {
    pub(crate) fn new(
        mode: Mode,
        anchors: Arc<[Anchor]>,
        rules: Rules,
        lists: ReplaceableLists,
    ) -> Self {
        Self(Arc::new(PeerVerifierInner {
            mode,
            anchors,
            rules,
            known: Known::default(),
            by_sha1: Mutex::default(),
            lists: RwLock::new(Arc::new(lists)),
        }))
    }

    /// Returns the kind of certificates that are accepted.
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// Returns whether an accepted peer signed its last handshake with SHA-1, which is allowed for
    /// SDKs with secp256k1 keys ([`ServerOptions::sha1_client_signatures`](crate::ServerOptions)).
    /// Only the last 1,024 of these keys are remembered.
    pub fn signed_with_sha1(&self, standing: &Standing) -> bool {
        self.by_sha1().contains(&standing.key)
    }

    fn by_sha1(&self) -> MutexGuard<'_, VecDeque<[u8; 32]>> {
        let keys = self.0.by_sha1.lock();
        keys.unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the algorithms with which the handshakes of peers at that end are checked.
    pub(crate) fn handshake_algs(&self, peer: Side) -> &'static WebPkiSupportedAlgorithms {
        match peer {
            Side::Client if self.0.rules.sha1_signatures => &algs::EC_SDKS,
            _ => self.0.mode.algs(),
        }
    }

    /// Records that a peer has signed a handshake.
    pub(crate) fn signed(&self, leaf: &Cert<'_>, scheme: SignatureScheme) {
        let (true, Ok(alg)) = (self.0.rules.sha1_signatures, leaf.key_alg) else {
            return;
        };
        let key = KeyDigest::new(alg, leaf.key_bits()).bytes();
        let mut keys = self.by_sha1();
        let old = keys.iter().position(|known| *known == key);
        match (old, scheme == algs::OLD_SCHEME) {
            (None, true) => {
                if keys.len() == BY_SHA1 {
                    keys.pop_front();
                }
                keys.push_back(key);
            }
            (Some(at), false) => {
                keys.remove(at);
            }
            _ => {}
        }
    }

    /// Verifies a chain, leaf first, as the handshake does. After a handshake this needs no
    /// signature check, since valid signatures are remembered.
    ///
    /// `peer` is the end of the connection that sent the chain; it decides what extendedKeyUsage
    /// must allow.
    ///
    /// # Errors
    /// [`VerifyError`] with the violated rule.
    pub fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        peer: Side,
        now: UnixTime,
    ) -> Result<Admitted, VerifyError> {
        let (leaf, others) = chain
            .split_first()
            .ok_or_else(|| VerifyError::BadEncoding {
                position: 0,
                detail: "the chain is empty".into(),
            })?;
        self.judge(leaf, others, peer, now)
    }

    /// Checks whether a peer that was accepted still is, at `now` and with the current lists.
    ///
    /// # Errors
    /// [`AdmissionLapse`] if it is not.
    pub fn still_admits(&self, standing: &Standing, now: UnixTime) -> Result<(), AdmissionLapse> {
        if seconds(now) > standing.expires {
            let at = standing.expires;
            return Err(AdmissionLapse::Expired { at });
        }
        let lists = self.lists();
        if standing
            .links
            .iter()
            .any(|link| lists.revoked.contains(link))
        {
            return Err(AdmissionLapse::Revoked);
        }
        match (&lists.filter, &standing.public_key) {
            (Some(filter), Some(key)) if filter.allow(key) => Ok(()),
            (None, _) => Ok(()),
            _ => Err(AdmissionLapse::Unlisted),
        }
    }

    /// Returns whether the current lists accept a key, whatever its certificates are.
    pub fn lists_admit(&self, key: &PublicKey) -> bool {
        let lists = self.lists();
        lists.filter.as_ref().is_none_or(|filter| filter.allow(key))
    }

    /// Replaces the lists: the revocation lists by those of `identity`, the filter by `filter`.
    /// They apply to every later handshake; check existing connections with
    /// [`still_admits`](Self::still_admits).
    pub fn replace_lists(&self, identity: &Identity, filter: Option<Arc<dyn PeerFilter>>) {
        let lists = Arc::new(ReplaceableLists {
            revoked: identity.revoked().clone(),
            filter,
        });
        *self.0.lists.write().unwrap_or_else(PoisonError::into_inner) = lists;
    }

    fn lists(&self) -> Arc<ReplaceableLists> {
        let lists = self.0.lists.read().unwrap_or_else(PoisonError::into_inner);
        lists.clone()
    }

    pub(crate) fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        peer: Side,
        now: UnixTime,
    ) -> Result<Admitted, VerifyError> {
        let shared = &*self.0;
        let lists = self.lists();
        let (leaf, others) = path::parse_chain(leaf, others)?;
        self.check_leaf(&leaf, peer)?;
        let (anchors, revoked, known) = (&shared.anchors, &lists.revoked, &shared.known);
        let path = path::build(&leaf, &others, anchors, revoked, known, seconds(now))?;
        // The contents of the leaf can be trusted only now.
        self.check_rules(&leaf, &path, &lists)?;
        let info = info_of(&leaf);
        let standing = Standing {
            key: leaf
                .key_alg
                .map_or([0; 32], |alg| KeyDigest::new(alg, leaf.key_bits()).bytes()),
            agency: path.agency,
            public_key: info.public_key,
            expires: path.expires,
            links: path.links,
        };
        Ok(Admitted { info, standing })
    }

    fn check_leaf(&self, leaf: &Cert<'_>, peer: Side) -> Result<(), VerifyError> {
        let subject = || leaf.subject_line();
        if leaf.is_guomi() {
            return Err(VerifyError::Guomi { subject: subject() });
        }
        let found = match leaf.key_alg {
            Ok(KeyAlg::Rsa) => Mode::Rsa,
            Ok(_) => Mode::Ec,
            Err(_) => {
                return Err(VerifyError::Unsupported {
                    subject: subject(),
                    what: "key",
                });
            }
        };
        if found != self.0.mode {
            return Err(VerifyError::WrongMode {
                expected: self.0.mode,
                found,
            });
        }
        if leaf.basic.is_some_and(|basic| basic.ca) {
            return Err(VerifyError::CaAsLeaf { subject: subject() });
        }
        let allowed = leaf.purposes.is_none_or(|purposes| match peer {
            Side::Client => purposes.client,
            Side::Server => purposes.server,
        });
        if !allowed {
            return Err(VerifyError::WrongPurpose {
                subject: subject(),
                peer,
            });
        }
        let decipher = self.0.rules.may_decipher;
        let usable = leaf
            .usages
            .is_none_or(|usages| usages.digital_signature || decipher && usages.key_encipherment);
        if !usable {
            return Err(VerifyError::WrongKeyUsage {
                subject: subject(),
                missing: "digitalSignature",
            });
        }
        Ok(())
    }

    fn check_rules(
        &self,
        leaf: &Cert<'_>,
        path: &Path,
        lists: &ReplaceableLists,
    ) -> Result<(), VerifyError> {
        let rules = &self.0.rules;
        if rules.no_sdks && leaf.role() == Role::Sdk {
            return Err(VerifyError::SdkCertificate {
                subject: leaf.subject_line(),
            });
        }
        // The issuer's key is compared, because an agency can give any name to an authority below
        // it.
        if let Some(own) = &rules.issuer
            && path.issuer != own.key
        {
            return Err(VerifyError::IssuerMismatch {
                expected: own.line.clone(),
                found: leaf.issuer_line(),
            });
        }
        if let Some(pins) = &rules.pins {
            let key = NodeKey::of(leaf);
            if !pins.contains(&key) {
                return Err(VerifyError::NotPinned {
                    key: key.to_string(),
                    pinned: pins.len(),
                });
            }
        }
        let key = public_key_of(leaf);
        if rules.need_public_key || lists.filter.is_some() {
            key.clone()?;
        }
        if let (Some(filter), Ok(public_key)) = (&lists.filter, key)
            && !filter.allow(&public_key)
        {
            return Err(VerifyError::Filtered { public_key });
        }
        Ok(())
    }
}

/// A time after 2^63 seconds means a broken clock; no certificate is valid then.
fn seconds(now: UnixTime) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}
