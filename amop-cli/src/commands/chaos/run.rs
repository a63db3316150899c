//! One run: starts the network, sends under faults, and compares what arrived.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    clients::Sdk,
    faults::Faults,
    load::{Ledger, Subscribers, Traffic, probe_topic, publish},
    missing::{Excuse, Missing},
    net::Net,
    plan::{FaultIntervals, FaultPlan},
    report::ChaosReport,
    topology::Topology,
};

/// The interval between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(5);

/// The time without deliveries that ends a run: a late duplicate counts as well.
const QUIET: Duration = Duration::from_secs(3);

/// The maximum time to wait for this quiet period.
const QUIET_PATIENCE: Duration = Duration::from_secs(30);

/// What happens in a run.
#[derive(Debug)]
pub(crate) struct ChaosRun {
    pub(crate) traffic: Traffic,
    pub(crate) topology: Topology,
    /// The description of the network.
    pub(crate) network: String,
    pub(crate) intervals: FaultIntervals,
    /// How long messages are sent at most.
    pub(crate) duration_limit: Option<Duration>,
}

impl ChaosRun {
    /// Runs it with files in `dir`, and the logs of the nodes in `logs`.
    pub(crate) async fn run(self, dir: &Path, logs: &Path) -> Result<ChaosReport> {
        let Self {
            traffic,
            topology,
            network,
            intervals,
            duration_limit,
        } = self;
        let partitions = intervals.partitions;
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
        let plan = FaultPlan::new(traffic.seed, intervals, &net.topology, sdks.len());
        let faults = Arc::new(Faults::new(net, sdks, probes, partitions));

        let start = Instant::now();
        let stop = CancellationToken::new();
        let sending = publish(&senders, &traffic, &ledger, start, &stop)?;
        let took = {
            let _stop = stop.clone().drop_guard();
            let calm = stop.child_token();
            let breaking = tokio::spawn(Arc::clone(&faults).run(plan, start, calm.clone()));
            let sent = send(
                sending,
                breaking,
                duration_limit,
                (&stop, &calm),
                &ledger,
                &faults,
            );
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
        let of_step = |step| Excuse::of(step, traffic.publishers, partitions);
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
}

/// Waits until everything is sent or the time limit has passed, and then until everything is
/// repaired.
async fn send(
    mut sending: JoinSet<()>,
    mut breaking: JoinHandle<Result<()>>,
    duration_limit: Option<Duration>,
    (stop, calm): (&CancellationToken, &CancellationToken),
    ledger: &Ledger,
    faults: &Faults,
) -> Result<()> {
    let start = Instant::now();
    let limit = async {
        match duration_limit {
            Some(limit) => sleep(limit).await,
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
