//! `amop schema` and `amop generate`: their command lines and what they print.

use std::{io::Write, path::PathBuf, process::ExitCode};

use amop_cli::{generate, schema};
use amop_schema::asyncapi::Info;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Tells whether programs on two versions of a schema understand each other; exit code 1 if
    /// not.
    Check {
        /// The old version: a .proto file, or a descriptor set.
        old: PathBuf,
        /// The new version.
        new: PathBuf,
        /// A folder to look imports up in, besides those of the files; may be repeated. One that holds the
        /// file of one version only comes last for the other.
        #[arg(long, value_name = "DIR")]
        include: Vec<PathBuf>,
    },
    /// Prints an AsyncAPI 3.0 document of the topics in .proto and Rust files.
    Asyncapi {
        /// The files, which end in .proto or .rs.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// A folder to look imports up in, besides those of the files; may be repeated.
        #[arg(long, value_name = "DIR")]
        include: Vec<PathBuf>,
        /// The title of the document.
        #[arg(long, default_value = "AMOP topics")]
        title: String,
        /// The version of what is described.
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
                let document = schema::asyncapi(&files, &include, &Info::new(title, version))?;
                print(&document)?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// Unlike `println!`, this does not panic when a reader such as `head` has read enough: that is no mistake, and
/// the exit code still tells what was found.
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
    /// The folder with the sources of AMOP for Rust [default: those this program was built from if
    /// they are still there, the released version otherwise].
    #[arg(long, value_name = "PATH")]
    amop_path: Option<PathBuf>,
    /// A folder to look files and imports up in [default: the folders of the files]; may be
    /// repeated.
    #[arg(long, value_name = "DIR")]
    include: Vec<PathBuf>,
}

impl Generate {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let folder = self.out.display().to_string();
        let project = generate::generate(&generate::Options {
            protos: self.protos,
            includes: self.include,
            out: self.out,
            amop_path: self.amop_path,
        })?;
        // The project is there whether somebody hears of it or not.
        say!(
            "{folder} has a Cargo project with these programs:\n  {}\nIts README.md says how to run them.",
            project.programs.join("\n  ")
        );
        Ok(ExitCode::SUCCESS)
    }
}
