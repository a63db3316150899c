//! The `amop` command.
#![forbid(unsafe_code)]

#[macro_use]
mod say;

mod commands;

use std::{process::ExitCode, time::Duration};

use amop_node::program::Log;
use anyhow::Context;
use clap::Parser;

use self::commands::Command;

/// Tools for AMOP, the messenger of FISCO BCOS.
#[derive(Debug, Parser)]
#[command(name = "amop", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// How long a command may take to stop after Ctrl-C: nodes give their connections 10 s.
const STOP: Duration = Duration::from_secs(15);

/// How long the program waits at its end for unfinished system calls: standard output may be a pipe
/// that no process reads.
const LAST_CALLS: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let CommandLine { command } = CommandLine::parse();
    let log = match Log::start(command.log_level()) {
        Ok(log) => log,
        Err(error) => {
            tell!("amop: cannot start the log: {error}");
            return ExitCode::FAILURE;
        }
    };
    match run(command, &log) {
        Ok(code) => code,
        Err(error) => {
            log.say(format_args!("amop: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, log: &Log) -> anyhow::Result<ExitCode> {
    if command.catches_signals() {
        log.end_after_signal(STOP)
            .context("cannot wait for Ctrl-C")?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let ended = runtime.block_on(command.run());
    runtime.shutdown_timeout(LAST_CALLS);
    ended
}
