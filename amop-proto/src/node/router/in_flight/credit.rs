//! How many unanswered unicasts a node may be given at once while other nodes have the topic, too.
//!
//! Only a node itself says how many subscribers it has, and a node that claims most of them is
//! drawn most often. So a node that has answered nothing is given a few unicasts, and one more for
//! each that it answers, like a TCP sender in slow start. Each unicast that it refuses or does not
//! answer halves the number, and several in a row make it pause. If no other node has the topic it
//! is asked nevertheless.
//!
//! An agency can issue itself any number of nodes. So all of its nodes that have answered nothing,
//! or have failed several times in a row since their last answer, share the credit of one node.

use std::time::{Duration, Instant};

use crate::{hash::HashMap, node::after, p2p::mesh::RoutingKey};

/// The number of unicasts at the start, for a node and for all unproven nodes of an agency
/// together.
const FIRST: u32 = 4;

/// The largest number of unicasts.
const MOST: u32 = 1 << 20;

/// The number of failures in a row that cause no pause: one of the node's subscribers may just have
/// left.
const FREE: u32 = 2;

/// The first pause; each further failure doubles it,
const PAUSE: Duration = Duration::from_millis(250);

/// up to this.
const LONGEST: Duration = Duration::from_secs(30);

/// The number of nodes, and of agencies, that are remembered before those that have no unicast are
/// forgotten.
const NODES: usize = 4096;

/// How a unicast given to a node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node::router) enum CreditOutcome {
    Answered,
    /// It was refused, or not answered in time; known since this time.
    Failed(Instant),
    /// It ended for a reason that does not concern the node.
    Ended,
}

/// How much a node may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node::router) struct Allowance {
    /// Whether it may be given another unicast.
    pub(in crate::node::router) more: bool,
    /// Whether it could be given another one if it were the only node of its agency.
    pub(in crate::node::router) alone: bool,
    /// How many it may have at once, in total.
    pub(in crate::node::router) most: u32,
    /// The agency that shares this allowance.
    pub(in crate::node::router) shared: Option<u64>,
}

impl Allowance {
    /// The allowance of a target that needs no credit.
    pub(in crate::node::router) const ONE: Self = Self {
        more: true,
        alone: true,
        most: 1,
        shared: None,
    };
}

/// The credit that a unicast uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node::router) struct UsedCredit {
    /// The node that speaks for the one that has the unicast.
    node: RoutingKey,
    /// The agency of that node, if it is unproven.
    agency: Option<u64>,
}

/// The credit of nodes, by the node that speaks for each, and of agencies.
#[derive(Debug, Clone, Default)]
pub(in crate::node::router) struct Credits {
    nodes: HashMap<RoutingKey, OfNode>,
    /// The credit of the unproven nodes of each agency.
    agencies: HashMap<u64, Credit>,
}

#[derive(Debug, Clone, Default)]
struct OfNode {
    credit: Credit,
    /// Whether it has answered, and not failed several times in a row since.
    proven: bool,
}

#[derive(Debug, Clone)]
struct Credit {
    /// The number of unicasts it has.
    has: u32,
    most: u32,
    failures: u32,
    pauses_until: Option<Instant>,
}

impl Default for Credit {
    fn default() -> Self {
        Self {
            has: 0,
            most: FIRST,
            failures: 0,
            pauses_until: None,
        }
    }
}

impl Credits {
    /// Returns how much a node may be given while others may have it. `agency` returns its agency.
    pub(in crate::node::router) fn of(
        &self,
        now: Instant,
        node: RoutingKey,
        agency: impl FnOnce() -> u64,
    ) -> Allowance {
        let held = self.nodes.get(&node);
        let (more, most) = may(held.map(|held| &held.credit), now);
        if held.is_some_and(|held| held.proven) {
            return Allowance {
                more,
                alone: more,
                most,
                shared: None,
            };
        }
        let agency = agency();
        let (more_of_all, most_of_all) = may(self.agencies.get(&agency), now);
        Allowance {
            more: more && more_of_all,
            alone: more,
            most: most.min(most_of_all),
            shared: Some(agency),
        }
    }

    /// Records that a node was sent a unicast.
    pub(in crate::node::router) fn give(
        &mut self,
        node: RoutingKey,
        agency: impl FnOnce() -> u64,
    ) -> UsedCredit {
        if self.nodes.len() >= NODES {
            self.nodes.retain(|_, held| held.credit.has > 0);
        }
        let held = self.nodes.entry(node).or_default();
        held.credit.give();
        let agency = (!held.proven).then(agency);
        if let Some(agency) = agency {
            if self.agencies.len() >= NODES {
                self.agencies.retain(|_, credit| credit.has > 0);
            }
            self.agencies.entry(agency).or_default().give();
        }
        UsedCredit { node, agency }
    }

    /// Records that a unicast given to a node has ended.
    pub(in crate::node::router) fn take(&mut self, given: UsedCredit, outcome: CreditOutcome) {
        if let Some(held) = self.nodes.get_mut(&given.node) {
            held.credit.take(outcome, MOST);
            held.proven = match outcome {
                CreditOutcome::Answered => true,
                CreditOutcome::Failed(_) | CreditOutcome::Ended => {
                    held.proven && held.credit.failures <= FREE
                }
            };
        }
        let agency = given
            .agency
            .and_then(|agency| self.agencies.get_mut(&agency));
        if let Some(credit) = agency {
            // A node that answers has credit of its own from now on.
            credit.take(outcome, FIRST);
        }
    }
}

/// Returns whether one more may be given, and how many at once.
fn may(credit: Option<&Credit>, now: Instant) -> (bool, u32) {
    match credit {
        None => (true, FIRST),
        Some(credit) if credit.pauses_until.is_some_and(|until| until > now) => (false, 0),
        Some(credit) => (credit.has < credit.most, credit.most),
    }
}

impl Credit {
    fn give(&mut self) {
        self.has = self.has.saturating_add(1);
    }

    fn take(&mut self, outcome: CreditOutcome, most: u32) {
        self.has = self.has.saturating_sub(1);
        match outcome {
            CreditOutcome::Answered => {
                self.most = (self.most + 1).min(most);
                self.failures = 0;
                self.pauses_until = None;
            }
            CreditOutcome::Failed(now) => {
                self.most = (self.most / 2).max(1);
                // Failures of unicasts from before the pause do not count again.
                if self.pauses_until.is_some_and(|until| until > now) {
                    return;
                }
                self.failures = self.failures.saturating_add(1);
                if let Some(doubled) = self.failures.checked_sub(FREE + 1) {
                    let pause = PAUSE.saturating_mul(1 << doubled.min(16)).min(LONGEST);
                    self.pauses_until = Some(after(now, pause));
                }
            }
            CreditOutcome::Ended => {}
        }
    }
}

#[cfg(test)]
mod tests;
