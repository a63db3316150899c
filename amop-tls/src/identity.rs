//! [`Identity`]: certificate, key and trust anchors of one side, read from a
//! certificate folder.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::SigningKey;
use zeroize::Zeroizing;

use crate::algs;
use crate::cert::{Cert, KeyAlg, Unusable};
use crate::key::{PublicKey, public_key_of};
use crate::known::Known;
use crate::path::{self, Anchor};
use crate::pem;
use crate::revoke::{Issuer, KeyDigest, Revoked};
use crate::role::Role;
use crate::sign::{self, PrivateKeyProblem};
use crate::verify::{OwnIssuer, VerifyError};
use crate::{Mode, TlsError};

/// The largest file that is read. Usual ones have a few thousand bytes.
const MAX_FILE: u64 = 1 << 20;

/// The largest revocation list that is read: about 400,000 certificates.
const MAX_CRL_FILE: u64 = 16 << 20;

/// The maximum number of certificates in one file.
const MAX_CERTIFICATES: usize = 32;

/// The paths of the three files of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertFiles {
    /// The leaf certificate, followed by those that lead to the CA.
    pub cert: PathBuf,
    /// The private key of the leaf.
    pub key: PathBuf,
    /// The trusted CA certificates.
    pub ca: PathBuf,
}

impl CertFiles {
    /// Returns the files of an SDK folder: `ca.crt`, `sdk.crt` and `sdk.key`; if there are no `sdk`
    /// files, `node.crt` and `node.key` (channel-v2 section 2.2).
    ///
    /// # Errors
    /// [`TlsError::Missing`] if the folder has neither pair,
    /// [`TlsError::Guomi`] if it only has guomi files.
    pub fn sdk(dir: impl AsRef<Path>) -> Result<Self, TlsError> {
        let dir = dir.as_ref();
        for name in ["sdk", "node"] {
            let files = Self::node(
                dir,
                &format!("{name}.key"),
                &format!("{name}.crt"),
                "ca.crt",
            );
            // One file of the pair is enough to know which pair is meant; loading reports the
            // missing one.
            if files.cert.exists() || files.key.exists() {
                return Ok(files);
            }
        }
        let guomi = ["gm/gmsdk.crt", "gmsdk.crt", "gmnode.crt"];
        match guomi.iter().map(|name| dir.join(name)).find(|p| p.exists()) {
            Some(path) => Err(TlsError::Guomi {
                file: name_of(&path),
            }),
            None => Err(TlsError::Missing {
                file: name_of(&dir.join("sdk.crt")),
            }),
        }
    }

    /// Returns the files of a node: the folder `data_path` and the names in `[network_security]` of
    /// its `config.ini` (channel-v2 section 2.1).
    pub fn node(data_path: impl AsRef<Path>, key: &str, cert: &str, ca: &str) -> Self {
        let dir = data_path.as_ref();
        Self {
            cert: dir.join(cert),
            key: dir.join(key),
            ca: dir.join(ca),
        }
    }
}

/// A text in PEM, or the file that contains it.
#[derive(Clone, PartialEq, Eq)]
pub enum PemSource {
    /// A file.
    File(PathBuf),
    /// The text itself.
    Text {
        /// The name of the text in errors.
        name: String,
        /// The text, which is wiped when it is dropped.
        text: Zeroizing<String>,
    },
}

impl PemSource {
    fn name(&self) -> String {
        match self {
            Self::File(path) => name_of(path),
            Self::Text { name, .. } => name.clone(),
        }
    }

    fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, TlsError> {
        match self {
            Self::File(path) => read(path),
            Self::Text { text, .. } => Ok(Zeroizing::new(text.as_bytes().to_vec())),
        }
    }
}

impl fmt::Debug for PemSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            // The text is not shown, since it may contain a key.
            Self::Text { name, .. } => f.debug_tuple("Text").field(name).finish(),
        }
    }
}

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
            issuer: self.issuer.clone(),
        };
        Ok(OwnIssuer {
            key: self.own_issuer.ok_or_else(no_issuer)?,
            line: self.issuer.clone(),
        })
    }

    pub(crate) fn cert_file(&self) -> &str {
        &self.cert_file
    }
}

fn mode_of_leaf(leaf: &Cert<'_>, source: &NamedPem) -> Result<Mode, TlsError> {
    match leaf.key_alg {
        _ if leaf.is_guomi() => Err(source.guomi()),
        Ok(KeyAlg::Secp256k1) if PublicKey::from_point(leaf.key_bits()).is_none() => {
            // Nodes need an uncompressed point (p2p-v2 section 2.2).
            Err(TlsError::BadCertificate {
                file: source.name.clone(),
                position: 1,
                detail: "its public key is not an uncompressed point, so that nodes cannot \
                         derive an ID from it; issue it with -conv_form uncompressed"
                    .into(),
            })
        }
        Ok(KeyAlg::Secp256k1) => Ok(Mode::Ec),
        Ok(KeyAlg::Rsa) => Ok(Mode::Rsa),
        Ok(other) => Err(TlsError::UnsupportedCurve {
            file: source.name.clone(),
            curve: other.name().into(),
        }),
        Err(Unusable::Guomi) => Err(source.guomi()),
        Err(Unusable::Unknown) => Err(TlsError::BadCertificate {
            file: source.name.clone(),
            position: 1,
            detail: "its key is neither a secp256k1 nor an RSA one".into(),
        }),
    }
}

/// Returns the key that signed this side's leaf. It is searched for in this side's chain and in
/// `ca.crt`.
fn own_issuer(leaf: &Cert<'_>, chain: &[Cert<'_>], anchors: &[Anchor]) -> Option<KeyDigest> {
    let of_chain = chain.iter().skip(1).filter_map(|cert| {
        let key_alg = cert.key_alg.ok()?;
        (cert.subject() == leaf.issuer()).then(|| (key_alg, cert.key_bits()))
    });
    let of_anchors = anchors.iter().map(Anchor::as_issuer).filter_map(|issuer| {
        (issuer.subject == leaf.issuer()).then_some((issuer.key_alg, issuer.key_bits))
    });
    let sig_alg = leaf.sig_alg.ok()?;
    let signed = |(key_alg, key_bits): &(KeyAlg, &[u8])| {
        algs::for_certificate(key_alg.id(), sig_alg).is_some_and(|alg| {
            alg.verify_signature(key_bits, leaf.tbs(), leaf.signature())
                .is_ok()
        })
    };
    let (key_alg, key_bits) = of_chain.chain(of_anchors).find(signed)?;
    Some(KeyDigest::new(key_alg, key_bits))
}

/// Refuses an EC certificate with an RSA `ca.crt`, or the reverse: these are mixed-up folders of a
/// node with an RSA channel. The exception is a chain that names this CA, since an operator's
/// external root may have a key of the other kind.
fn check_modes(
    mode: Mode,
    chain: &[Cert<'_>],
    anchors: &[Anchor],
    cert: &NamedPem,
    ca: &NamedPem,
) -> Result<(), TlsError> {
    let of_anchor = |anchor: &Anchor| match anchor.key_alg() {
        KeyAlg::Rsa => Mode::Rsa,
        _ => Mode::Ec,
    };
    let named = |anchor: &Anchor| chain.iter().any(|cert| anchor.is_named_by(cert));
    match anchors.first().map(of_anchor) {
        Some(ca_mode) if anchors.iter().all(|a| of_anchor(a) != mode && !named(a)) => {
            Err(TlsError::MixedModes {
                cert: cert.name.clone(),
                cert_mode: mode,
                ca: ca.name.clone(),
                ca_mode,
            })
        }
        _ => Ok(()),
    }
}

/// The PEM sections of one file, and its name in errors.
struct NamedPem {
    name: String,
    text: Zeroizing<String>,
}

impl NamedPem {
    fn new(name: String, text: &[u8]) -> Result<Self, TlsError> {
        match pem::tidy(text) {
            Ok(text) => Ok(Self::tidied(name, text)),
            Err(problem) => Err(TlsError::NotPem {
                file: name,
                detail: problem.to_string(),
            }),
        }
    }

    fn tidied(name: String, text: Zeroizing<String>) -> Self {
        Self { name, text }
    }

    fn guomi(&self) -> TlsError {
        TlsError::Guomi {
            file: self.name.clone(),
        }
    }

    fn no_certificate(&self) -> TlsError {
        TlsError::NoCertificate {
            file: self.name.clone(),
        }
    }

    fn contains(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    fn not_pem(&self, error: &rustls::pki_types::pem::Error) -> TlsError {
        TlsError::NotPem {
            file: self.name.clone(),
            detail: error.to_string(),
        }
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
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

    fn parse<'c>(&self, certs: &'c [CertificateDer<'static>]) -> Result<Vec<Cert<'c>>, TlsError> {
        let mut parsed = Vec::with_capacity(certs.len());
        for (i, der) in certs.iter().enumerate() {
            parsed.push(Cert::parse(der).map_err(|detail| TlsError::BadCertificate {
                file: self.name.clone(),
                position: i + 1,
                detail,
            })?);
        }
        Ok(parsed)
    }

    /// Returns the anchors. Certificates that cannot be anchors are skipped as long as there is one
    /// that can: an operator's external root may have an unsupported key, while the chain's CA
    /// below it has a supported one.
    fn anchors(&self) -> Result<Vec<Anchor>, TlsError> {
        let certs = self.certificates()?;
        let mut anchors = Vec::new();
        let mut problem = None;
        for (i, cert) in self.parse(&certs)?.iter().enumerate() {
            match Anchor::new(cert) {
                Ok(anchor) => anchors.push(anchor),
                Err(VerifyError::Guomi { .. }) => return Err(self.guomi()),
                Err(e) => {
                    problem.get_or_insert(TlsError::BadCertificate {
                        file: self.name.clone(),
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

    fn private_key(&self) -> Result<Zeroizing<PrivateKeyDer<'static>>, TlsError> {
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

    fn signing_key(&self, der: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, TlsError> {
        let file = || self.name.clone();
        sign::load(der).map_err(|problem| match problem {
            PrivateKeyProblem::Guomi => self.guomi(),
            PrivateKeyProblem::Curve(curve) => TlsError::UnsupportedCurve {
                file: file(),
                curve: curve.into(),
            },
            PrivateKeyProblem::Other(detail) => TlsError::BadKey {
                file: file(),
                detail,
            },
        })
    }
}

fn name_of(path: &Path) -> String {
    path.display().to_string()
}

/// Reads a whole file. It is wiped from memory when dropped, since it may contain a key.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    read_up_to(path, MAX_FILE)
}

fn read_up_to(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let file = || name_of(path);
    let fail = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => TlsError::Missing { file: file() },
        _ => TlsError::Read {
            file: file(),
            source,
        },
    };
    let handle = File::open(path).map_err(fail)?;
    // The memory is reserved at once, because growing would leave copies that are not wiped.
    let size = handle.metadata().map_err(fail)?.len().min(limit);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
    handle
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(TlsError::TooLarge {
            file: file(),
            limit,
        });
    }
    Ok(bytes)
}
