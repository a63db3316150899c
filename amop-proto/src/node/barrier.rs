//! Heartbeat answers held back until the peers know what the session subscribed to.
//!
//! 0x32 has no response, so our client sends a heartbeat behind it and takes its answer as the sign
//! that the node has the topics. This node means more by it: every connected node of ours has them
//! too. FISCO nodes never say what they know, so nothing waits for them, and nothing waits for long for
//! a node that does not say what it knows although it should.

use std::{
    collections::{BTreeMap, VecDeque, hash_map::Entry},
    time::{Duration, Instant},
};

use super::SessionId;
use crate::{channel::Frame, hash::HashMap, p2p::NodeId};

/// More answers than this are never held back at once,
const MAX_HELD: usize = 16_384;

/// nor more of one session: others of it get no answer. Our clients remember as many.
const MAX_OF_SESSION: usize = 8;

/// A peer that was waited for in vain is not waited for again for this long, the next time for twice as
/// long, and so on, whatever it says meanwhile and however often it connects.
const MUTE: Duration = Duration::from_secs(10);
const MAX_MUTE: Duration = Duration::from_secs(60 * 60);

/// A peer that does say what it knows, but late, may hold answers back for so long in a minute, without the
/// first part of each time, which is what a way through the network and a busy node take. Then it is not
/// waited for for a minute.
const LATE: Duration = Duration::from_secs(1);
const NOT_LATE: Duration = Duration::from_millis(100);
const MINUTE: Duration = Duration::from_secs(60);

/// More mute or late peers than this are not remembered.
const MAX_MUTES: usize = 4096;

/// The answers held back, by the statement that the peers must know and then in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Barriers {
    held: BTreeMap<(u64, u64), Answer>,
    /// How many there are of each session.
    of: HashMap<SessionId, usize>,
    /// Until when each is held; some may have gone.
    due: VecDeque<(Instant, (u64, u64))>,
    pushed: u64,
}

/// An answer, and since when it is held back.
#[derive(Debug, Clone)]
struct Answer {
    session: SessionId,
    frame: Frame,
    since: Instant,
}

impl Barriers {
    /// Holds an answer back until then at most. If there are too many of all sessions, the oldest is not
    /// held any longer; what is too much of one is dropped.
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
        let answer = Answer {
            session,
            frame,
            since,
        };
        self.held.insert(name, answer);
        self.due.push_back((until, name));
        oldest
    }

    fn remove(&mut self, name: (u64, u64)) -> Option<(SessionId, Frame)> {
        let Answer { session, frame, .. } = self.held.remove(&name)?;
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

    /// The lowest statement that somebody waits for.
    pub(super) fn first(&self) -> Option<u64> {
        self.held.keys().next().map(|&(statement, _)| statement)
    }

    /// Since when an answer waits for that statement.
    pub(super) fn first_since(&self) -> Option<Instant> {
        self.held.values().next().map(|answer| answer.since)
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.due.front().map(|&(until, _)| until)
    }

    /// Whether some have waited long enough.
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

/// Peers that are not waited for: they said nothing, or said it late too often.
#[derive(Debug, Clone, Default)]
pub(super) struct Mutes {
    /// Until when, and for how long that is.
    mutes: HashMap<NodeId, (Instant, Duration)>,
    late: HashMap<NodeId, Late>,
}

/// How long a peer has held answers back lately.
#[derive(Debug, Clone, Copy)]
struct Late {
    /// So long at that moment; a minute later that much less as a peer may in one.
    time: Duration,
    at: Instant,
}

impl Mutes {
    /// Whether not to wait for a node.
    pub(super) fn contains(&self, now: Instant, node: &NodeId) -> bool {
        self.mutes.get(node).is_some_and(|&(until, _)| now < until)
    }

    /// A node was waited for in vain.
    pub(super) fn insert(&mut self, now: Instant, node: NodeId) {
        self.make_room(now);
        let before = self.mutes.get(&node).map(|&(until, time)| {
            // It has behaved for as long as it was mute.
            if now >= until + time {
                MUTE
            } else {
                (time * 2).min(MAX_MUTE)
            }
        });
        let time = before.unwrap_or(MUTE);
        self.mutes.insert(node, (now + time, time));
    }

    /// A node was waited for since then, and has said what it knows now.
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
        // What several answers waited for at once counts once.
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

    /// Forgets those whose time is over when there are too many, and if there are none, all.
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
mod tests {
    use super::*;

    #[test]
    fn one_session_throws_out_nothing_of_others() {
        let now = Instant::now();
        let until = now + Duration::from_secs(1);
        let mut barriers = Barriers::default();
        let answer = || {
            Frame::new(
                crate::channel::FrameType::HEARTBEAT,
                crate::channel::Seq([0; 32]),
                "1",
            )
        };
        let innocent = SessionId(1);
        assert_eq!(barriers.push((now, until), innocent, 5, answer()), None);
        for _ in 0..100_000 {
            assert_eq!(barriers.push((now, until), SessionId(2), 5, answer()), None);
        }
        assert_eq!(barriers.held.len(), 1 + MAX_OF_SESSION);
        assert_eq!(barriers.take_known(4), []);
        let known = barriers
            .take_known(5)
            .into_iter()
            .map(|(session, _)| session);
        let known: Vec<_> = known.collect();
        assert_eq!(known[0], innocent);
        assert_eq!(known.len(), 1 + MAX_OF_SESSION);
        // Then it may again.
        assert_eq!(barriers.push((now, until), SessionId(2), 6, answer()), None);
        assert_eq!(barriers.take_due(until).len(), 1);
        assert!(barriers.of.is_empty());
    }

    #[test]
    fn a_peer_that_goes_on_is_not_waited_for_ever_longer() {
        let mut now = Instant::now();
        let node = NodeId([1; 64]);
        let mut mutes = Mutes::default();
        for time in [10, 20, 40, 80] {
            assert!(!mutes.contains(now, &node));
            mutes.insert(now, node);
            now += Duration::from_secs(time) - Duration::from_millis(1);
            assert!(mutes.contains(now, &node));
            now += Duration::from_millis(1);
        }
        now += Duration::from_secs(80);
        mutes.insert(now, node);
        assert!(!mutes.contains(now + MUTE, &node), "it is forgiven");
        for n in 0..2 * MAX_MUTES as u64 {
            let mut node = [2; 64];
            node[..8].copy_from_slice(&n.to_be_bytes());
            mutes.insert(now, NodeId(node));
        }
        assert!(mutes.mutes.len() <= MAX_MUTES);
    }
    #[test]
    fn a_peer_that_is_late_again_and_again_is_not_waited_for() {
        let ms = Duration::from_millis;
        let start = Instant::now();
        let node = NodeId([1; 64]);
        let mut mutes = Mutes::default();
        // Whoever is in time is waited for as often as he likes.
        for n in 0..1000 {
            let at = start + n * ms(100);
            mutes.waited(at, node, at - NOT_LATE);
        }
        let mut now = start + ms(200_000);
        assert!(!mutes.contains(now, &node));
        // Several answers that wait at once are one delay.
        for n in 0..10 {
            mutes.waited(now, node, now - ms(500 - n));
        }
        assert!(!mutes.contains(now, &node));
        now += ms(900);
        mutes.waited(now, node, now - ms(800));
        assert!(mutes.contains(now + MINUTE - ms(1), &node));
        assert!(!mutes.contains(now + MINUTE, &node));
        // After the minute all of it is there once more, and what is seldom is forgiven.
        now += MINUTE;
        for _ in 0..100 {
            mutes.waited(now, node, now - ms(900));
            assert!(!mutes.contains(now, &node));
            now += MINUTE;
        }
        for n in 0..2 * MAX_MUTES as u64 {
            let mut node = [2; 64];
            node[..8].copy_from_slice(&n.to_be_bytes());
            mutes.waited(now, NodeId(node), now - ms(900));
        }
        assert!(mutes.late.len() <= MAX_MUTES);
    }
}
