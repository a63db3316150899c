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
    /// It is neither TOML nor INI.
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
