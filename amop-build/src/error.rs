//! What can go wrong in a build script.

use amop_schema::{Location, SchemaErrors};
use std::{fmt, io, path::PathBuf};

/// Why no code was generated.
///
/// `Debug` prints the same text as `Display`: that is what a build script prints whose `main`
/// returns the error, or which unwraps it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The schema has mistakes.
    #[error(transparent)]
    Schema(#[from] SchemaErrors),
    /// The schema is right, and asks for what this version cannot do.
    #[error("{}", lines(.0))]
    Unsupported(Vec<Unsupported>),
    /// Cargo did not say where generated files go.
    #[error(
        "the environment variable OUT_DIR is not set: call this from build.rs, or set \
         `Builder::out_dir`"
    )]
    NoOutDir,
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// "read", "write" or the like.
        action: &'static str,
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// prost-build failed.
    #[error("{generator} failed: {source}")]
    Generator {
        /// Which of them.
        generator: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The generated code is no Rust. Attributes that were added to it may be why.
    #[error(
        "the code generated in {file} is no Rust: {reason}; check the attributes that build.rs adds"
    )]
    Syntax {
        /// The generated file.
        file: String,
        /// What the parser says.
        reason: String,
    },
    /// A reply's type is not among the generated ones.
    #[error(
        "{location}: `{message}` is answered with `{reply}`, for which no code is generated: if \
         another crate has it, name it with `Builder::extern_path`"
    )]
    ReplyNotGenerated {
        /// Where the topic is stated.
        location: Location,
        /// The message's full name.
        message: String,
        /// The reply's full name.
        reply: String,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a schema asks for that cannot be generated, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{location}: {reason}")]
pub struct Unsupported {
    /// Where it stands.
    pub location: Location,
    /// What it is, and what to do instead.
    pub reason: String,
}

fn lines(errors: &[Unsupported]) -> String {
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
