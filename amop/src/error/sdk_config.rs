//! Why a configuration file of another SDK cannot be used.

use std::{io, path::PathBuf};

use super::KeyError;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SdkConfigError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not TOML.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A value cannot be used.
    #[error("{}:{line}: {key} {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its tables.
        key: String,
        /// What is wrong, and what to write.
        problem: String,
    },
    /// A key of a private topic cannot be used.
    #[error("{}:{line}: a key of the private topic {topic:?} cannot be used", path.display())]
    PrivateTopic {
        /// The file.
        path: PathBuf,
        /// The line of the topic, from 1.
        line: usize,
        /// The topic.
        topic: String,
        /// Which key, and what is wrong with it.
        source: KeyError,
    },
    /// It is the file of a Java SDK of version 3.
    #[error(
        "{}:{line}: {key} is a key of the Java SDK 3.x, whose nodes speak another protocol \
         (FISCO BCOS 3.x), which is not supported here; if the chain is of version 2, remove the key",
        path.display()
    )]
    Version3 {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its tables.
        key: String,
    },
    /// Something is missing.
    #[error("{}: {key} is missing; {hint}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The key with its tables.
        key: &'static str,
        /// What to write.
        hint: &'static str,
    },
}
