//! Errors in a build script.

use amop_schema::{Location, SchemaErrors};
use std::{error::Error as _, fmt, io, path::PathBuf};

/// No code was generated.
///
/// `Debug` prints the text of the error and of its causes: a build script prints `Debug` if its
/// `main` returns the error or unwraps it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The schema has mistakes.
    #[error(transparent)]
    Schema(#[from] SchemaErrors),
    /// The schema is valid, but uses features that this version does not support.
    #[error("{}", lines(.0))]
    Unsupported(Vec<Unsupported>),
    /// Cargo did not set the folder for generated files.
    #[error(
        "the environment variable OUT_DIR is not set: call this from build.rs, or set \
         `Builder::out_dir`"
    )]
    NoOutDir,
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// "read", "write" or another verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// prost-build failed.
    #[error("{generator} failed")]
    Generator {
        /// The generator.
        generator: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// The generated code is not valid Rust. The cause may be attributes that were added to it.
    #[error(
        "the code generated in {file} is not valid Rust: {reason}; check the attributes that \
         build.rs adds"
    )]
    Syntax {
        /// The generated file.
        file: String,
        /// The parser's message.
        reason: String,
    },
    /// No code is generated for a reply's type.
    #[error(
        "{location}: `{message}` is answered with `{reply}`, for which no code is generated: if \
         another crate has it, name it with `Builder::extern_path`"
    )]
    ReplyNotGenerated {
        /// The place in the schema.
        location: Location,
        /// The message's full name.
        message: String,
        /// The reply's full name.
        reply: String,
    },
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// An unsupported schema feature and its location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{location}: {reason}")]
#[non_exhaustive]
pub struct Unsupported {
    /// The location of the feature.
    pub location: Location,
    /// The feature, and what to use instead.
    pub reason: String,
}

fn lines(errors: &[Unsupported]) -> String {
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
