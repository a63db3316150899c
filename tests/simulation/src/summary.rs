//! The result of a run.

use std::{fmt, time::Duration};

use amop_proto::client::MessageKind;
use amop_testkit::topology::Topology;

use crate::{
    config::{Config, Profile},
    ledger::Verdict,
    traffic::Volume,
    violation::Violation,
    world::World,
};

/// The result of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The seed.
    pub seed: u64,
    /// The other options that repeat this run.
    pub options: String,
    /// The number of nodes, their links and the faults.
    pub network: (usize, Topology, Profile),
    /// The share of the SDKs' connections that speak 3.x.
    pub share_of_v3: f64,
    /// The share of the network's links that are connections between gateways of 3.x.
    pub share_of_gateways: f64,
    /// The virtual time it took.
    pub time: Duration,
    /// The number of events.
    pub events: u64,
    /// The number of log lines.
    pub lines: u64,
    /// The number of unicasts published, and the number answered.
    pub unicasts: (u64, u64),
    /// The number of multicasts published, and the number of copies that programs got.
    pub multicasts: (u64, u64),
    /// The number of unicasts and of multicasts that gateways sent each other.
    pub crossed: (u64, u64),
    /// The time from the start until all nodes knew the truth.
    pub joined: Option<Duration>,
    /// The time from the last fault until all nodes knew the truth again.
    pub converged: Option<Duration>,
    /// The cost of routing.
    pub control: Volume,
    /// The SHA-256 of the log.
    pub hash: String,
    /// The broken invariants.
    pub violations: Vec<Violation>,
}

impl Summary {
    pub(crate) fn of(world: &World, joined: Option<Duration>, converged: Option<Duration>) -> Self {
        let (mut unicasts, mut multicasts) = ((0, 0), (0, 0));
        for (_, message) in world.ledger.messages() {
            match message.kind {
                MessageKind::Unicast => {
                    let answered = matches!(message.done, Some((_, Verdict::Answered(_))));
                    unicasts.0 += 1;
                    unicasts.1 += u64::from(answered);
                }
                MessageKind::Multicast => {
                    multicasts.0 += 1;
                    multicasts.1 += message.got.len() as u64;
                }
            }
        }
        let config = &world.config;
        Self {
            seed: config.seed,
            options: options_of(config),
            network: (config.nodes, config.topology, config.profile),
            share_of_v3: config.share_of_v3,
            share_of_gateways: config.share_of_gateways,
            crossed: world.gateways.crossed_count(),
            time: world.now(),
            events: world.events(),
            lines: world.log.lines(),
            unicasts,
            multicasts,
            joined,
            converged,
            control: world.traffic.all_control(),
            hash: world.hash(),
            violations: world.violations().to_vec(),
        }
    }

    /// Returns the command that repeats this run.
    pub fn replay(&self) -> String {
        let Self { seed, options, .. } = self;
        format!("cargo run -p amop-sim --release -- --seed {seed} {options}")
    }

    /// Returns whether all invariants held.
    pub fn is_good(&self) -> bool {
        self.violations.is_empty()
    }
}

/// Returns the options of the command for a run without hostile hosts.
fn options_of(config: &Config) -> String {
    let gateways = match config.share_of_gateways > 0.0 {
        true => format!(" --gateways {}", config.share_of_gateways),
        false => String::new(),
    };
    format!(
        "--nodes {} --topology {} --profile {} --v3 {}{gateways}",
        config.nodes,
        format!("{:?}", config.topology).to_lowercase(),
        format!("{:?}", config.profile).to_lowercase(),
        config.share_of_v3
    )
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nodes, topology, profile) = self.network;
        let seconds = |time: Option<Duration>| match time {
            Some(time) => format!("{:.1} s", time.as_secs_f64()),
            None => "not in time".to_owned(),
        };
        writeln!(
            f,
            "seed {}: {nodes} nodes, {topology:?}, {profile:?}; {:.0} s, {} events",
            self.seed,
            self.time.as_secs_f64(),
            self.events
        )?;
        let ((unicasts, answered), (multicasts, copies)) = (self.unicasts, self.multicasts);
        writeln!(
            f,
            "  {unicasts} unicasts, {answered} answered; {multicasts} multicasts, {copies} copies"
        )?;
        if self.share_of_gateways > 0.0 {
            let (unicasts, multicasts) = self.crossed;
            writeln!(
                f,
                "  {unicasts} unicasts and {multicasts} multicasts crossed a gateway connection"
            )?;
        }
        writeln!(
            f,
            "  all nodes agreed {} after the start, {} after the last fault",
            seconds(self.joined),
            seconds(self.converged)
        )?;
        writeln!(
            f,
            "  routing: {} frames, {} bytes",
            self.control.frames, self.control.bytes
        )?;
        writeln!(f, "  log: {} lines, sha256 {}", self.lines, self.hash)?;
        for violation in &self.violations {
            writeln!(f, "  VIOLATED at {violation}")?;
        }
        Ok(())
    }
}
