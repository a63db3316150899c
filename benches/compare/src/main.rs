//! Compares AMOP with a NATS cluster, bridged MQTT brokers and raw TLS: see run.sh and
//! docs/performance.md.
#![forbid(unsafe_code)]

mod certs;
mod gate;
mod job;
mod load;
mod meter;
mod process;
mod relay;
mod report;
mod run;
mod servers;
mod systems;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Compares AMOP with a NATS cluster, bridged MQTT brokers and raw TLS.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the comparison. Exit code 0: all targets are met; 1: one is missed; 2: the run failed.
    Run(run::Options),
    /// Does one job, read as JSON from standard input, and writes its outcome to standard output.
    Load,
    /// Relays bytes from TLS to TLS until standard input ends.
    Relay(relay::Options),
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let result = runtime.block_on(dispatch(options.command));
            // Tasks of a failed job must not delay the end.
            runtime.shutdown_background();
            result
        });
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("amop-compare: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn dispatch(command: Command) -> Result<ExitCode> {
    // Some of the clients use the process's default provider.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match command {
        Command::Run(options) => run::run(options).await,
        Command::Load => load::main().await.map(|()| ExitCode::SUCCESS),
        Command::Relay(options) => relay::run(options).await.map(|()| ExitCode::SUCCESS),
    }
}
