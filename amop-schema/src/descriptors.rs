//! Reads the topics that Rust structs declare, from files that programs write with
//! `amop::TopicDescriptors`.
//!
//! ```
//! use amop_schema::{asyncapi, descriptors};
//!
//! let text = r##"{
//!     "amop-topics": 1,
//!     "topics": [{
//!         "topic": "hello",
//!         "description": "A greeting.",
//!         "private": false,
//!         "sealed": false,
//!         "message": { "name": "Hello", "codec": "text" }
//!     }]
//! }"##;
//! let topics = descriptors::parse("topics.json", text)?;
//! assert_eq!(topics[0].topic, "hello");
//!
//! let document = asyncapi::document(&topics, &asyncapi::DocumentInfo::new("Greetings", "1.0.0"));
//! assert_eq!(document["channels"]["hello"]["description"], "A greeting.");
//! # Ok::<(), descriptors::DescriptorError>(())
//! ```

use crate::asyncapi::DeclaredTopic;
use serde::Deserialize;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The version of the files that this crate reads.
const VERSION: u32 = 1;

/// Topics could not be read from a file with descriptors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// The file could not be read.
    #[error("cannot read {}; check the path", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file has another form.
    #[error(
        "{} is not a file that `amop::TopicDescriptors` writes; write it again", file.display()
    )]
    Form {
        /// The file.
        file: PathBuf,
        /// The mistake.
        source: serde_json::Error,
    },
    /// The file is from a version of `amop` that this crate does not know.
    #[error(
        "{} has version {version}, but this program reads version {VERSION}; use the same version of \
         `amop` and of the `amop` command", file.display()
    )]
    Version {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: u32,
    },
}

/// The content of a file.
#[derive(Deserialize)]
struct DescriptorFile {
    #[serde(rename = "amop-topics")]
    version: u32,
    #[serde(default)]
    topics: Vec<serde_json::Value>,
}

/// Reads the topics in a file.
///
/// # Errors
///
/// [`DescriptorError`] if the file cannot be read, or has another form or version.
pub fn read(file: &Path) -> Result<Vec<DeclaredTopic>, DescriptorError> {
    let bytes = fs::read(file).map_err(|source| DescriptorError::Read {
        file: file.to_owned(),
        source,
    })?;
    from_slice(file, &bytes)
}

/// Reads the topics in the text of a file. The name of the file is used in errors.
///
/// # Errors
///
/// [`DescriptorError`] if the text has another form or version.
pub fn parse(file: impl AsRef<Path>, text: &str) -> Result<Vec<DeclaredTopic>, DescriptorError> {
    from_slice(file.as_ref(), text.as_bytes())
}

fn from_slice(file: &Path, text: &[u8]) -> Result<Vec<DeclaredTopic>, DescriptorError> {
    let form = |source| DescriptorError::Form {
        file: file.to_owned(),
        source,
    };
    let content: DescriptorFile = serde_json::from_slice(text).map_err(form)?;
    if content.version != VERSION {
        return Err(DescriptorError::Version {
            file: file.to_owned(),
            version: content.version,
        });
    }
    let topics = content.topics.into_iter();
    topics
        .map(|topic| serde_json::from_value(topic).map_err(form))
        .collect()
}
