//! Carries out the plan: causes the faults, repairs them, and measures their effect.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use amop::{Client, TopicName};
use anyhow::{Result, bail};
use bytes::Bytes;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    clients::Sdk,
    load::probe_topic,
    net::Net,
    plan::{Fault, FaultPlan, PlannedFault},
    proxy::WireState,
};

/// A step that is not allowed within this time is skipped.
const PATIENCE: Duration = Duration::from_secs(20);

/// The interval at which node processes are checked.
const WATCH: Duration = Duration::from_secs(1);

/// The number of messages in a row that pass a link before it is cut, so that the cut hits traffic.
const WARM: u32 = 20;

/// The time that these messages have.
const WARM_UP: Duration = Duration::from_secs(3);

/// The pause before a failed probe is repeated.
const PROBE_AGAIN: Duration = Duration::from_millis(1);

/// The faults so far, and the measurements.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// The number of faults, by kind.
    pub(crate) faults: BTreeMap<&'static str, u32>,
    /// Steps that would have cut the network in two, or cut a client off.
    pub(crate) skipped: u32,
    /// The times from the cut of a link to the first message between its two nodes on another path.
    pub(crate) detours: Vec<Duration>,
    /// Cuts after which no message took another path before the link was repaired.
    pub(crate) no_detour: u32,
    /// Cuts of links that did not pass messages before the cut.
    pub(crate) unmeasured: u32,
    /// The steps that were carried out, with the time when each began.
    pub(crate) steps: Vec<PlannedFault>,
}

/// The targets of the faults.
#[derive(Debug)]
pub(crate) struct Faults {
    pub(crate) net: Net,
    /// Publishers and subscribers.
    pub(crate) sdks: Vec<Sdk>,
    /// For each node, a client that is connected only to it.
    pub(crate) probes: Vec<Sdk>,
    pub(crate) partitions: bool,
    tally: Mutex<Tally>,
}

impl Faults {
    pub(crate) fn new(net: Net, sdks: Vec<Sdk>, probes: Vec<Sdk>, partitions: bool) -> Self {
        Self {
            net,
            sdks,
            probes,
            partitions,
            tally: Mutex::default(),
        }
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out the plan until `stop`. Everything is repaired when it returns.
    pub(crate) async fn run(
        self: Arc<Self>,
        plan: FaultPlan,
        start: Instant,
        stop: CancellationToken,
    ) -> Result<()> {
        let mut tasks = JoinSet::new();
        let result = self.carry_out(plan, start, &stop, &mut tasks).await;
        // The remaining tasks only wait before they repair; they do so at once.
        stop.cancel();
        let mut results = vec![result];
        while let Some(repaired) = tasks.join_next().await {
            results.push(repaired?);
        }
        results.into_iter().collect()
    }

    async fn carry_out(
        self: &Arc<Self>,
        mut plan: FaultPlan,
        start: Instant,
        stop: &CancellationToken,
        tasks: &mut JoinSet<Result<()>>,
    ) -> Result<()> {
        let mut next = plan.next();
        let mut watching = tokio::time::interval(WATCH);
        loop {
            let due = async {
                match next {
                    Some(step) => sleep_until(start + step.at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(repaired) = tasks.join_next() => repaired??,
                _ = watching.tick() => {
                    if let Some(how) = self.net.crashed().await? {
                        bail!(how);
                    }
                }
                () = due => {
                    if let Some(step) = next
                        && let Some(allowed) = stop.run_until_cancelled(self.allowed(step.fault)).await
                    {
                        if allowed {
                            let at = start.elapsed();
                            self.tally().steps.push(PlannedFault { at, ..step });
                            self.begin(step, stop, tasks);
                        } else {
                            self.tally().skipped += 1;
                        }
                    }
                    next = plan.next();
                }
            }
        }
    }

    /// Waits until a fault hits a part that is not broken and leaves a path between all running
    /// nodes. Returns whether this happened in time.
    async fn allowed(&self, fault: Fault) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while deadline > Instant::now() {
            let safe = self.partitions || self.net.stays_connected(fault) && self.survive(fault);
            if safe && self.net.is_whole(fault) {
                return true;
            }
            sleep(super::poll::LOOK).await;
        }
        false
    }

    /// Returns whether every client stays connected.
    fn survive(&self, fault: Fault) -> bool {
        self.sdks.iter().enumerate().all(|(index, sdk)| {
            sdk.survives(|at, way| {
                let hit = match fault {
                    Fault::Kill { node } | Fault::Stop { node } => way.node == node,
                    Fault::CutClient { client, way } => (client, way) == (index, at),
                    _ => return false,
                };
                hit || self.net.is_doomed(index, at, way.node)
            })
        })
    }

    fn begin(
        self: &Arc<Self>,
        step: PlannedFault,
        stop: &CancellationToken,
        tasks: &mut JoinSet<Result<()>>,
    ) {
        let kind = match step.fault {
            Fault::Kill { node } | Fault::Stop { node } => {
                self.net.mark_node(node, true);
                match step.fault {
                    Fault::Kill { .. } => "kills",
                    _ => "stops",
                }
            }
            Fault::Cut { link } | Fault::Hold { link, .. } | Fault::Slow { link, .. } => {
                self.net.mark_link(link, true);
                match step.fault {
                    Fault::Cut { .. } => "cuts",
                    Fault::Hold { .. } => "holds",
                    _ => "slow links",
                }
            }
            Fault::CutClient { client, way } => {
                self.net.mark_way(client, way, true);
                "client cuts"
            }
        };
        tracing::info!(at = ?step.at, fault = ?step.fault, down = ?step.down, "a fault begins");
        *self.tally().faults.entry(kind).or_default() += 1;
        let (this, stop) = (Arc::clone(self), stop.clone());
        tasks.spawn(async move { this.inflict(step, &stop).await });
    }

    async fn inflict(&self, step: PlannedFault, stop: &CancellationToken) -> Result<()> {
        let net = &self.net;
        let pause = async |time| {
            stop.run_until_cancelled(sleep(time)).await;
        };
        match step.fault {
            Fault::Kill { node } | Fault::Stop { node } => {
                if matches!(step.fault, Fault::Kill { .. }) {
                    net.kill(node).await?;
                } else {
                    net.stop_node(node).await?;
                }
                pause(step.down).await;
                net.restart(node).await?;
                net.mark_node(node, false);
            }
            Fault::Cut { link } => {
                let begun = Instant::now();
                self.measure(link, step.down).await?;
                pause(step.down.saturating_sub(begun.elapsed())).await;
                net.set_link(link, WireState::GOOD);
                net.mark_link(link, false);
            }
            Fault::Hold { link, lasts } => {
                net.set_link(link, WireState::Held);
                pause(lasts).await;
                net.set_link(link, WireState::Cut);
                pause(step.down).await;
                net.set_link(link, WireState::GOOD);
                net.mark_link(link, false);
            }
            Fault::Slow { link, by } => {
                net.set_link(link, WireState::Open { delay: by });
                pause(step.down).await;
                net.set_link(link, WireState::GOOD);
                net.mark_link(link, false);
            }
            Fault::CutClient { client, way } => {
                self.sdks[client].set_way(way, WireState::Cut);
                pause(step.down).await;
                self.sdks[client].set_way(way, WireState::GOOD);
                net.mark_way(client, way, false);
            }
        }
        Ok(())
    }

    /// Cuts a link that passes one message after the other, and measures the time until a message
    /// that was sent after the cut arrives. Waits for `limit` at most.
    async fn measure(&self, link: usize, limit: Duration) -> Result<()> {
        let (a, b) = self.net.topology.links[link];
        let topic = probe_topic(b)?;
        let probe = Probe::new(&self.probes[a].client, &topic);
        let cutting = async {
            let mut arrived = probe.arrived.subscribe();
            let warm = timeout(WARM_UP, arrived.wait_for(|&arrived| arrived >= WARM)).await;
            self.net.set_link(link, WireState::Cut);
            probe.cut.send_replace(Some(Instant::now()));
            warm.is_ok()
        };
        let probing = timeout(WARM_UP + limit, probe.run());
        let (warm, detour) = tokio::join!(cutting, probing);
        let mut tally = self.tally();
        match detour {
            _ if !warm => tally.unmeasured += 1,
            Ok(detour) => tally.detours.push(detour),
            Err(_) => tally.no_detour += 1,
        }
        Ok(())
    }

    /// Stops clients, nodes and proxies.
    pub(crate) async fn shutdown(self) -> Result<()> {
        for sdk in self.sdks.into_iter().chain(self.probes) {
            sdk.close().await;
        }
        self.net.shutdown().await
    }
}

/// A sender of messages from one node to another, one after the other.
struct Probe<'a> {
    client: &'a Client,
    topic: &'a TopicName,
    arrived: watch::Sender<u32>,
    /// When the link was cut.
    cut: watch::Sender<Option<Instant>>,
}

impl<'a> Probe<'a> {
    fn new(client: &'a Client, topic: &'a TopicName) -> Self {
        Self {
            client,
            topic,
            arrived: watch::Sender::new(0),
            cut: watch::Sender::new(None),
        }
    }

    /// Returns the time from the cut to the first answer of a message that was sent after it.
    async fn run(&self) -> Duration {
        loop {
            let sent = Instant::now();
            let result = self
                .client
                .publish_unicast_raw(self.topic, Bytes::new())
                .await;
            let cut = *self.cut.borrow();
            match (result, cut) {
                (Ok(_), Some(cut)) if sent >= cut => return cut.elapsed(),
                (Ok(_), _) => self.arrived.send_modify(|arrived| *arrived += 1),
                (Err(_), _) => sleep(PROBE_AGAIN).await,
            }
        }
    }
}
