//! Runs simulations; see the library's documentation.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use amop_sim::{Plan, Profile, Topology, run};
use clap::Parser;

/// Deterministic simulation of networks of AMOP nodes.
#[derive(Debug, Parser)]
struct Args {
    /// Make the run of this seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// This many nodes, whatever the seed says.
    #[arg(long)]
    nodes: Option<usize>,
    /// This shape, whatever the seed says.
    #[arg(long)]
    topology: Option<Topology>,
    /// What goes wrong, whatever the seed says.
    #[arg(long)]
    profile: Option<Profile>,
    /// Print every step.
    #[arg(long)]
    trace: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let summary = run(&Plan {
        seed: args.seed,
        nodes: args.nodes,
        topology: args.topology,
        profile: args.profile,
        trace: args.trace,
        sabotage: None,
    });
    print!("{summary}");
    if summary.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
