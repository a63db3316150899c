//! One attack, measured from before its start until after its end.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use amop_testkit::attack::Program;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use tokio::{process::Command, time::sleep};

use crate::{
    innocents::{Innocents, Latency},
    network::Network,
};

const BASELINE: Duration = Duration::from_secs(4);

/// The time for opening connections and loading code.
const WARM_UP: Duration = Duration::from_secs(2);

/// The interval at which memory is read, and the length of one step of the recovery.
const STEP: Duration = Duration::from_millis(250);

/// The largest accepted ratio of the latency during an attack to the latency before.
const MOST_RATIO: f64 = 3.0;

/// A delay of one scheduler tick on a busy machine does not count.
const TICK: f64 = 1.0;

const RECOVERY: Duration = Duration::from_secs(5);

/// The memory that one node may hold because of an attacker.
const MOST_MEMORY: u64 = 1024;

/// The amount that all nodes may log during the attack, in KiB.
const MOST_LOGGED: u64 = 1024;

#[derive(Debug, Serialize)]
pub(crate) struct Trial {
    pub(crate) attack: &'static str,
    pub(crate) what: &'static str,
    pub(crate) before: Latency,
    pub(crate) during: Latency,
    pub(crate) lost: u64,
    /// The memory of the largest node in MiB: before, maximum, and 5 s after the end.
    pub(crate) memory: [u64; 3],
    /// The amount logged, in KiB.
    pub(crate) logged: u64,
    /// The time of the recovery in milliseconds; `None` if it takes longer than 5 s.
    pub(crate) recovery: Option<u64>,
    pub(crate) dead: usize,
    /// The attacker's action count, and how often it was stopped.
    pub(crate) done: [u64; 2],
}

impl Trial {
    /// Returns the latency during the attack divided by the latency before.
    pub(crate) fn ratio(&self) -> f64 {
        self.during.p99 / self.before.p99
    }

    /// Returns the targets that are missed.
    pub(crate) fn misses(&self) -> Vec<&'static str> {
        let mut misses = Vec::new();
        let mut require = |holds: bool, what| {
            if !holds {
                misses.push(what);
            }
        };
        require(
            self.during.p99 <= (self.before.p99 * MOST_RATIO).max(TICK),
            "p99",
        );
        require(self.lost == 0, "lost");
        require(self.memory[1] <= MOST_MEMORY, "memory");
        require(self.logged <= MOST_LOGGED, "log");
        require(self.recovery.is_some(), "recovery");
        require(self.dead == 0, "dead");
        require(self.done[0] + self.done[1] > 0, "idle attacker");
        misses
    }

    pub(crate) fn holds(&self) -> bool {
        self.misses().is_empty()
    }
}

pub(crate) async fn run(program: &Program, node_binary: &Path, length: Duration) -> Result<Trial> {
    let mut network = Network::start(node_binary).await?;
    let innocents = Innocents::start(&network).await?;
    sleep(WARM_UP).await;
    innocents.take();
    sleep(BASELINE).await;
    let before = innocents.take();
    if before.count == 0 || innocents.lost() > 0 {
        bail!("the network does not work without an attack: {before:?}");
    }
    let mut memory = [network.memory(); 3];
    let logged = network.logged();

    let mut attacker = start(program.name, network.dir())?;
    let end = Instant::now() + length;
    while Instant::now() < end {
        sleep(STEP).await;
        memory[1] = memory[1].max(network.memory());
    }
    let during = innocents.take();
    let done = stop(&mut attacker).await?;

    let recovery = recover(&innocents, before).await;
    memory[2] = network.memory();
    let trial = Trial {
        attack: program.name,
        what: program.what,
        before,
        during,
        lost: innocents.lost(),
        memory,
        logged: network.logged() - logged,
        recovery,
        dead: network.dead(),
        done,
    };
    innocents.stop().await;
    Ok(trial)
}

/// Waits 5 s and returns after how many milliseconds the latency was as before.
async fn recover(innocents: &Innocents, before: Latency) -> Option<u64> {
    let start = Instant::now();
    let most = (before.p99 * MOST_RATIO).max(TICK);
    let mut recovered = None;
    innocents.take();
    while start.elapsed() < RECOVERY {
        let began = start.elapsed();
        sleep(STEP).await;
        let now = innocents.take();
        if now.count == 0 || now.p99 > most {
            recovered = None;
        } else if recovered.is_none() {
            recovered = u64::try_from(began.as_millis()).ok();
        }
    }
    recovered
}

fn start(name: &str, dir: &Path) -> Result<tokio::process::Child> {
    // It has the lowest priority, so that its work takes no time from the nodes.
    Command::new("nice")
        .args(["-n", "19"])
        .arg(std::env::current_exe()?)
        .args(["attack", name, "--dir"])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("starting the attacker")
}

/// Ends the attacker and returns the counts that it reported.
async fn stop(attacker: &mut tokio::process::Child) -> Result<[u64; 2]> {
    drop(attacker.stdin.take());
    let mut output = String::new();
    if let Some(mut stdout) = attacker.stdout.take() {
        tokio::io::AsyncReadExt::read_to_string(&mut stdout, &mut output).await?;
    }
    attacker.wait().await?;
    let mut numbers = output.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(done)), Some(Ok(refused))) => Ok([done, refused]),
        _ => bail!("the attacker failed: {output:?}"),
    }
}
