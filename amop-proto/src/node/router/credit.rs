//! How many unicasts another node is given without an answer to any, while others have the topic, too.
//!
//! What subscribers a node has is known by its word alone, and one that says it has most of them is drawn
//! most often. So a node that has answered nothing is given a few, and one more for each that it answers,
//! as a sender of TCP does that starts slowly. Each that it refuses or leaves halves that, and several in a
//! row have it pause. Where nobody else has the topic it is asked all the same.

use std::time::{Duration, Instant};

use crate::{hash::HashMap, node::after, p2p::mesh::NodeKey};

/// A node has so many to begin with.
const FIRST: u32 = 4;

/// And so many in the end.
const MOST: u32 = 1 << 20;

/// So many failures in a row are no reason for a pause: one of its subscribers has just left.
const FREE: u32 = 2;

/// The first pause; each further failure doubles it,
const PAUSE: Duration = Duration::from_millis(250);

/// up to this.
const LONGEST: Duration = Duration::from_secs(30);

/// So many nodes are remembered before those are forgotten that have nothing.
const NODES: usize = 4096;

/// What became of a unicast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    /// It was refused, or not answered in time; this is known since then.
    Failed(Instant),
    /// That had nothing to do with the node.
    Ended,
}

/// What a node may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    /// Another unicast.
    pub(super) more: bool,
    /// How many at once, in all.
    pub(super) most: u32,
}

/// The credit of nodes, by those who speak for them.
#[derive(Debug, Clone, Default)]
pub(super) struct Credits(HashMap<NodeKey, Credit>);

#[derive(Debug, Clone)]
struct Credit {
    /// Unicasts it has.
    has: u32,
    most: u32,
    failures: u32,
    pauses_until: Option<Instant>,
}

impl Credits {
    /// What a node may be given although others may have it.
    pub(super) fn of(&self, now: Instant, node: NodeKey) -> Allowance {
        let Some(credit) = self.0.get(&node) else {
            return Allowance {
                more: true,
                most: FIRST,
            };
        };
        let pauses = credit.pauses_until.is_some_and(|until| until > now);
        Allowance {
            more: !pauses && credit.has < credit.most,
            most: if pauses { 0 } else { credit.most },
        }
    }

    /// A node was sent one.
    pub(super) fn give(&mut self, node: NodeKey) {
        if self.0.len() >= NODES {
            self.0.retain(|_, credit| credit.has > 0);
        }
        let credit = self.0.entry(node).or_insert(Credit {
            has: 0,
            most: FIRST,
            failures: 0,
            pauses_until: None,
        });
        credit.has = credit.has.saturating_add(1);
    }

    /// It has it no longer.
    pub(super) fn take(&mut self, node: NodeKey, outcome: Outcome) {
        let Some(credit) = self.0.get_mut(&node) else {
            return;
        };
        credit.has = credit.has.saturating_sub(1);
        match outcome {
            Outcome::Answered => {
                credit.most = (credit.most + 1).min(MOST);
                credit.failures = 0;
                credit.pauses_until = None;
            }
            Outcome::Failed(now) => {
                credit.most = (credit.most / 2).max(1);
                // What it has had since before the pause is no further failure.
                if credit.pauses_until.is_some_and(|until| until > now) {
                    return;
                }
                credit.failures = credit.failures.saturating_add(1);
                if let Some(doubled) = credit.failures.checked_sub(FREE + 1) {
                    let pause = PAUSE.saturating_mul(1 << doubled.min(16)).min(LONGEST);
                    credit.pauses_until = Some(after(now, pause));
                }
            }
            Outcome::Ended => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeKey = NodeKey(7);

    fn fail(credits: &mut Credits, now: Instant, count: usize) {
        for _ in 0..count {
            credits.give(NODE);
            credits.take(NODE, Outcome::Failed(now));
        }
    }

    #[test]
    fn who_answers_is_given_more_and_who_does_not_gets_few() {
        let (now, mut credits) = (Instant::now(), Credits::default());
        let given = |credits: &mut Credits| {
            let mut given = 0;
            while credits.of(now, NODE).more && given < 1000 {
                credits.give(NODE);
                given += 1;
            }
            given
        };
        assert_eq!(given(&mut credits), 4);
        for _ in 0..4 {
            credits.take(NODE, Outcome::Answered);
        }
        assert_eq!(given(&mut credits), 8);
        for _ in 0..8 {
            credits.take(NODE, Outcome::Answered);
        }
        assert_eq!(given(&mut credits), 16);
        credits.take(NODE, Outcome::Ended);
        assert_eq!(given(&mut credits), 1);
        credits.take(NODE, Outcome::Failed(now));
        for _ in 0..15 {
            credits.take(NODE, Outcome::Ended);
        }
        assert_eq!(given(&mut credits), 8);
    }

    #[test]
    fn who_fails_again_and_again_pauses_for_longer_and_longer() {
        let (start, mut credits) = (Instant::now(), Credits::default());
        fail(&mut credits, start, 2);
        assert!(credits.of(start, NODE).more);
        let mut now = start;
        for pause in [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            // However many fail at once.
            fail(&mut credits, now, 3);
            let before = now + Duration::from_millis(pause - 1);
            assert!(!credits.of(before, NODE).more, "{pause}");
            now += Duration::from_millis(pause);
            assert!(credits.of(now, NODE).more, "{pause}");
        }
        fail(&mut credits, now, 1);
        assert!(!credits.of(now, NODE).more);
        // One answer is enough to be trusted again.
        credits.take(NODE, Outcome::Answered);
        assert!(credits.of(now, NODE).more);
    }

    #[test]
    fn the_nodes_remembered_are_bounded() {
        let mut credits = Credits::default();
        for node in 0..3 * NODES as u64 {
            credits.give(NodeKey(node));
            credits.take(NodeKey(node), Outcome::Ended);
        }
        assert!(credits.0.len() <= NODES);
    }
}
