//! The unicasts in flight: who has each of them, and when it is looked at again.

mod backlog;
mod credit;
mod draw;
mod newest;
mod reach;
mod unicast;
mod walk;

use std::{
    collections::{BTreeSet, hash_map::Entry},
    ops::Bound,
    time::Instant,
};

use rand::RngExt;

use self::newest::Newest;
pub(super) use self::{
    backlog::{Backlog, FailedAttempt, JobKind, SLICE},
    credit::{Allowance, CreditOutcome, Credits},
    reach::Reach,
    unicast::{AttemptState, TriedTargets, Unicast},
    walk::{DrawnTarget, LOOK_PAUSE},
};
use super::{
    ends::{Origin, UnicastId},
    outbound::Links,
    topics::SubscriberTable,
};
use crate::{
    channel::Frame,
    node::{
        SessionId,
        dice::Dice,
        shares::{HolderId, Resource, Shares},
    },
    p2p::mesh::RoutingKey,
    shards::Shards,
};

/// The unicasts in flight.
#[derive(Debug, Clone)]
pub(super) struct InFlight {
    unicasts: Shards<UnicastId, Box<Unicast>>,
    timers: BTreeSet<(Instant, UnicastId)>,
    /// Those on their way to overlay nodes and not yet answered.
    asked: BTreeSet<(RoutingKey, UnicastId)>,
    /// Those of overlay nodes: by the node, the name it sent them to, and its id of them.
    asking: Shards<(RoutingKey, RoutingKey, u64), UnicastId>,
    /// How many each overlay node may have at once.
    pub(super) credits: Credits,
    newest: Newest,
    /// The holder whose unicasts were ended last in favour of others; it may still have more than
    /// its fair share.
    greedy: Option<HolderId>,
    /// Work that concerns many of them.
    pub(super) backlog: Backlog,
    next: UnicastId,
}

/// Returns the amounts that a unicast uses while it is in flight.
pub(super) fn amounts_of(frame: &Frame) -> [(Resource, usize); 2] {
    let bytes = frame.wire_len();
    [(Resource::InFlight, 1), (Resource::InFlightBytes, bytes)]
}

impl InFlight {
    pub(super) fn new(rng: &mut Dice, epoch: u64) -> Self {
        Self {
            unicasts: Shards::default(),
            timers: BTreeSet::new(),
            asked: BTreeSet::new(),
            asking: Shards::default(),
            credits: Credits::default(),
            newest: Newest::default(),
            greedy: None,
            backlog: Backlog::default(),
            // Other nodes remember the ids of this node's messages for longer than a restart takes.
            next: (rng.random::<u64>() >> 2) + epoch.min(u64::MAX >> 2),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unicasts.is_empty()
            && self.timers.is_empty()
            && self.asked.is_empty()
            && self.asking.is_empty()
            && self.backlog.is_empty()
    }

    /// Returns the number of unicasts that wait for an answer.
    pub(super) fn len(&self) -> usize {
        self.unicasts.len()
    }

    /// Returns when the next unicast must be looked at, or work continued.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|&(at, _)| at);
        self.backlog.next_timeout(timer)
    }

    pub(super) fn get(&self, id: UnicastId) -> Option<&Unicast> {
        self.unicasts.get(&id).map(|unicast| &**unicast)
    }

    /// Takes a unicast out of the table. It is [put back](Self::put) or [ended](Self::end).
    pub(super) fn take(&mut self, id: UnicastId) -> Option<Box<Unicast>> {
        self.unicasts.remove(&id)
    }

    pub(super) fn put(&mut self, id: UnicastId, unicast: Box<Unicast>) {
        self.unicasts.insert(id, unicast);
    }

    /// Returns the next number of a message of this node.
    pub(super) fn number(&mut self) -> UnicastId {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Adds a new unicast, which is not in the table so far.
    pub(super) fn begin(&mut self, links: &mut Links, id: UnicastId, unicast: &Unicast) {
        if let Origin::Node(source, target, theirs) = unicast.origin {
            self.asking.insert((source, target, theirs), id);
        }
        let holder = unicast.holder;
        let before = links.shares.used_by(holder, Resource::InFlight);
        let unicasts = &self.unicasts;
        let lives = |id| unicasts.contains_key(&id);
        self.newest.push(holder, id, before, lives);
        links.shares.take_each(holder, amounts_of(&unicast.frame));
    }

    /// Removes all that is stored of a unicast, which is not in the table any more.
    pub(super) fn end(
        &mut self,
        links: &mut Links,
        id: UnicastId,
        unicast: &mut Unicast,
        outcome: CreditOutcome,
    ) {
        self.forget_attempt(links, id, unicast, outcome);
        if let Some(at) = unicast.timer {
            self.timers.remove(&(at, id));
        }
        let amounts = amounts_of(&unicast.frame);
        links.shares.give_each(unicast.holder, amounts);
        match unicast.origin {
            Origin::Session(session) => {
                if let Some(link) = links.sessions.get_mut(&session) {
                    link.in_flight -= 1;
                    link.in_flight_bytes -= unicast.frame.wire_len();
                    if let Entry::Occupied(latest) = link.asking.entry(unicast.frame.seq)
                        && *latest.get() == id
                    {
                        latest.remove();
                    }
                }
            }
            Origin::Node(source, target, id) => {
                self.asking.remove(&(source, target, id));
            }
            Origin::Fisco(..) => {}
        }
    }

    /// Returns the unicast that an overlay node numbered so and sent to one of this node's names.
    pub(super) fn of_node(
        &self,
        source: RoutingKey,
        target: RoutingKey,
        id: u64,
    ) -> Option<UnicastId> {
        self.asking.get(&(source, target, id)).copied()
    }

    /// Returns the newest unicast of a holder that has more than its fair share, now that `holder`
    /// needs some: the holder that is furthest over its share, or the one before.
    pub(super) fn newest_over_share(
        &mut self,
        shares: &Shares,
        pool: Resource,
        holder: HolderId,
    ) -> Option<UnicastId> {
        let over =
            |&other: &HolderId| other != holder && shares.excess(other, pool, Some(holder)) > 0;
        let greedy = self.greedy.filter(over);
        let greedy = greedy.or_else(|| shares.most_over(pool, Some(holder)));
        let other = greedy.filter(|&other| other != holder)?;
        let unicasts = &self.unicasts;
        let lives = |id| unicasts.get(&id).is_some_and(|one| one.holder == other);
        let newest = self.newest.pop(other, lives);
        self.greedy = newest.map(|_| other);
        newest
    }

    /// Sets when a unicast is looked at next, but not after its deadline.
    pub(super) fn set_timer(&mut self, id: UnicastId, unicast: &mut Unicast, at: Instant) {
        let at = at.min(unicast.deadline);
        if let Some(before) = unicast.timer.replace(at) {
            self.timers.remove(&(before, id));
        }
        self.timers.insert((at, id));
    }

    /// Returns whether a timer is due.
    pub(super) fn has_due(&self, now: Instant) -> bool {
        self.timers.first().is_some_and(|&(at, _)| at <= now)
    }

    /// Takes the timer that comes first.
    pub(super) fn pop_timer(&mut self) -> Option<UnicastId> {
        self.timers.pop_first().map(|(_, id)| id)
    }

    /// Records that an overlay node is sent a unicast.
    pub(super) fn ask(&mut self, node: RoutingKey, id: UnicastId) {
        self.asked.insert((node, id));
    }

    pub(super) fn forget_attempt(
        &mut self,
        links: &mut Links,
        id: UnicastId,
        unicast: &mut Unicast,
        outcome: CreditOutcome,
    ) {
        match unicast.at.take() {
            Some(AttemptState::Session(session)) => {
                if let Some(link) = links.sessions.get_mut(&session) {
                    link.asked.remove(&unicast.frame.seq);
                }
            }
            Some(AttemptState::Fisco(peer, seq)) => {
                if let Some(link) = links.peers.get_mut(&peer) {
                    link.asked.remove(&seq);
                }
            }
            Some(AttemptState::Node { node, given, .. }) => {
                self.credits.take(given, outcome);
                self.asked.remove(&(node, id));
            }
            Some(AttemptState::Joined(other)) => {
                if let Some(other) = self.unicasts.get_mut(&other) {
                    other.joined.retain(|&joined| joined != id);
                }
            }
            None => {}
        }
    }

    /// Returns another copy of a unicast that one of this node's sessions has and has not answered:
    /// it checks `asked` and the first few subscribers.
    pub(super) fn other_copy(
        &self,
        (table, links): (&SubscriberTable, &Links),
        unicast: &Unicast,
        asked: Option<SessionId>,
    ) -> Option<UnicastId> {
        /// The number of subscribers checked.
        const LOOKS: usize = 64;
        let sessions = &table.get(unicast.topic())?.sessions;
        sessions
            .iter()
            .take(LOOKS)
            .copied()
            .chain(asked)
            .find_map(|session| {
                let link = links.sessions.get(&session)?;
                let &other = link.asked.get(&unicast.frame.seq)?;
                (self.unicasts.get(&other)?.frame == unicast.frame).then_some(other)
            })
    }

    /// Lets a unicast wait for the answer to another copy of it.
    pub(super) fn join(&mut self, id: UnicastId, mut unicast: Box<Unicast>, other: UnicastId) {
        if let Some(other) = self.unicasts.get_mut(&other) {
            other.joined.push(id);
        }
        unicast.at = Some(AttemptState::Joined(other));
        let deadline = unicast.deadline;
        self.set_timer(id, &mut unicast, deadline);
        self.unicasts.insert(id, unicast);
    }

    /// Plans work for all unicasts that a node has now.
    pub(super) fn plan(&mut self, node: RoutingKey, kind: JobKind) {
        self.backlog.set(node, self.next, kind);
    }

    /// Takes some of the unicasts that must be worked on, of one node: at most `most`.
    pub(super) fn take_work(&mut self, most: usize) -> Option<(Vec<UnicastId>, JobKind)> {
        let (node, mut job) = self.backlog.jobs.pop_first()?;
        let asked = self.asked_node(node, job.after, job.before, most);
        job.after = asked.last().copied();
        let kind = job.kind;
        if asked.len() == most {
            self.backlog.jobs.insert(node, job);
        }
        Some((asked, kind))
    }

    /// Returns the unicasts on their way to a node and not yet answered, the oldest first: at most
    /// `most`, after `after` and before `before`.
    fn asked_node(
        &self,
        node: RoutingKey,
        after: Option<UnicastId>,
        before: UnicastId,
        most: usize,
    ) -> Vec<UnicastId> {
        let start = match after {
            Some(after) => Bound::Excluded((node, after)),
            None => Bound::Included((node, UnicastId::MIN)),
        };
        let Some(last) = before.checked_sub(1) else {
            return Vec::new();
        };
        if after.is_some_and(|after| after >= last) {
            return Vec::new();
        }
        let range = (start, Bound::Included((node, last)));
        let asked = self.asked.range(range).map(|&(_, id)| id);
        asked.take(most).collect()
    }

    /// Returns the next node after `after` that was asked something and has not answered.
    pub(super) fn next_asked(&self, after: Option<RoutingKey>) -> Option<RoutingKey> {
        let start = match after {
            Some(after) => Bound::Excluded((after, UnicastId::MAX)),
            None => Bound::Unbounded,
        };
        let mut range = self.asked.range((start, Bound::Unbounded));
        range.next().map(|&(node, _)| node)
    }
}
