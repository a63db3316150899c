//! Finding the certificate folder without configuration.

use std::{
    env,
    path::{Path, PathBuf},
};

use amop_tls::{CertFiles, TlsError};

use crate::CertificatesNotFound;

/// The files that a folder must have.
const FILES: [&str; 3] = ["ca.crt", "sdk.crt", "sdk.key"];

/// The names of these files in chains before 2.1.
const OLD_FILES: [&str; 3] = ["ca.crt", "node.crt", "node.key"];

/// Finds the SDK's certificate folder: the first of `$AMOP_CONF`, `./conf`, `.` and
/// `./nodes/127.0.0.1/sdk` that holds `ca.crt`, `sdk.crt` and `sdk.key`, or `ca.crt`, `node.crt`
/// and `node.key`, their names in chains before 2.1.
///
/// # Errors
///
/// [`CertificatesNotFound`] lists the places that were searched and what is missing in each.
pub fn find_certificates() -> Result<PathBuf, CertificatesNotFound> {
    find(env::var_os("AMOP_CONF").map(PathBuf::from), Path::new("."))
}

fn find(configured: Option<PathBuf>, dir: &Path) -> Result<PathBuf, CertificatesNotFound> {
    let mut tried = Vec::new();
    match configured {
        None => tried.push((PathBuf::from("$AMOP_CONF"), "not set".to_owned())),
        Some(place) => match problem(&place) {
            None => return Ok(place),
            Some(problem) => tried.push((place, format!("(from AMOP_CONF) {problem}"))),
        },
    }
    for place in ["conf", "", "nodes/127.0.0.1/sdk"] {
        let place = if place.is_empty() {
            dir.to_owned()
        } else {
            dir.join(place)
        };
        match problem(&place) {
            None => return Ok(place),
            Some(problem) => tried.push((place, problem)),
        }
    }
    Err(CertificatesNotFound { tried })
}

/// Returns why a folder is not usable; `None` if it is.
fn problem(dir: &Path) -> Option<String> {
    if !dir.is_dir() {
        return Some("no such folder".to_owned());
    }
    if let Err(TlsError::Guomi { .. }) = CertFiles::sdk(dir) {
        let text = "has the certificates of a guomi (SM2) chain, which is not supported";
        return Some(text.to_owned());
    }
    let missing = |files: [&'static str; 3]| -> Vec<&str> {
        let missing = files.into_iter().filter(|file| !dir.join(file).is_file());
        missing.collect()
    };
    let (new, old) = (missing(FILES), missing(OLD_FILES));
    // Of the two sets of names, the one with more files present is probably meant.
    let missing = if old.len() < new.len() { old } else { new };
    (!missing.is_empty()).then(|| format!("lacks {}", missing.join(", ")))
}

#[cfg(test)]
mod tests;
