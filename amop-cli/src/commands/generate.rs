//! `amop generate`: its command line and what it prints.

use std::{path::PathBuf, process::ExitCode};

use amop_cli::generate::{GenerateOptions, generate};
use clap::Args;

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
        let project = generate(&GenerateOptions {
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
