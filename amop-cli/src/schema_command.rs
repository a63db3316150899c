//! `amop schema` and `amop generate`: their command lines and what they print.

use std::{io::Write, path::PathBuf, process::ExitCode};

use amop_cli::{generate, schema};
use amop_schema::asyncapi::DocumentInfo;
use clap::{Args, Subcommand};

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
    /// Prints an AsyncAPI 3.0 document of the topics in .proto and Rust files.
    Asyncapi {
        /// The files, which end in .proto or .rs.
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

#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// A schema; may be repeated.
    #[arg(long = "proto", value_name = "FILE", required = true)]
    protos: Vec<PathBuf>,
    /// The project's folder, which must be empty or not exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The folder with the sources of AMOP for Rust [default: the sources from which this program
    /// was built if they still exist, otherwise the released version].
    #[arg(long, value_name = "PATH")]
    amop_path: Option<PathBuf>,
    /// A folder in which to look up files and imports [default: the folders of the files]; may be
    /// repeated.
    #[arg(long, value_name = "DIR")]
    include: Vec<PathBuf>,
}

impl Generate {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.out.display().to_string();
        let project = generate::generate(&generate::GenerateOptions {
            protos: self.protos,
            includes: self.include,
            out: self.out,
            amop_path: self.amop_path,
        })?;
        // The project exists even if the message cannot be printed.
        say!(
            "{folder} has a Cargo project with these programs:\n  {}\nIts README.md says how to run them.",
            project.programs.join("\n  ")
        );
        Ok(ExitCode::SUCCESS)
    }
}
