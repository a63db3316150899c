//! `amop chaos`: tests whether messages survive when nodes die and links break.
//!
//! Each node is a process. Everything else runs in this process: a proxy for each link and for each
//! connection of a client, the clients, and the books of what they sent and received.
//!
//! A duplicate is a message that one subscriber receives twice; this must never happen. A message
//! on a topic that several subscribers share may reach a second one, after the first one was cut
//! off before its answer arrived; this is counted as redelivered. A node cannot know whether the
//! first one processed the message. If it did not ask the second one, the message could be lost.

mod books;
mod clients;
mod faults;
mod load;
mod missing;
mod net;
mod node;
mod plan;
mod poll;
mod proxy;
mod report;
mod run;
mod topology;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use amop_node::signal;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use rand::{SeedableRng, rngs::StdRng};

use self::{
    load::Traffic,
    plan::FaultIntervals,
    run::ChaosRun,
    topology::{NetworkShape, Topology},
};

/// Kills nodes and cuts links under a stream of numbered messages, and counts what arrives.
///
/// Starts nodes as separate processes on this machine, with every connection going through a proxy
/// that can be cut. Publishers and subscribers are connected to two nodes each. Exit code 1 if a
/// unicast that was acknowledged reached no subscriber, if a multicast missed a subscriber and
/// neither a full queue nor a fault explains it, or if a subscriber received a message twice.
#[derive(Debug, Args)]
pub(crate) struct Chaos {
    /// The number of nodes, of publishers and of subscribers.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(2..=16))]
    nodes: u16,
    /// How the nodes are linked.
    #[arg(long, value_enum, default_value = "ring")]
    topology: NetworkShape,
    /// The number of unicasts.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    unicasts: u32,
    /// The number of multicasts sent between them. Default: one for 100 unicasts.
    #[arg(long, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    multicasts: Option<u32>,
    /// Unicasts per second, by all publishers together. Default: as many as possible.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Messages in flight at a time, per publisher.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    in_flight: u16,
    /// The seed of the faults and the traffic. It is printed. Default: a random one.
    #[arg(long)]
    seed: Option<u64>,
    /// The average number of seconds between two faults that kill or stop a node; 0 for never.
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    kill_every: f64,
    /// The average number of seconds between two faults that break a connection; 0 for never.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    cut_every: f64,
    /// Do not cut the connections of clients.
    #[arg(long)]
    no_client_cuts: bool,
    /// Also cause faults that cut the network in two, or cut a client off. Without this option
    /// there is always a path between all running nodes, and from every client to one of them.
    #[arg(long)]
    partitions: bool,
    /// Stop sending after this many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration_limit: Option<f64>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Write the logs of the nodes to this folder, and keep them.
    #[arg(long, value_name = "DIR")]
    keep_logs: Option<PathBuf>,
}

/// Parses a number of seconds.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=1e6).contains(&seconds) => Ok(seconds),
        _ => Err("expected a number of seconds from 0 to 1000000".to_owned()),
    }
}

/// Converts seconds to a duration; `None` for 0.
fn interval(seconds: f64) -> Option<Duration> {
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds))
}

impl Chaos {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let stopped = signal::stop().context("cannot wait for Ctrl-C")?;
        let seed = self.seed.unwrap_or_else(rand::random);
        let dir = tempfile::tempdir().context("cannot make a folder for the network")?;
        let logs = self.keep_logs.clone();
        let logs = logs.unwrap_or_else(|| dir.path().join("logs"));
        let count = usize::from(self.nodes);
        let mut rng = StdRng::seed_from_u64(seed);
        let topology = Topology::new(self.topology, count, &mut rng);
        let network = format!(
            "{} of {count} nodes with {} links",
            shape_name(self.topology),
            topology.links.len()
        );
        tell!("amop chaos: {network}, seed {seed}");
        let run = ChaosRun {
            traffic: self.traffic(seed),
            topology,
            network,
            intervals: self.intervals(),
            duration_limit: self.duration_limit.map(Duration::from_secs_f64),
        };
        tokio::select! {
            report = run.run(dir.path(), &logs) => {
                let report = report?;
                if self.json {
                    say!("{}", report.to_json());
                } else {
                    say!("{report}");
                }
                Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
            () = stopped => {
                // Dropping everything kills the nodes.
                tell!("amop chaos: stopped");
                Ok(ExitCode::FAILURE)
            }
        }
    }

    fn intervals(&self) -> FaultIntervals {
        FaultIntervals {
            kills: interval(self.kill_every),
            cuts: interval(self.cut_every),
            clients: !self.no_client_cuts,
            partitions: self.partitions,
        }
    }

    fn traffic(&self, seed: u64) -> Traffic {
        Traffic {
            seed,
            unicasts: self.unicasts as usize,
            multicasts: self.multicasts.unwrap_or(self.unicasts / 100) as usize,
            publishers: self.nodes.into(),
            subscribers: self.nodes.into(),
            in_flight: self.in_flight.into(),
            rate: self.rate,
        }
    }
}

fn shape_name(shape: NetworkShape) -> String {
    let value = shape.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}
