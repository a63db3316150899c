//! The `amop` command.
#![forbid(unsafe_code)]

#[macro_use]
mod say;

mod chaos;
mod conformance_command;
mod devnet;
mod schema_command;
mod tap_command;

use std::process::ExitCode;

use amop_node::{config::PeerAddr, program::Log};
use clap::{Parser, Subcommand};

/// Tools for AMOP, the messenger of FISCO BCOS.
#[derive(Debug, Parser)]
#[command(name = "amop", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Kills nodes and cuts links under a stream of numbered messages, and counts what arrives.
    Chaos(chaos::Chaos),
    /// One node process of `amop chaos`.
    #[command(hide = true)]
    ChaosNode(chaos::ChaosNode),
    /// Checks how a node behaves on its channel port; exit code 1 if anything is wrong.
    Conformance(conformance_command::Conformance),
    /// Local development networks.
    #[command(subcommand)]
    Devnet(DevnetCommand),
    /// Writes a Cargo project with a program for every side of every topic of a schema.
    Generate(schema_command::Generate),
    /// Checks the compatibility of schemas, and describes them.
    #[command(subcommand)]
    Schema(schema_command::SchemaCommand),
    /// Shows every frame between SDKs and a node.
    Tap(tap_command::TapCommand),
}

#[derive(Debug, Subcommand)]
enum DevnetCommand {
    /// Starts a network of AMOP nodes on this machine and runs it until Ctrl-C.
    Up(devnet::Up),
}

/// Parses a node's address on the command line.
fn endpoint(text: &str) -> Result<String, String> {
    match text.trim().parse::<PeerAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(
            "write host:port, for example 127.0.0.1:20200 or [::1]:20200, with nothing before or after it"
                .to_owned(),
        ),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = CommandLine::parse();
    // `amop chaos` breaks connections on purpose, so warnings about them are noise.
    let level = match options.command {
        Command::Chaos(_) => "error",
        _ => "warn",
    };
    let log = match Log::start(level) {
        Ok(log) => log,
        Err(error) => {
            tell!("amop: cannot start the log: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = match options.command {
        Command::Chaos(chaos) => chaos.run().await,
        Command::ChaosNode(node) => node.run().await.map(|()| ExitCode::SUCCESS),
        Command::Conformance(conformance) => conformance.run().await,
        Command::Devnet(DevnetCommand::Up(up)) => up.run().await.map(|()| ExitCode::SUCCESS),
        Command::Generate(generate) => generate.run(),
        Command::Schema(command) => command.run(),
        Command::Tap(tap) => tap.run().await.map(|()| ExitCode::SUCCESS),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            log.say(format_args!("amop: {}", say::whole(&error)));
            ExitCode::FAILURE
        }
    }
}
