//! Reading and writing generated files.

use crate::error::BuildError;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Reads the files of a folder, in the order of their names.
pub(crate) fn read_all(dir: &Path) -> Result<Vec<(PathBuf, String)>, BuildError> {
    let failed = |path: &Path, source| BuildError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let mut files = Vec::new();
    let entries = fs::read_dir(dir).map_err(|source| failed(dir, source))?;
    for entry in entries {
        let path = entry.map_err(|source| failed(dir, source))?.path();
        let code = fs::read_to_string(&path).map_err(|source| failed(&path, source))?;
        files.push((path.file_name().unwrap_or_default().into(), code));
    }
    files.sort();
    Ok(files)
}

/// Writes a file unless it already has this content, so that Cargo does not rebuild without need.
pub(crate) fn write_if_changed(path: &Path, content: &[u8]) -> Result<(), BuildError> {
    match fs::read(path) {
        Ok(old) if old == content => return Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(BuildError::Io {
                action: "read",
                path: path.to_owned(),
                source: error,
            });
        }
        _ => {}
    }
    fs::write(path, content).map_err(|source| BuildError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}
