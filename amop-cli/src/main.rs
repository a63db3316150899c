//! The `amop` command.
#![forbid(unsafe_code)]

#[macro_use]
mod say;

mod commands;

use std::process::ExitCode;

use amop_node::program::Log;
use clap::Parser;

use self::commands::Command;

/// Tools for AMOP, the messenger of FISCO BCOS.
#[derive(Debug, Parser)]
#[command(name = "amop", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[tokio::main]
async fn main() -> ExitCode {
    let CommandLine { command } = CommandLine::parse();
    let log = match Log::start(command.log_level()) {
        Ok(log) => log,
        Err(error) => {
            tell!("amop: cannot start the log: {error}");
            return ExitCode::FAILURE;
        }
    };
    match command.run().await {
        Ok(code) => code,
        Err(error) => {
            log.say(format_args!("amop: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
