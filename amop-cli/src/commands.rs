//! The commands of `amop`: for each its arguments, and what it does with them.

mod chaos;
mod chaos_node;
mod conformance;
mod devnet;
mod endpoint;
mod generate;
mod schema;
mod tap;

use std::process::ExitCode;

use clap::Subcommand;

use self::{
    chaos::Chaos, chaos_node::ChaosNode, conformance::Conformance, devnet::DevnetCommand,
    generate::Generate, schema::SchemaCommand, tap::TapCommand,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Kills nodes and cuts links under a stream of numbered messages, and counts what arrives.
    Chaos(Chaos),
    /// One node process of `amop chaos`.
    #[command(hide = true)]
    ChaosNode(ChaosNode),
    /// Checks how a node behaves on its channel port; exit code 1 if anything is wrong.
    Conformance(Conformance),
    /// Local development networks.
    #[command(subcommand)]
    Devnet(DevnetCommand),
    /// Writes a Cargo project with a program for every side of every topic of a schema.
    Generate(Generate),
    /// Checks the compatibility of schemas, and describes them.
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Shows every frame between SDKs and a node.
    Tap(TapCommand),
}

impl Command {
    /// Returns the lowest level of the lines that are logged by default.
    pub(crate) fn log_level(&self) -> &'static str {
        match self {
            // It breaks connections on purpose, so warnings about them are noise.
            Self::Chaos(_) => "error",
            _ => "warn",
        }
    }

    /// Returns whether the command stops in order after Ctrl-C. Otherwise Ctrl-C ends it at once.
    pub(crate) fn catches_signals(&self) -> bool {
        match self {
            Self::Chaos(_) | Self::ChaosNode(_) | Self::Devnet(_) | Self::Tap(_) => true,
            Self::Conformance(_) | Self::Generate(_) | Self::Schema(_) => false,
        }
    }

    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Chaos(chaos) => chaos.run().await,
            Self::ChaosNode(node) => node.run().await.map(|()| ExitCode::SUCCESS),
            Self::Conformance(conformance) => conformance.run().await,
            Self::Devnet(command) => command.run().await.map(|()| ExitCode::SUCCESS),
            Self::Generate(generate) => generate.run(),
            Self::Schema(command) => command.run(),
            Self::Tap(tap) => tap.run().await.map(|()| ExitCode::SUCCESS),
        }
    }
}
