//! `amop conformance`: its command line and what it prints.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use amop_cli::conformance::{self, CheckedChain, ConformanceOptions};
use amop_tls::Identity;
use clap::{Args, Command, ValueEnum, error::ErrorKind};

/// Checks how a node behaves on its port for SDKs; exit code 1 if anything is wrong.
///
/// The node may be an overlay node, a FISCO BCOS node or any other. All topics are unique to
/// this run, and frames that are known to crash a FISCO node are not sent to one.
#[derive(Debug, Args)]
pub(crate) struct Conformance {
    /// The node's channel port, or with --chain 3 its port for SDKs of 3.x.
    #[arg(long, value_name = "HOST:PORT", value_parser = super::endpoint::endpoint)]
    endpoint: String,
    /// The folder with an SDK's certificates: ca.crt, sdk.crt, sdk.key.
    #[arg(long, value_name = "DIR")]
    certs: PathBuf,
    /// The generation of the protocol at this port.
    #[arg(long, value_name = "2|3", default_value = "2")]
    chain: CheckedGeneration,
    /// The channel port of another node of the same network, for the checks across two nodes. Not
    /// with --chain 3, whose checks need one node only.
    #[arg(long, value_name = "HOST:PORT", value_parser = super::endpoint::endpoint)]
    other: Option<String>,
    /// Run only this check, or all checks with this prefix if it ends in *; may be repeated.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Print the report as JSON when all checks have run.
    #[arg(long)]
    json: bool,
}

/// The value of `--chain`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum CheckedGeneration {
    #[value(name = "2")]
    V2,
    #[value(name = "3")]
    V3,
}

impl From<CheckedGeneration> for CheckedChain {
    fn from(chain: CheckedGeneration) -> Self {
        match chain {
            CheckedGeneration::V2 => Self::V2,
            CheckedGeneration::V3 => Self::V3,
        }
    }
}

impl Conformance {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        if let (CheckedGeneration::V3, Some(_)) = (self.chain, &self.other) {
            let error = Self::augment_args(Command::new("amop conformance")).error(
                ErrorKind::ArgumentConflict,
                "--other cannot be used with --chain 3: the checks of 3.x need one node only; leave \
                 --other out",
            );
            error.print()?;
            return Ok(ExitCode::from(2));
        }
        let options = ConformanceOptions {
            endpoint: self.endpoint,
            chain: self.chain.into(),
            other: self.other,
            identity: Identity::load_sdk(&self.certs)?,
            only: self.only,
        };
        let mut printed = Ok(());
        let report = conformance::run(&options, |result| {
            if !self.json && printed.is_ok() {
                printed = print(&result.to_string());
            }
        })
        .await?;
        printed?;
        if self.json {
            print(&format!("{:#}", report.to_json()))?;
        } else {
            print(&report.summary())?;
        }
        Ok(match report.is_conformant() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }
}

/// Prints a line and flushes it, so that it is visible at once, also through a pipe.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
