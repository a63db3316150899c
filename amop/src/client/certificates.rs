//! Finding the certificate folder without configuration.

use std::{
    env,
    path::{Path, PathBuf},
};

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
mod tests {
    use std::fs;

    use super::*;

    fn fill(dir: &Path) {
        fill_with(dir, FILES);
    }

    fn fill_with(dir: &Path, files: [&str; 3]) {
        fs::create_dir_all(dir).unwrap();
        for file in files {
            fs::write(dir.join(file), "").unwrap();
        }
    }

    #[test]
    fn places_are_tried_in_order() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path();
        let configured = dir.join("elsewhere");

        let error = find(Some(configured.clone()), dir).unwrap_err();
        let places: Vec<_> = error.tried.iter().map(|(place, _)| place.clone()).collect();
        let order = [
            configured.clone(),
            dir.join("conf"),
            dir.to_owned(),
            dir.join("nodes/127.0.0.1/sdk"),
        ];
        assert_eq!(places, order);

        // From the last to the first: each place has priority over the later ones.
        for place in order.iter().rev() {
            fill(place);
            assert_eq!(find(Some(configured.clone()), dir).as_ref(), Ok(place));
        }
        assert_eq!(find(None, dir), Ok(dir.join("conf")));
    }

    #[test]
    fn a_folder_of_a_chain_before_2_1_will_do() {
        let temp = tempfile::tempdir().unwrap();
        let conf = temp.path().join("conf");
        fill_with(&conf, OLD_FILES);
        assert_eq!(find(None, temp.path()), Ok(conf.clone()));
        fs::remove_file(conf.join("ca.crt")).unwrap();
        let error = find(None, temp.path()).unwrap_err().to_string();
        assert!(error.contains("conf: lacks ca.crt;"), "{error}");
    }

    #[test]
    fn the_error_says_what_each_place_lacks() {
        let temp = tempfile::tempdir().unwrap();
        let conf = temp.path().join("conf");
        fill(&conf);
        fs::remove_file(conf.join("sdk.key")).unwrap();

        let error = find(None, temp.path()).unwrap_err().to_string();
        assert!(error.contains("$AMOP_CONF: not set"), "{error}");
        assert!(error.contains("conf: lacks sdk.key"), "{error}");
        assert!(error.contains("sdk: no such folder"), "{error}");
    }
}
