//! Heartbeat answers held back until the peers know a session's subscriptions.
//!
//! 0x32 has no response, so a native client sends a heartbeat behind it and takes the answer as the
//! sign that the node has the topics. This node gives the answer a stronger meaning: every
//! neighbour knows the topics as well. FISCO nodes never confirm what they know, so nothing waits
//! for them, and nothing waits long for an overlay node that should confirm and does not.

use std::{
    collections::{BTreeMap, VecDeque, hash_map::Entry},
    time::{Duration, Instant},
};

use super::SessionId;
use crate::{channel::Frame, hash::HashMap, p2p::NodeId};

/// The number of answers that may be held back at once,
const MAX_HELD: usize = 16_384;

/// and the number for one session: further heartbeats of the session get no answer. Native clients
/// remember the same number.
const MAX_OF_SESSION: usize = 8;

/// The time for which a peer that did not confirm in time is not waited for; each further time
/// doubles it. What the peer sends meanwhile and how often it reconnects make no difference.
const MUTE: Duration = Duration::from_secs(10);
const MAX_MUTE: Duration = Duration::from_secs(60 * 60);

/// The time in a minute for which a peer that confirms, but late, may hold answers back. The first
/// `NOT_LATE` of each wait is not counted: a busy node and the path through the network take that
/// long. A peer above the limit is not waited for during the next minute.
const LATE: Duration = Duration::from_secs(1);
const NOT_LATE: Duration = Duration::from_millis(100);
const MINUTE: Duration = Duration::from_secs(60);

/// The number of mute or late peers that are remembered.
const MAX_MUTES: usize = 4096;

/// The answers held back, ordered by the statement that the peers must know, then by arrival.
#[derive(Debug, Clone, Default)]
pub(super) struct Barriers {
    held: BTreeMap<(u64, u64), DelayedAnswer>,
    /// The number of answers of each session.
    of: HashMap<SessionId, usize>,
    /// Until when each answer is held; some may already have been sent.
    due: VecDeque<(Instant, (u64, u64))>,
    pushed: u64,
}

/// An answer, and the time since which it is held back.
#[derive(Debug, Clone)]
struct DelayedAnswer {
    session: SessionId,
    frame: Frame,
    since: Instant,
}

impl Barriers {
    /// Holds an answer back until `until` at most. If there are too many in total, returns the
    /// oldest, which must be sent now; if there are too many of one session, drops the new one.
    pub(super) fn push(
        &mut self,
        (since, until): (Instant, Instant),
        session: SessionId,
        statement: u64,
        frame: Frame,
    ) -> Option<(SessionId, Frame)> {
        let of = self.of.entry(session).or_default();
        if *of >= MAX_OF_SESSION {
            return None;
        }
        *of += 1;
        let mut oldest = None;
        if self.held.len() >= MAX_HELD {
            self.forget_gone();
            let name = self.due.pop_front().map(|(_, name)| name);
            oldest = name.and_then(|name| self.remove(name));
        }
        self.pushed += 1;
        let name = (statement, self.pushed);
        let answer = DelayedAnswer {
            session,
            frame,
            since,
        };
        self.held.insert(name, answer);
        self.due.push_back((until, name));
        oldest
    }

    fn remove(&mut self, name: (u64, u64)) -> Option<(SessionId, Frame)> {
        let DelayedAnswer { session, frame, .. } = self.held.remove(&name)?;
        self.let_go(session);
        Some((session, frame))
    }

    fn let_go(&mut self, session: SessionId) {
        if let Entry::Occupied(mut of) = self.of.entry(session) {
            *of.get_mut() -= 1;
            if *of.get() == 0 {
                of.remove();
            }
        }
    }

    /// Returns the lowest statement that an answer waits for.
    pub(super) fn first(&self) -> Option<u64> {
        self.held.keys().next().map(|&(statement, _)| statement)
    }

    /// Returns since when an answer waits for this statement.
    pub(super) fn first_since(&self) -> Option<Instant> {
        self.held.values().next().map(|answer| answer.since)
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.due.front().map(|&(until, _)| until)
    }

    /// Returns whether some answers have waited long enough.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.front().is_some_and(|&(until, _)| until <= now)
    }

    fn forget_gone(&mut self) {
        while let Some((_, name)) = self.due.front()
            && !self.held.contains_key(name)
        {
            self.due.pop_front();
        }
    }

    /// Takes the answers that have waited long enough.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(SessionId, Frame)> {
        let mut taken = Vec::new();
        while self.is_due(now) {
            let name = self.due.pop_front().map(|(_, name)| name);
            taken.extend(name.and_then(|name| self.remove(name)));
        }
        taken
    }

    /// Takes the answers that wait for statements up to this one.
    pub(super) fn take_known(&mut self, statement: u64) -> Vec<(SessionId, Frame)> {
        let later = match statement.checked_add(1) {
            Some(next) => self.held.split_off(&(next, 0)),
            None => BTreeMap::new(),
        };
        let known = std::mem::replace(&mut self.held, later);
        self.forget_gone();
        let known = known.into_values();
        let known: Vec<_> = known.map(|answer| (answer.session, answer.frame)).collect();
        for &(session, _) in &known {
            self.let_go(session);
        }
        known
    }
}

/// Peers that are not waited for: they did not confirm, or did so late too often.
#[derive(Debug, Clone, Default)]
pub(super) struct Mutes {
    /// Until when a peer is mute, and for how long it was muted.
    mutes: HashMap<NodeId, (Instant, Duration)>,
    late: HashMap<NodeId, Late>,
}

/// How long a peer has held answers back recently.
#[derive(Debug, Clone, Copy)]
struct Late {
    /// The total at `at`; it falls over time, by what a peer is allowed per minute.
    time: Duration,
    at: Instant,
}

impl Mutes {
    /// Returns whether the node is not waited for now.
    pub(super) fn contains(&self, now: Instant, node: &NodeId) -> bool {
        self.mutes.get(node).is_some_and(|&(until, _)| now < until)
    }

    /// Records that a node did not confirm in time.
    pub(super) fn insert(&mut self, now: Instant, node: NodeId) {
        self.make_room(now);
        let before = self.mutes.get(&node).map(|&(until, time)| {
            // The peer has behaved well for as long as it was mute.
            if now >= until + time {
                MUTE
            } else {
                (time * 2).min(MAX_MUTE)
            }
        });
        let time = before.unwrap_or(MUTE);
        self.mutes.insert(node, (now + time, time));
    }

    /// Records that a node was waited for since `since` and has confirmed now.
    pub(super) fn waited(&mut self, now: Instant, node: NodeId, since: Instant) {
        let since = since + NOT_LATE;
        if now <= since {
            return;
        }
        self.make_room(now);
        let new = Late {
            time: Duration::ZERO,
            at: since,
        };
        let late = self.late.entry(node).or_insert(new);
        // Time in which several answers waited counts once.
        let waited = now.saturating_duration_since(since.max(late.at));
        let passed = now.saturating_duration_since(late.at);
        let forgiven = passed.mul_f64(LATE.as_secs_f64() / MINUTE.as_secs_f64());
        late.time = late.time.saturating_sub(forgiven) + waited;
        late.at = now;
        if late.time < LATE {
            return;
        }
        self.late.remove(&node);
        let muted = self.mutes.get(&node);
        if muted.is_none_or(|&(until, _)| until < now + MINUTE) {
            self.mutes.insert(node, (now + MINUTE, MUTE));
        }
    }

    /// Forgets peers whose time has passed when there are too many; if there are none, forgets all.
    fn make_room(&mut self, now: Instant) {
        if self.mutes.len() >= MAX_MUTES {
            self.mutes.retain(|_, (until, _)| now < *until);
            if self.mutes.len() >= MAX_MUTES {
                self.mutes.clear();
            }
        }
        if self.late.len() >= MAX_MUTES {
            self.late.retain(|_, late| now < late.at + MINUTE);
            if self.late.len() >= MAX_MUTES {
                self.late.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests;
