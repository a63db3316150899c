//! The faults of a run and their times, decided in advance by a seed.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::topology::Topology;

/// A fault that lasts for a while and is then repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A node's process is killed (SIGKILL).
    Kill { node: usize },
    /// A node's process is told to stop.
    Stop { node: usize },
    /// The connections between two nodes are reset, and new ones refused.
    Cut { link: usize },
    /// Data between two nodes disappears for this long; then the link is cut.
    Hold { link: usize, lasts: Duration },
    /// Data between two nodes takes longer.
    Slow { link: usize, by: Duration },
    /// A client's connection to one of its nodes is reset, and new ones refused.
    CutClient { client: usize, way: usize },
}

/// A fault with its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlannedFault {
    /// The time of the fault, since the start of the run.
    pub(crate) at: Duration,
    pub(crate) fault: Fault,
    /// The time from the fault, or the end of a hold, to its repair.
    pub(crate) down: Duration,
}

/// The average intervals between faults; `None` means never.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FaultIntervals {
    pub(crate) kills: Option<Duration>,
    pub(crate) cuts: Option<Duration>,
    /// Whether connections of clients are cut, too.
    pub(crate) clients: bool,
    /// Whether links and nodes that hold the network together may be cut or killed.
    pub(crate) partitions: bool,
}

/// An endless sequence of steps in the order of their times. The same arguments give the same
/// sequence.
#[derive(Debug)]
pub(crate) struct FaultPlan {
    rng: StdRng,
    pace: FaultIntervals,
    next_kill: Option<Duration>,
    next_cut: Option<Duration>,
    /// Nodes that may be killed and links that may be cut.
    nodes: Vec<usize>,
    links: Vec<usize>,
    clients: usize,
}

impl FaultPlan {
    /// Creates a plan for a network with this many clients, each with connections to two nodes.
    pub(crate) fn new(
        seed: u64,
        pace: FaultIntervals,
        topology: &Topology,
        clients: usize,
    ) -> Self {
        let spared = |node: usize| topology.is_connected(|at| at != node, |_| true);
        let nodes = (0..topology.nodes)
            .filter(|&node| pace.partitions || spared(node))
            .collect();
        let spared = |link: usize| topology.is_connected(|_| true, |at| at != link);
        let links = (0..topology.links.len())
            .filter(|&link| pace.partitions || spared(link))
            .collect();
        let mut plan = Self {
            rng: StdRng::seed_from_u64(seed),
            pace,
            next_kill: None,
            next_cut: None,
            nodes,
            links,
            clients,
        };
        if !plan.nodes.is_empty() {
            plan.next_kill = plan.after(Duration::ZERO, pace.kills);
        }
        if !plan.links.is_empty() || (pace.clients && clients > 0) {
            plan.next_cut = plan.after(Duration::ZERO, pace.cuts);
        }
        plan
    }

    /// Returns a time about one interval later.
    fn after(&mut self, at: Duration, interval: Option<Duration>) -> Option<Duration> {
        Some(at + interval?.mul_f64(self.rng.random_range(0.5..1.5)))
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.random_range(range))
    }

    fn one_of(&mut self, kind: fn(&Self) -> &Vec<usize>) -> usize {
        let at = self.rng.random_range(0..kind(self).len());
        kind(self)[at]
    }

    fn kill(&mut self) -> Fault {
        let node = self.one_of(|plan| &plan.nodes);
        if self.rng.random_ratio(3, 4) {
            Fault::Kill { node }
        } else {
            Fault::Stop { node }
        }
    }

    fn cut(&mut self) -> Fault {
        let of_client = self.pace.clients && self.clients > 0;
        if self.links.is_empty() || (of_client && self.rng.random_ratio(1, 4)) {
            return Fault::CutClient {
                client: self.rng.random_range(0..self.clients),
                way: self.rng.random_range(0..2),
            };
        }
        let link = self.one_of(|plan| &plan.links);
        match self.rng.random_range(0..6) {
            0 => Fault::Hold {
                link,
                lasts: self.millis(500..3000),
            },
            1 => Fault::Slow {
                link,
                by: self.millis(5..50),
            },
            _ => Fault::Cut { link },
        }
    }
}

impl Iterator for FaultPlan {
    type Item = PlannedFault;

    fn next(&mut self) -> Option<PlannedFault> {
        let never = Duration::MAX;
        let (kill, cut) = (
            self.next_kill.unwrap_or(never),
            self.next_cut.unwrap_or(never),
        );
        if kill == never && cut == never {
            return None;
        }
        let (at, fault) = if kill <= cut {
            self.next_kill = self.after(kill, self.pace.kills);
            (kill, self.kill())
        } else {
            self.next_cut = self.after(cut, self.pace.cuts);
            (cut, self.cut())
        };
        let down = self.millis(1000..3000);
        Some(PlannedFault { at, fault, down })
    }
}

#[cfg(test)]
mod tests;
