//! Why a project could not be generated.

use std::{
    io,
    path::{Path, PathBuf},
};

use amop_schema::SchemaErrors;

/// Why a project could not be generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The schema has mistakes.
    #[error(transparent)]
    Schema(#[from] SchemaErrors),
    /// The schema is right, and cannot be expressed in Rust.
    #[error(transparent)]
    Build(#[from] amop_build::Error),
    /// No message of the schema is a topic.
    #[error(
        "the schema has no topics: give a message the option (amop.topic), such as \
         `option (amop.topic) = \"hello\";` after `import \"amop/options.proto\";`"
    )]
    NoTopics,
    /// The project's folder has files.
    #[error("{} is not empty: name a new folder, or empty it", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// The sources of AMOP for Rust are not where they were said to be.
    #[error(
        "{} has no folders amop and amop-build: name the folder of the AMOP for Rust workspace",
        folder.display()
    )]
    NoAmop {
        /// The folder.
        folder: PathBuf,
    },
    /// A file or folder could not be read.
    #[error("cannot read {}: {source}; check the path", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}; check the folder's permissions", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl GenerateError {
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}
