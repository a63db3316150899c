//! Runs simulations; see the library's documentation.
#![forbid(unsafe_code)]

use std::{
    fs,
    ops::Range,
    process::ExitCode,
    time::{Duration, Instant},
};

use amop_sim::{
    HostilePlan, Plan, Profile, Summary, Topology, WILES, Wile, run, run_each, run_hostile,
    run_late, scale,
};
use anyhow::{Context, bail};
use clap::Parser;

/// Deterministic simulation of networks of AMOP nodes.
#[derive(Debug, Parser)]
struct Args {
    /// Make the run of this seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Make the runs of many seeds, from the first up to but not including the second: 0..1000.
    #[arg(long, value_parser = seeds, conflicts_with_all = ["seed", "scale", "trace"])]
    seeds: Option<Range<u64>>,
    /// Run one network of this many nodes and report the cost of its routing.
    #[arg(long, conflicts_with_all = ["nodes", "profile", "trace"])]
    scale: Option<usize>,
    /// Use this many nodes, whatever the seed says.
    #[arg(long)]
    nodes: Option<usize>,
    /// Use this shape, whatever the seed says.
    #[arg(long)]
    topology: Option<Topology>,
    /// Use these faults, whatever the seed says.
    #[arg(long)]
    profile: Option<Profile>,
    /// Let this share of the SDKs' connections speak 3.x, 0 to 1, whatever the seed says.
    #[arg(long, conflicts_with_all = ["scale", "hostile"])]
    v3: Option<f64>,
    /// Let this share of the network's links be connections between gateways of 3.x, 0 to 1.
    #[arg(long, conflicts_with_all = ["scale", "hostile"])]
    gateways: Option<f64>,
    /// Include hostile nodes and SDKs.
    #[arg(long, conflicts_with_all = ["scale", "profile", "topology", "nodes"])]
    hostile: bool,
    /// Let hostile nodes do this, whatever the seed says. May be given several times.
    #[arg(long = "wile", requires = "hostile", value_parser = wile)]
    wiles: Vec<Wile>,
    /// Include one hostile relay that keeps messages until their source is forgotten.
    #[arg(long, conflicts_with_all = ["scale", "profile", "topology", "nodes", "v3", "gateways", "hostile", "trace"])]
    late: bool,
    /// Print every step.
    #[arg(long)]
    trace: bool,
}

fn wile(text: &str) -> anyhow::Result<Wile> {
    let named = |wile: &&Wile| format!("{wile:?}").eq_ignore_ascii_case(text);
    let wile = WILES.iter().find(named).copied();
    wile.with_context(|| format!("one of {WILES:?}"))
}

fn seeds(text: &str) -> anyhow::Result<Range<u64>> {
    let (from, to) = text
        .split_once("..")
        .context("two numbers with two dots between them, such as 0..1000")?;
    let range = from.parse()?..to.parse()?;
    if range.is_empty() {
        bail!("there is no seed in {text}");
    }
    Ok(range)
}

impl Args {
    fn plan(&self, seed: u64) -> Plan {
        Plan {
            seed,
            nodes: self.nodes,
            topology: self.topology,
            profile: self.profile,
            share_of_v3: self.v3,
            share_of_gateways: self.gateways,
            trace: self.trace,
            sabotage: None,
        }
    }

    fn one(&self) -> bool {
        let summary = self.summary(self.seed);
        print!("{summary}");
        summary.is_good()
    }

    fn summary(&self, seed: u64) -> Summary {
        if self.late {
            return run_late(seed, None);
        }
        if self.hostile {
            return run_hostile(&HostilePlan {
                wiles: (!self.wiles.is_empty()).then(|| self.wiles.clone()),
                trace: self.trace,
                ..HostilePlan::of(seed)
            });
        }
        run(&self.plan(seed))
    }

    fn many(&self, seeds: Range<u64>) -> bool {
        let started = Instant::now();
        let summaries = run_each(seeds, |seed| self.summary(seed));
        let events: u64 = summaries.iter().map(|summary| summary.events).sum();
        let failed: Vec<_> = summaries.iter().filter(|run| !run.is_good()).collect();
        for summary in &failed {
            print!("{summary}  replay: {}\n\n", summary.replay());
        }
        println!(
            "{} runs, {events} events in {:.1} s; {} failed",
            summaries.len(),
            started.elapsed().as_secs_f64(),
            failed.len()
        );
        failed.is_empty()
    }

    fn large(&self, nodes: usize) -> bool {
        let started = Instant::now();
        let topology = self.topology.unwrap_or(Topology::Random);
        let report = scale(self.seed, nodes, topology, Duration::from_secs(60));
        print!("{report}");
        println!("  wall time {:.1} s", started.elapsed().as_secs_f64());
        if let Some(peak) = peak_memory() {
            println!("  peak memory {peak}");
        }
        report.violations.is_empty() && report.converged.is_some()
    }
}

/// Returns the process's maximum resident set, if the system reports it.
fn peak_memory() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}

fn main() -> ExitCode {
    let args = Args::parse();
    let good = match (args.seeds.clone(), args.scale) {
        (Some(seeds), _) => args.many(seeds),
        (None, Some(nodes)) => args.large(nodes),
        (None, None) => args.one(),
    };
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
