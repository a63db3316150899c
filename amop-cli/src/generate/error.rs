//! Errors of generating a project.

use std::{
    io,
    path::{Path, PathBuf},
};

use amop_schema::SchemaErrors;

/// A project could not be generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The schema has mistakes.
    #[error(transparent)]
    Schema(#[from] SchemaErrors),
    /// The schema is valid, but cannot be expressed in Rust.
    #[error(transparent)]
    Build(#[from] amop_build::BuildError),
    /// No message of the schema is a topic.
    #[error(
        "the schema has no topics: give a message the option (amop.topic), such as \
         `option (amop.topic) = \"hello\";` after `import \"amop/options.proto\";`"
    )]
    NoTopics,
    /// The project's folder is not empty.
    #[error("{} is not empty: name a new folder, or empty it", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// The given folder does not hold the sources of AMOP for Rust.
    #[error(
        "{} has no folders amop and amop-build: name the folder of the AMOP for Rust workspace",
        folder.display()
    )]
    NoAmop {
        /// The folder.
        folder: PathBuf,
    },
    /// A file or folder could not be read.
    #[error("cannot read {}; check the path", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}; check the folder's permissions", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
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
