//! [`Identity`]: certificate, key and trust anchors of one side, read from a
//! certificate folder.

mod checks;
mod files;
mod named_pem;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "legacy-rsa")]
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SigningKey;
use zeroize::Zeroizing;

use self::checks::{check_modes, mode_of_leaf, own_issuer};
pub use self::files::{CertFiles, PemSource};
use self::files::{name_of, read_up_to};
use self::named_pem::NamedPem;
use crate::error::{TlsError, VerifyError};
use crate::issuer::{Issuer, KeyDigest, OwnIssuer};
use crate::key::PublicKey;
use crate::known::Known;
use crate::mode::Mode;
use crate::path::{self, Anchor};
use crate::peer_info::public_key_of;
use crate::pem;
use crate::revoke::Revoked;
use crate::role::Role;

/// The largest revocation list that is read: about 400,000 certificates.
const MAX_CRL_FILE: u64 = 16 << 20;

/// The certificate, key and trust anchors of one side.
///
/// It is cheap to clone. `Debug` does not show the key.
#[derive(Clone)]
pub struct Identity {
    mode: Mode,
    chain: Arc<[CertificateDer<'static>]>,
    key: Arc<dyn SigningKey>,
    /// A copy of the key for OpenSSL, only in RSA mode.
    #[cfg(feature = "legacy-rsa")]
    legacy_key: Option<Arc<Zeroizing<PrivateKeyDer<'static>>>>,
    anchors: Arc<[Anchor]>,
    revoked: Revoked,
    public_key: Option<PublicKey>,
    /// The key that signed the leaf, if it is known.
    own_issuer: Option<KeyDigest>,
    issuer: String,
    role: Role,
    subject: String,
    name: Option<String>,
    agency: Option<String>,
    not_after: i64,
    cert_file: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("mode", &self.mode)
            .field("subject", &self.subject)
            .field("public_key", &self.public_key)
            .field("cert_file", &self.cert_file)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads an SDK folder; see [`CertFiles::sdk`].
    ///
    /// ```no_run
    /// let identity = amop_tls::Identity::load_sdk("nodes/127.0.0.1/sdk")?;
    /// let config = identity.client_config()?;
    /// # Ok::<(), amop_tls::TlsError>(())
    /// ```
    ///
    /// # Errors
    /// [`TlsError`] with the file and the problem.
    pub fn load_sdk(dir: impl AsRef<Path>) -> Result<Self, TlsError> {
        Self::load(&CertFiles::sdk(dir)?)
    }

    /// Reads the three files.
    ///
    /// # Errors
    /// [`TlsError`] with the file and the problem.
    pub fn load(files: &CertFiles) -> Result<Self, TlsError> {
        let [cert, key, ca] =
            [&files.cert, &files.key, &files.ca].map(|path| PemSource::File(path.clone()));
        Self::load_from(&cert, &key, &ca)
    }

    /// Does the same as [`load`](Self::load), with files or texts.
    ///
    /// # Errors
    /// [`TlsError`] with the file or text and the problem.
    pub fn load_from(cert: &PemSource, key: &PemSource, ca: &PemSource) -> Result<Self, TlsError> {
        // A missing file is reported before the problem of another file.
        let (cert_text, key_text, ca_text) = (cert.bytes()?, key.bytes()?, ca.bytes()?);
        Self::build(
            NamedPem::new(cert.name(), &cert_text)?,
            NamedPem::new(key.name(), &key_text)?,
            NamedPem::new(ca.name(), &ca_text)?,
        )
    }

    /// Creates an identity from the contents of the three files.
    ///
    /// # Errors
    /// [`TlsError`], with "the certificate PEM", "the key PEM" and "the CA PEM" as file names.
    pub fn from_pem(cert: &[u8], key: &[u8], ca: &[u8]) -> Result<Self, TlsError> {
        Self::build(
            NamedPem::new("the certificate PEM".into(), cert)?,
            NamedPem::new("the key PEM".into(), key)?,
            NamedPem::new("the CA PEM".into(), ca)?,
        )
    }

    fn build(cert: NamedPem, key: NamedPem, ca: NamedPem) -> Result<Self, TlsError> {
        let chain = cert.certificates()?;
        let parsed = cert.parse(&chain)?;
        let leaf = parsed.first().ok_or_else(|| cert.no_certificate())?;
        let mode = mode_of_leaf(leaf, &cert)?;
        let key_der = key.private_key()?;
        let signing_key = key.signing_key(&key_der)?;
        // The public key is at the end of its subjectPublicKeyInfo.
        let spki = signing_key.public_key();
        if !spki.is_some_and(|spki| spki.as_ref().ends_with(leaf.key_bits())) {
            return Err(TlsError::KeyMismatch {
                key: key.name,
                cert: cert.name,
                subject: leaf.subject_line(),
            });
        }
        let anchors = ca.anchors()?;
        check_modes(mode, &parsed, &anchors, &cert, &ca)?;
        Ok(Self {
            mode,
            key: signing_key,
            #[cfg(feature = "legacy-rsa")]
            legacy_key: (mode == Mode::Rsa).then(|| Arc::new(key_der)),
            revoked: Revoked::default(),
            public_key: public_key_of(leaf).ok(),
            own_issuer: own_issuer(leaf, &parsed, &anchors),
            anchors: anchors.into(),
            issuer: leaf.issuer_line(),
            role: leaf.role(),
            subject: leaf.subject_line(),
            name: leaf.subject_cn(),
            agency: leaf.issuer_cn(),
            // Peers may refuse the chain after any certificate in it has expired.
            not_after: parsed
                .iter()
                .map(|c| c.not_after)
                .min()
                .unwrap_or(leaf.not_after),
            cert_file: cert.name,
            chain: chain.into(),
        })
    }

    /// Adds revocation lists: peers are refused if their certificate, or that of one of their
    /// issuers, is on a list. The file is one list in DER, or one or more lists in PEM (`BEGIN X509
    /// CRL`).
    ///
    /// A list applies to the certificates of the authority that signed it; the signature is checked
    /// here. This authority must be in this side's `ca.crt`, in this side's chain (as its own
    /// agency is), or in the same PEM file as a certificate (`BEGIN CERTIFICATE`), which is needed
    /// for lists of other agencies. Listed certificates stay revoked after the list is out of date,
    /// see [`revocation_update`](Self::revocation_update).
    ///
    /// # Errors
    /// [`TlsError`] with the file and the problem; [`TlsError::CrlIssuer`] if the authority is
    /// unknown.
    pub fn with_revocation_file(self, path: impl AsRef<Path>) -> Result<Self, TlsError> {
        let path = path.as_ref();
        let bytes = read_up_to(path, MAX_CRL_FILE)?;
        self.with_revocation(&name_of(path), &bytes)
    }

    /// Does the same as [`with_revocation_file`](Self::with_revocation_file) with the contents of a
    /// file; `name` is its name in errors.
    ///
    /// # Errors
    /// Those of [`with_revocation_file`](Self::with_revocation_file).
    pub fn with_revocation(mut self, name: &str, bytes: &[u8]) -> Result<Self, TlsError> {
        // A file in DER has only the list, no certificates.
        let source = match pem::tidy(bytes) {
            Ok(text) => NamedPem::tidied(name.to_owned(), text),
            Err(_) => NamedPem::tidied(name.to_owned(), Zeroizing::default()),
        };
        let along = if source.contains("-----BEGIN CERTIFICATE-----") {
            source.certificates()?
        } else {
            Vec::new()
        };
        let along = source.parse(&along)?;
        let own = NamedPem::tidied(self.cert_file.clone(), Zeroizing::default());
        let own = own.parse(&self.chain)?;
        let issuers: Vec<Issuer<'_>> = self
            .anchors
            .iter()
            .map(Anchor::as_issuer)
            .chain(own.iter().chain(&along).filter_map(|cert| {
                Some(Issuer {
                    subject: cert.subject(),
                    key_alg: cert.key_alg.ok()?,
                    key_bits: cert.key_bits(),
                    crl_sign: path::may_sign_lists(cert),
                })
            }))
            .collect();
        self.revoked.add(name, bytes, &issuers)?;
        Ok(self)
    }

    /// Returns when the first of the revocation lists should have been replaced by a newer one, in
    /// seconds since 1970; `None` if there are no lists or none has such a date.
    pub fn revocation_update(&self) -> Option<i64> {
        self.revoked.next_update()
    }

    /// Returns the mode, EC or RSA.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Returns this side's node ID or SDK key; `None` in RSA mode, and for an EC leaf without
    /// basicConstraints, from which no node can derive an ID either.
    pub fn public_key(&self) -> Option<PublicKey> {
        self.public_key
    }

    /// Returns the common name of this side's certificate.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the common name of the issuer of this side's certificate.
    pub fn agency(&self) -> Option<&str> {
        self.agency.as_deref()
    }

    /// Returns the role according to this side's certificate.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns the subject of this side's certificate for messages, e.g. `CN=sdk, O=fisco-bcos`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns when the first certificate of this side's chain expires, in seconds since 1970.
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// Checks whether a peer with the same `ca.crt` would accept this side's chain at `now`.
    ///
    /// Loading does not require this, because the `ca.crt` of the peers counts. It is usually the
    /// same file, so an error here should be logged as a warning: typically the agency certificate
    /// is missing in the file, or the certificate has expired.
    ///
    /// # Errors
    /// The [`VerifyError`] that this peer would report.
    pub fn check_chain(&self, now: UnixTime) -> Result<(), VerifyError> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let (leaf, others) = self.chain.split_first().ok_or(VerifyError::UnknownIssuer {
            subject: String::new(),
        })?;
        let (leaf, others) = path::parse_chain(leaf, others)?;
        let (revoked, known) = (Revoked::default(), Known::default());
        path::build(&leaf, &others, &self.anchors, &revoked, &known, now).map(|_| ())
    }

    /// Returns the certificates that are sent to peers, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// Returns the server name to connect with. Rustls requires one; since the certificates have
    /// none, it is neither sent nor checked.
    pub fn server_name() -> ServerName<'static> {
        ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    pub(crate) fn anchors(&self) -> Arc<[Anchor]> {
        self.anchors.clone()
    }

    pub(crate) fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    pub(crate) fn signing_key(&self) -> Arc<dyn SigningKey> {
        self.key.clone()
    }

    #[cfg(feature = "legacy-rsa")]
    pub(crate) fn legacy_key(&self) -> Option<&PrivateKeyDer<'static>> {
        self.legacy_key.as_deref().map(|key| &**key)
    }

    /// Returns the issuer whose SDKs may connect.
    pub(crate) fn own_issuer(&self) -> Result<OwnIssuer, TlsError> {
        let no_issuer = || TlsError::NoIssuer {
            file: self.cert_file.clone(),
            subject: self.subject.clone(),
            issuer: self.issuer.clone(),
        };
        Ok(OwnIssuer {
            key: self.own_issuer.ok_or_else(no_issuer)?,
            line: self.issuer.clone(),
        })
    }

    /// Returns the name of the file with this side's certificate, or what it was read from.
    pub fn cert_file(&self) -> &str {
        &self.cert_file
    }
}
