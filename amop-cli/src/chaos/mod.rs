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
mod proxy;
mod report;
mod topology;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use amop_node::signal;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use rand::{SeedableRng, rngs::StdRng};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, sleep},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::node::ChaosNode;
use self::{
    clients::Sdk,
    faults::Faults,
    load::{Ledger, Subscribers, Traffic, probe_topic, publish},
    missing::{Excuse, Missing},
    net::Net,
    plan::{FaultIntervals, FaultPlan},
    report::ChaosReport,
    topology::{NetworkShape, Topology},
};

/// The interval between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(5);

/// The time without deliveries that ends a run: a late duplicate counts as well.
const QUIET: Duration = Duration::from_secs(3);

/// The maximum time to wait for this quiet period.
const QUIET_PATIENCE: Duration = Duration::from_secs(30);

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
        let traffic = self.traffic(seed);
        tell!("amop chaos: {network}, seed {seed}");
        tokio::select! {
            report = self.through(traffic, topology, network, dir.path(), &logs) => {
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

    async fn through(
        &self,
        traffic: Traffic,
        topology: Topology,
        network: String,
        dir: &Path,
        logs: &Path,
    ) -> Result<ChaosReport> {
        let certificates = dir.join("127.0.0.1/sdk");
        let net = Net::start(topology, dir, logs).await?;
        let (publishers, subscribers, probes) = connect(&net, &certificates).await?;
        let of = |sdks: &[Sdk]| {
            sdks.iter()
                .map(|sdk| sdk.client.clone())
                .collect::<Vec<_>>()
        };
        let (senders, receivers) = (of(&publishers), of(&subscribers));
        let ledger = Arc::new(Ledger::new(&traffic));
        let listening = Subscribers::start(&receivers, &ledger).await?;
        let probing = answer_probes(&probes).await?;
        let sdks: Vec<Sdk> = publishers.into_iter().chain(subscribers).collect();
        let pace = FaultIntervals {
            kills: interval(self.kill_every),
            cuts: interval(self.cut_every),
            clients: !self.no_client_cuts,
            partitions: self.partitions,
        };
        let plan = FaultPlan::new(traffic.seed, pace, &net.topology, sdks.len());
        let faults = Arc::new(Faults::new(net, sdks, probes, self.partitions));

        let start = Instant::now();
        let stop = CancellationToken::new();
        let sending = publish(&senders, &traffic, &ledger, start, &stop)?;
        let took = {
            let _stop = stop.clone().drop_guard();
            let calm = stop.child_token();
            let breaking = tokio::spawn(Arc::clone(&faults).run(plan, start, calm.clone()));
            let sent = self.send(sending, breaking, &stop, &calm, &ledger, &faults);
            sent.await?;
            start.elapsed()
        };
        drop((senders, receivers));
        faults.net.wait_for_links().await?;
        wait_for_quiet(&ledger).await;
        let tally = faults.tally().clone();
        let faults = Arc::into_inner(faults).context("a fault is still in progress")?;
        faults.shutdown().await?;
        listening.join().await;
        probing.join_all().await;
        let of_step = |step| Excuse::of(step, traffic.publishers, self.partitions);
        let excuses: Vec<Excuse> = tally.steps.iter().filter_map(of_step).collect();
        let missing = Missing::of(&ledger.multicasts(), &excuses, &ledger.dropped());
        let report = ChaosReport {
            network,
            seed: traffic.seed,
            took,
            wanted: traffic.unicasts,
            unicasts: ledger.unicasts().sums(),
            multicasts: ledger.multicasts().sums().of_copies(),
            missing,
            tally,
        };
        Ok(report)
    }

    /// Waits until everything is sent or the time limit has passed, and then until everything is
    /// repaired.
    async fn send(
        &self,
        mut sending: JoinSet<()>,
        mut breaking: tokio::task::JoinHandle<Result<()>>,
        stop: &CancellationToken,
        calm: &CancellationToken,
        ledger: &Ledger,
        faults: &Faults,
    ) -> Result<()> {
        let start = Instant::now();
        let limit = async {
            match self.duration_limit {
                Some(limit) => sleep(Duration::from_secs_f64(limit)).await,
                None => std::future::pending().await,
            }
        };
        let mut limit = std::pin::pin!(limit);
        let mut over = false;
        let mut progress = tokio::time::interval_at(start + PROGRESS, PROGRESS);
        progress.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                sent = sending.join_next() => match sent {
                    Some(sent) => sent?,
                    None => break,
                },
                // This ends before the run only because of an error.
                broken = &mut breaking => {
                    broken??;
                    anyhow::bail!("the task that causes the faults ended too early");
                }
                () = &mut limit, if !over => {
                    over = true;
                    stop.cancel();
                }
                _ = progress.tick() => {
                    let seconds = start.elapsed().as_secs();
                    let settled = ledger.unicasts().settled();
                    let faults: u32 = faults.tally().faults.values().sum();
                    tell!("{seconds:>5} s: {settled} unicasts, {faults} faults");
                }
            }
        }
        calm.cancel();
        breaking.await?
    }
}

fn shape_name(shape: NetworkShape) -> String {
    let value = shape.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Connects publishers, subscribers and probes: one of each per node.
async fn connect(net: &Net, certificates: &Path) -> Result<(Vec<Sdk>, Vec<Sdk>, Vec<Sdk>)> {
    let count = net.topology.nodes;
    let (mut publishers, mut subscribers, mut probes) = (Vec::new(), Vec::new(), Vec::new());
    for node in 0..count {
        // Other pairs than the publishers', so that there are paths of all lengths.
        let (near, far) = ((node + 1) % count, (node + count / 2) % count);
        publishers.push(Sdk::connect(net, &[node, near], certificates).await?);
        subscribers.push(Sdk::connect(net, &[node, far], certificates).await?);
        probes.push(Sdk::connect(net, &[node], certificates).await?);
    }
    Ok((publishers, subscribers, probes))
}

/// Answers the probes of every node; the tasks end when the clients are closed.
async fn answer_probes(probes: &[Sdk]) -> Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    for (node, sdk) in probes.iter().enumerate() {
        let mut subscription = sdk.client.subscribe_raw(&probe_topic(node)?).await?;
        tasks.spawn(async move {
            // Taking and dropping a message answers it.
            while subscription.next().await.is_some() {}
        });
    }
    Ok(tasks)
}

/// Waits until there are no more deliveries.
async fn wait_for_quiet(ledger: &Ledger) {
    let deadline = Instant::now() + QUIET_PATIENCE;
    let (mut seen, mut since) = (ledger.deliveries(), Instant::now());
    while since.elapsed() < QUIET && Instant::now() < deadline {
        sleep(Duration::from_millis(100)).await;
        let now = ledger.deliveries();
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
}
