//! How many unicasts another node is given without an answer to any, while others have the topic, too.
//!
//! What subscribers a node has is known by its word alone, and one that says it has most of them is drawn
//! most often. So a node that has answered nothing is given a few, and one more for each that it answers,
//! as a sender of TCP does that starts slowly. Each that it refuses or leaves halves that, and several in a
//! row have it pause. Where nobody else has the topic it is asked all the same.
//!
//! An agency issues itself as many nodes as it likes. So those of its nodes that have answered nothing, or failed
//! several times in a row since, have no more together than one.

use std::time::{Duration, Instant};

use crate::{hash::HashMap, node::after, p2p::mesh::NodeKey};

/// A node has so many to begin with, and so have all of an agency that have proved nothing.
const FIRST: u32 = 4;

/// And so many in the end.
const MOST: u32 = 1 << 20;

/// So many failures in a row are no reason for a pause: one of its subscribers has just left.
const FREE: u32 = 2;

/// The first pause; each further failure doubles it,
const PAUSE: Duration = Duration::from_millis(250);

/// up to this.
const LONGEST: Duration = Duration::from_secs(30);

/// So many nodes, and agencies, are remembered before those are forgotten that have nothing.
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
    /// Another one, if it were the only one of its agency.
    pub(super) alone: bool,
    /// How many at once, in all.
    pub(super) most: u32,
    /// The agency with which it has that together.
    pub(super) shared: Option<u64>,
}

impl Allowance {
    /// That of a node that needs no credit.
    pub(super) const ONE: Self = Self {
        more: true,
        alone: true,
        most: 1,
        shared: None,
    };
}

/// Whose credit a unicast takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given {
    /// Who speaks for the node that has it.
    node: NodeKey,
    /// Whose that is, if it has proved nothing.
    agency: Option<u64>,
}

/// The credit of nodes, by those who speak for them, and of agencies.
#[derive(Debug, Clone, Default)]
pub(super) struct Credits {
    nodes: HashMap<NodeKey, OfNode>,
    /// Of nodes that have proved nothing.
    agencies: HashMap<u64, Credit>,
}

#[derive(Debug, Clone, Default)]
struct OfNode {
    credit: Credit,
    /// It has answered, and not failed several times in a row since.
    proven: bool,
}

#[derive(Debug, Clone)]
struct Credit {
    /// Unicasts it has.
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
    /// What a node may be given although others may have it. `agency` says whose it is.
    pub(super) fn of(
        &self,
        now: Instant,
        node: NodeKey,
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

    /// A node was sent one.
    pub(super) fn give(&mut self, node: NodeKey, agency: impl FnOnce() -> u64) -> Given {
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
        Given { node, agency }
    }

    /// It has it no longer.
    pub(super) fn take(&mut self, given: Given, outcome: Outcome) {
        if let Some(held) = self.nodes.get_mut(&given.node) {
            held.credit.take(outcome, MOST);
            held.proven = match outcome {
                Outcome::Answered => true,
                Outcome::Failed(_) | Outcome::Ended => held.proven && held.credit.failures <= FREE,
            };
        }
        let agency = given
            .agency
            .and_then(|agency| self.agencies.get_mut(&agency));
        if let Some(credit) = agency {
            // Who answers has credit of its own from now on.
            credit.take(outcome, FIRST);
        }
    }
}

/// Whether one more may be given, and how many at once.
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

    fn take(&mut self, outcome: Outcome, most: u32) {
        self.has = self.has.saturating_sub(1);
        match outcome {
            Outcome::Answered => {
                self.most = (self.most + 1).min(most);
                self.failures = 0;
                self.pauses_until = None;
            }
            Outcome::Failed(now) => {
                self.most = (self.most / 2).max(1);
                // What it has had since before the pause is no further failure.
                if self.pauses_until.is_some_and(|until| until > now) {
                    return;
                }
                self.failures = self.failures.saturating_add(1);
                if let Some(doubled) = self.failures.checked_sub(FREE + 1) {
                    let pause = PAUSE.saturating_mul(1 << doubled.min(16)).min(LONGEST);
                    self.pauses_until = Some(after(now, pause));
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
    const AGENCY: u64 = 70;

    /// The credit, and what is with nodes of one agency.
    #[derive(Default)]
    struct Given {
        credits: Credits,
        out: Vec<super::Given>,
    }

    impl Given {
        fn of(&self, now: Instant, node: NodeKey) -> Allowance {
            self.credits.of(now, node, || AGENCY)
        }

        fn give(&mut self, node: NodeKey) {
            self.out.push(self.credits.give(node, || AGENCY));
        }

        /// The oldest ends.
        fn take(&mut self, outcome: Outcome) {
            self.credits.take(self.out.remove(0), outcome);
        }

        fn fail(&mut self, now: Instant, count: usize) {
            for _ in 0..count {
                self.give(NODE);
                self.take(Outcome::Failed(now));
            }
        }

        /// Gives as many as may be.
        fn fill(&mut self, now: Instant, node: NodeKey) -> usize {
            let before = self.out.len();
            while self.of(now, node).more && self.out.len() < before + 1000 {
                self.give(node);
            }
            self.out.len() - before
        }
    }

    #[test]
    fn who_answers_is_given_more_and_who_does_not_gets_few() {
        let (now, mut given) = (Instant::now(), Given::default());
        assert_eq!(given.fill(now, NODE), 4);
        for _ in 0..4 {
            given.take(Outcome::Answered);
        }
        assert_eq!(given.fill(now, NODE), 8);
        for _ in 0..8 {
            given.take(Outcome::Answered);
        }
        assert_eq!(given.fill(now, NODE), 16);
        given.take(Outcome::Ended);
        assert_eq!(given.fill(now, NODE), 1);
        given.take(Outcome::Failed(now));
        for _ in 0..15 {
            given.take(Outcome::Ended);
        }
        assert_eq!(given.fill(now, NODE), 8);
    }

    #[test]
    fn who_fails_again_and_again_pauses_for_longer_and_longer() {
        let (start, mut given) = (Instant::now(), Given::default());
        given.fail(start, 2);
        assert!(given.of(start, NODE).more);
        let mut now = start;
        for pause in [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            // However many fail at once.
            given.fail(now, 3);
            let before = now + Duration::from_millis(pause - 1);
            assert!(!given.of(before, NODE).more, "{pause}");
            now += Duration::from_millis(pause);
            assert!(given.of(now, NODE).more, "{pause}");
        }
        given.give(NODE);
        given.fail(now, 1);
        assert!(!given.of(now, NODE).more);
        // One answer is enough to be trusted again.
        given.take(Outcome::Answered);
        assert!(given.of(now, NODE).more);
    }

    #[test]
    fn nodes_of_an_agency_that_have_proved_nothing_have_no_more_than_one() {
        let (start, mut given) = (Instant::now(), Given::default());
        let nodes = || (0..50).map(NodeKey);
        let all = |given: &mut Given, now| nodes().map(|node| given.fill(now, node)).sum::<usize>();
        assert_eq!(all(&mut given, start), 4);
        let other = given.credits.of(start, NodeKey(99), || AGENCY + 1);
        assert!(other.more);
        // One answers, and has its own.
        given.take(Outcome::Answered);
        assert_eq!(all(&mut given, start), 2 + 1);
        given.out.retain(|one| one.agency.is_some());
        assert_eq!(given.out.len(), 4);
        // The others fail, and pause as one does, whichever fails.
        let mut now = start;
        while !given.out.is_empty() {
            given.take(Outcome::Failed(now));
        }
        for pause in [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            assert!(nodes().skip(1).all(|node| !given.of(now, node).more));
            now += Duration::from_millis(pause);
            assert_eq!(given.fill(now, NodeKey(10 + pause % 40)), 1, "{pause}");
            given.take(Outcome::Failed(now));
        }
    }

    #[test]
    fn who_fails_after_it_has_answered_has_proved_nothing() {
        let (now, mut given) = (Instant::now(), Given::default());
        given.give(NODE);
        given.take(Outcome::Answered);
        assert_eq!(given.of(now, NODE).shared, None);
        given.fail(now, 2);
        assert_eq!(given.of(now, NODE).shared, None);
        given.fail(now, 1);
        assert_eq!(given.of(now, NODE).shared, Some(AGENCY));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut credits = Credits::default();
        for node in 0..3 * NODES as u64 {
            let given = credits.give(NodeKey(node), || node);
            credits.take(given, Outcome::Ended);
        }
        assert!(credits.nodes.len() <= NODES);
        assert!(credits.agencies.len() <= NODES);
    }
}
