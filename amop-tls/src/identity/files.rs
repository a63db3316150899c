//! The files that an identity is read from.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::TlsError;

/// The largest file that is read. Usual ones have a few thousand bytes.
const MAX_FILE: u64 = 1 << 20;

/// The paths of the three files of an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertFiles {
    /// The leaf certificate, followed by those that lead to the CA.
    pub cert: PathBuf,
    /// The private key of the leaf.
    pub key: PathBuf,
    /// The trusted CA certificates.
    pub ca: PathBuf,
}

impl CertFiles {
    /// Names the three files.
    pub fn new(cert: impl Into<PathBuf>, key: impl Into<PathBuf>, ca: impl Into<PathBuf>) -> Self {
        Self {
            cert: cert.into(),
            key: key.into(),
            ca: ca.into(),
        }
    }

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
        let guomi = ["gm/gmsdk.crt", "gmsdk.crt", "gmnode.crt", "sm_sdk.crt"];
        match guomi.iter().map(|name| dir.join(name)).find(|p| p.exists()) {
            Some(path) => Err(TlsError::Guomi {
                file: name_of(&path),
                subject: None,
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
#[non_exhaustive]
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
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => name_of(path),
            Self::Text { name, .. } => name.clone(),
        }
    }

    pub(super) fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, TlsError> {
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

pub(super) fn name_of(path: &Path) -> String {
    path.display().to_string()
}

/// Reads a whole file. It is wiped from memory when dropped, since it may contain a key.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    read_up_to(path, MAX_FILE)
}

/// Returns the error about a file that does not exist. Guomi chains give its name a prefix: `gm` in
/// 2.x, `sm_` in 3.x.
fn missing(path: &Path) -> TlsError {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let guomi = ["gm", "sm_"].map(|prefix| path.with_file_name(format!("{prefix}{name}")));
    match guomi.iter().find(|path| path.is_file()) {
        Some(guomi) => TlsError::Guomi {
            file: name_of(guomi),
            subject: None,
        },
        None => TlsError::Missing {
            file: name_of(path),
        },
    }
}

pub(super) fn read_up_to(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let file = || name_of(path);
    let fail = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => missing(path),
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
