//! Loading a configuration file.

use std::path::Path;

use super::{config::SdkConfig, read::SdkConfigReader};
use crate::SdkConfigError;

impl SdkConfig {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`SdkConfigError`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SdkConfigError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| SdkConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let valid = &bytes[..error.valid_up_to()];
            SdkConfigError::Syntax {
                path: path.to_owned(),
                line: 1 + valid.iter().filter(|&&byte| byte == b'\n').count(),
                message: "not UTF-8 text, perhaps GBK; save the file as UTF-8".to_owned(),
            }
        })?;
        Self::parse(path, text)
    }

    /// Reads the text of a file. `path` is for errors and for relative paths.
    ///
    /// # Errors
    ///
    /// [`SdkConfigError`].
    pub fn parse(path: impl AsRef<Path>, text: &str) -> Result<Self, SdkConfigError> {
        SdkConfigReader::new(path.as_ref(), text).read()
    }
}
