//! Where a generated project gets the `amop` crates from.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::error::GenerateError;

/// The source of the project's `amop` crates.
pub(super) enum Amop {
    Folder(PathBuf),
    Released,
}

impl Amop {
    pub(super) fn find(given: Option<&Path>) -> Result<Self, GenerateError> {
        let is_source = |folder: &Path| {
            ["amop", "amop-build"]
                .iter()
                .all(|name| folder.join(name).join("Cargo.toml").is_file())
        };
        let Some(folder) = given else {
            let own = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
            return Ok(match own.filter(|folder| is_source(folder)) {
                Some(folder) => Self::Folder(folder.to_owned()),
                None => Self::Released,
            });
        };
        // Cargo would resolve a relative path from the project's folder.
        let absolute =
            fs::canonicalize(folder).map_err(|error| GenerateError::read(folder, error))?;
        if !is_source(&absolute) {
            return Err(GenerateError::NoAmop { folder: absolute });
        }
        Ok(Self::Folder(absolute))
    }

    /// Returns the text after the `=` in `Cargo.toml`.
    pub(super) fn dependency(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => {
                // A JSON string is a TOML string.
                let path = folder.join(name).display().to_string();
                format!("{{ path = {} }}", serde_json::Value::from(path))
            }
            Self::Released => format!("\"{}\"", env!("CARGO_PKG_VERSION")),
        }
    }
}
