//! One large network: how soon it converges, the cost, and the length of its paths.

use std::{fmt, time::Duration};

use amop_testkit::topology::Topology;
use rand::RngExt;

use crate::{
    config::Config,
    ledger::{MessageId, Verdict},
    traffic::Volume,
    violation::Violation,
    world::{Behaviour, World},
};

/// How long control traffic is counted after all nodes agree.
const STEADY: Duration = Duration::from_secs(10);

/// The number of unicasts sent to measure paths.
const MESSAGES: usize = 1000;

/// The results for a large network.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// The number of nodes.
    pub nodes: usize,
    /// The number of links.
    pub links: usize,
    /// The virtual time from the start until every node knew the truth.
    pub converged: Option<Duration>,
    /// The control traffic of all nodes until then.
    pub until_converged: Volume,
    /// The control traffic of all nodes per second after that.
    pub steady: Volume,
    /// Links crossed divided by the fewest possible: mean and maximum.
    pub stretch: Option<(f64, f64)>,
    /// The number of unicasts sent between random nodes, and the number answered.
    pub unicasts: (usize, usize),
    /// The number of events.
    pub events: u64,
    /// The SHA-256 of the log.
    pub hash: String,
    /// The broken invariants.
    pub violations: Vec<Violation>,
}

/// Runs a network of this many nodes, all started within 0.1 s, each with its own topic.
pub fn scale(seed: u64, nodes: usize, topology: Topology, bound: Duration) -> Scale {
    let mut world = World::new(Config::new(seed, nodes, topology));
    let clients: Vec<usize> = (0..nodes)
        .map(|node| {
            let topic = world.topic(&format!("node{node}"));
            world.add_client(&[node], &[topic], Behaviour::Prompt)
        })
        .collect();
    let converged = world.converge(bound);
    let until_converged = world.traffic.all_control();
    world.run_for(STEADY);
    let steady = world.traffic.all_control().since(until_converged);
    let seconds = STEADY.as_secs();
    let sent: Vec<MessageId> = (0..MESSAGES)
        .map(|_| {
            let from = clients[world.rng.random_range(0..nodes)];
            let topic = world.rng.random_range(0..nodes);
            let id = world.publish(from, true, topic);
            world.run_for(Duration::from_millis(2));
            id
        })
        .collect();
    world.run_for(Duration::from_secs(5));
    let answered = sent
        .iter()
        .filter(|&&id| matches!(world.verdict(id), Some(Verdict::Answered(_))))
        .count();
    Scale {
        nodes,
        links: world.edges.len(),
        converged,
        until_converged,
        steady: Volume {
            frames: steady.frames / seconds,
            bytes: steady.bytes / seconds,
        },
        stretch: world.stretch(),
        unicasts: (sent.len(), answered),
        events: world.events(),
        hash: world.hash(),
        violations: world.violations().to_vec(),
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.nodes as u64;
        writeln!(
            f,
            "{nodes} nodes, {} links, {} events",
            self.links, self.events
        )?;
        match self.converged {
            Some(time) => writeln!(
                f,
                "  all agreed {:.1} s after the start",
                time.as_secs_f64()
            )?,
            None => writeln!(f, "  did not agree in time")?,
        }
        let (until, steady) = (self.until_converged, self.steady);
        writeln!(
            f,
            "  control traffic of a node: {} frames, {} bytes until then; {:.1} frames, {} bytes a \
             second after",
            until.frames / nodes,
            until.bytes / nodes,
            steady.frames as f64 / nodes as f64,
            steady.bytes / nodes
        )?;
        let (sent, answered) = self.unicasts;
        writeln!(
            f,
            "  {answered} of {sent} unicasts between random nodes answered"
        )?;
        if let Some((mean, most)) = self.stretch {
            writeln!(f, "  path stretch: mean {mean:.3}, most {most:.3}")?;
        }
        writeln!(f, "  sha256 {}", self.hash)?;
        for violation in &self.violations {
            writeln!(f, "  VIOLATED at {violation}")?;
        }
        Ok(())
    }
}
