//! `amop schema`: its command line and what it prints.

use std::{io::Write, path::PathBuf, process::ExitCode};

use amop_cli::schema;
use amop_schema::asyncapi::DocumentInfo;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Checks whether programs on two versions of a schema understand each other; exit code 1 if
    /// not.
    Check {
        /// The old version: a .proto file, or a descriptor set.
        old: PathBuf,
        /// The new version.
        new: PathBuf,
        /// A folder in which to look up imports, in addition to the folders of the files; may be
        /// repeated. A folder that contains only one version's file is searched last for the other
        /// version.
        #[arg(long, value_name = "DIR")]
        include: Vec<PathBuf>,
    },
    /// Prints an AsyncAPI 3.0 document of the topics in .proto files, and of Rust topics that
    /// `amop::TopicDescriptors` describes.
    Asyncapi {
        /// The files, which end in .proto or .json.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// A folder in which to look up imports, in addition to the folders of the files; may be
        /// repeated.
        #[arg(long, value_name = "DIR")]
        include: Vec<PathBuf>,
        /// The title of the document.
        #[arg(long, default_value = "AMOP topics")]
        title: String,
        /// The version of the described API.
        #[arg(long = "api-version", value_name = "VERSION", default_value = "1.0.0")]
        version: String,
    },
}

impl SchemaCommand {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Check { old, new, include } => {
                let report = schema::check(&old, &new, &include)?;
                let text = report.to_string();
                print(text.trim_end())?;
                Ok(match report.is_compatible() {
                    true => ExitCode::SUCCESS,
                    false => ExitCode::FAILURE,
                })
            }
            Self::Asyncapi {
                files,
                include,
                title,
                version,
            } => {
                let document =
                    schema::asyncapi(&files, &include, &DocumentInfo::new(title, version))?;
                print(&document)?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// Prints a line. Unlike `println!`, it does not panic when a reader such as `head` closes the
/// pipe: this is not an error, and the exit code still has the result.
fn print(text: &str) -> std::io::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
