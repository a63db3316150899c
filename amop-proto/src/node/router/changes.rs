//! Changes of sessions' topics: how fast, in which order, and how much at once.
//!
//! A change is work for this node and for all others, so it has a price. Each session may make some
//! changes at once and a number per second after that, and so may all sessions together. A set that
//! arrives while the one before it is not in force yet replaces it. Waiting changes are made a
//! little at a time, and the holders of certificates take turns, so that neither messages nor other
//! sessions wait long for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem::take,
    ops::Bound,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Router,
    turns::{SessionTurn, SessionTurns},
};
use crate::{
    channel::Shortage,
    hash::HashMap,
    node::{
        Limits, NodeNotice, SessionCloseReason, SessionId, TopicSet,
        bucket::RateBucket,
        shares::{HolderId, Permission, Resource},
        sooner,
        topic_set::Ignored,
    },
};

/// The number of changes made for one event: some 100 microseconds. The machine is busy with
/// changes for about a fifth of the time, however many there are.
const SLICE: usize = 64;

/// The number of topics compared in one slice, changed or not.
const LOOKS: usize = 2048;

/// Comparing this many unchanged topics costs as much as one change.
const LOOKS_PER_CHANGE: usize = 512;

/// The pause between two slices, in which other work is done.
const PAUSE: Duration = Duration::from_millis(1);

/// The number of changes of all sessions that events at the same time may cause.
const AT_ONCE: usize = 512;

/// The number of topics of a refused set that are checked to be named in the answer.
const NAMED: usize = 64;

/// A session without changes left continues when it may make this many.
const ENOUGH: usize = 64;

/// How much of its rate a session may save up, in seconds: the topics of a client that connects are
/// not delayed.
const SAVED: usize = 5;

/// How much of the node's rate may be saved up, in seconds.
const NODE_SAVED: usize = 10;

/// The sessions with changes to make, and how many changes may be made.
#[derive(Debug, Clone)]
pub(super) struct Changes {
    /// The changes of all sessions.
    node: RateBucket,
    /// The same over short times, to spread the changes evenly.
    smooth: RateBucket,
    /// Sessions with changes to make.
    turns: SessionTurns,
    /// Sessions that have used up their own rate, ordered by when they continue.
    waiting: BTreeSet<(Instant, SessionId)>,
    /// Sessions that are gone, whose topics must still be removed.
    leaving: HashMap<SessionId, LeavingSession>,
    next: Option<Instant>,
    /// Sessions whose topics changed, and whether their set is in force.
    news: Vec<(SessionId, bool)>,
}

#[derive(Debug, Clone)]
struct LeavingSession {
    holder: HolderId,
    topics: BTreeMap<Bytes, u32>,
}

/// A set that is coming into force.
#[derive(Debug, Clone)]
pub(super) struct WantedTopics {
    set: TopicSet,
    step: TopicSetStep,
    ignored: Option<Ignored>,
    /// The topics of the set that the session has not got so far.
    shortage: Shortage,
    /// Whether the fixed price of a set has been paid.
    begun: bool,
    /// The bytes that it counts for while it waits.
    bytes: usize,
}

impl WantedTopics {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Records that the set sent after this one does not come into force.
    pub(super) fn is_kept(&mut self) {
        self.shortage.kept = true;
    }
}

/// First, topics that are not in the set are removed; then new ones are added.
#[derive(Debug, Clone)]
enum TopicSetStep {
    Out {
        after: Option<Bytes>,
    },
    /// Continues at this topic of the set.
    In(usize),
}

/// Returns a session's rate of changes.
pub(super) fn rate_of_session(limits: &Limits) -> RateBucket {
    let rate = limits.session_topic_changes;
    RateBucket::new(rate, rate.saturating_mul(SAVED))
}

impl Changes {
    pub(super) fn new(limits: &Limits) -> Self {
        let rate = limits.topic_changes;
        Self {
            node: RateBucket::new(rate, rate.saturating_mul(NODE_SAVED)),
            smooth: RateBucket::new(SLICE * 1000, AT_ONCE),
            turns: SessionTurns::default(),
            waiting: BTreeSet::new(),
            leaving: HashMap::default(),
            next: None,
            news: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty() && self.waiting.is_empty() && self.leaving.is_empty()
    }

    /// Returns whether there is no news.
    pub(super) fn is_still(&self) -> bool {
        self.news.is_empty()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let waiting = self.waiting.first().map(|&(at, _)| at);
        sooner(self.next, waiting)
    }

    fn push(&mut self, job: SessionTurn) {
        self.turns.push(job, false);
    }

    /// Takes the job whose turn it is.
    fn pop(&mut self) -> Option<SessionTurn> {
        self.turns.pop()
    }

    /// Puts back a job whose turn it was and that cannot continue now.
    fn unpop(&mut self, job: SessionTurn) {
        self.turns.push(job, true);
    }
}

/// The work done for one session.
struct SessionWork {
    changes: usize,
    looks: usize,
    /// Whether nothing is left to do.
    all: bool,
}

impl Router {
    /// Handles a session's request for another set of topics.
    pub(super) fn set_topics(
        &mut self,
        now: Instant,
        session: SessionId,
        set: TopicSet,
        refused: Vec<String>,
    ) {
        let bytes = set.bytes();
        if !self.make_room_for_set(session, bytes) {
            return self.leave_set_out(session, &set);
        }
        let Some(link) = self.links.sessions.get_mut(&session) else {
            return;
        };
        let shortage = Shortage {
            // Strings that are not valid topics.
            refused,
            read: set.len(),
            ..Shortage::default()
        };
        let wanted = WantedTopics {
            set,
            step: TopicSetStep::Out { after: None },
            ignored: None,
            shortage,
            begun: false,
            bytes,
        };
        let shares = &mut self.links.shares;
        shares.take(link.holder, Resource::Sets, bytes);
        if let Some(before) = link.wanted.replace(wanted) {
            shares.give(link.holder, Resource::Sets, before.bytes);
            // The one before came into force only in part or not at all.
            self.counters.topic_sets_passed_over += 1;
        } else {
            let holder = link.holder;
            let job = self.job_of(holder, session);
            self.changes.push(job);
        }
        self.change_topics(now);
    }

    /// Returns whether a session's set may wait. When too much waits, closes a session of the
    /// holder that is furthest over its fair share.
    fn make_room_for_set(&mut self, session: SessionId, bytes: usize) -> bool {
        let Some(link) = self.links.sessions.get(&session) else {
            return false;
        };
        let (holder, before) = (
            link.holder,
            link.wanted.as_ref().map_or(0, WantedTopics::bytes),
        );
        // It takes the place of the one before.
        let more = bytes.saturating_sub(before);
        match self.links.shares.may(holder, Resource::Sets, more) {
            Permission::Take => true,
            Permission::TakeFromOthers => self.evict(Resource::Sets, holder),
            Permission::Not => false,
        }
    }

    /// Refuses a set for which there is no room: the session keeps its topics, and is told.
    fn leave_set_out(&mut self, session: SessionId, set: &TopicSet) {
        let Some(link) = self.links.sessions.get_mut(&session) else {
            return;
        };
        let mut ignored = None;
        for at in 0..set.len().min(NAMED) {
            Ignored::add(&mut ignored, set.get(at).unwrap_or_default());
        }
        if let Some(ignored) = &mut ignored {
            ignored.others = set.len() - 1;
        }
        link.keeps_topics();
        self.counters.topic_sets_refused += 1;
        self.topics_ignored(session, ignored);
    }

    /// Handles a set that was not understood: the session keeps its topics, and is told.
    pub(in crate::node) fn keep_topics(&mut self, session: SessionId) {
        if let Some(link) = self.links.sessions.get_mut(&session) {
            link.keeps_topics();
        }
    }

    /// Starts to remove the topics of a session that is gone.
    pub(super) fn topics_left(
        &mut self,
        now: Instant,
        session: SessionId,
        holder: HolderId,
        topics: BTreeMap<Bytes, u32>,
    ) {
        if topics.is_empty() {
            return self.links.shares.leave(holder);
        }
        self.changes
            .leaving
            .insert(session, LeavingSession { holder, topics });
        let job = self.job_of(holder, session);
        self.changes.push(job);
        self.change_topics(now);
    }

    /// Returns the sessions whose topics changed since the last call, and whether their set is in
    /// force now.
    pub(in crate::node) fn take_topic_news(&mut self) -> Vec<(SessionId, bool)> {
        take(&mut self.changes.news)
    }

    /// Returns whether a session's set is not in force yet.
    pub(in crate::node) fn is_changing(&self, session: SessionId) -> bool {
        let link = self.links.sessions.get(&session);
        link.is_some_and(|link| link.wanted.is_some())
    }

    /// Returns whether topics of sessions wait to be changed.
    pub fn is_changing_topics(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Makes as many changes as are allowed now.
    pub(super) fn change_topics(&mut self, now: Instant) {
        while let Some(&(at, session)) = self.changes.waiting.first()
            && at <= now
        {
            self.changes.waiting.pop_first();
            if let Some(link) = self.links.sessions.get(&session) {
                let job = self.job_of(link.holder, session);
                self.changes.push(job);
            }
        }
        self.changes.next = None;
        let mut left = SLICE;
        while let Some(job) = self.changes.pop() {
            let session = job.session;
            let shared = self.changes.smooth.available(now);
            let gone = self.changes.leaving.contains_key(&session);
            // Removing the topics of a gone session is not limited by the node's rate.
            let node = match gone {
                true => usize::MAX,
                false => self.changes.node.available(now),
            };
            let may = left.min(shared).min(node);
            if may == 0 {
                self.changes.unpop(job);
                let ready = match node {
                    0 => self.changes.node.ready_at(now, ENOUGH),
                    _ => self.changes.smooth.ready_at(now, ENOUGH),
                };
                self.changes.next = Some(ready.max(now + PAUSE));
                return;
            }
            if gone {
                let done = self.take_out(session, may);
                self.changes.smooth.spend(now, done.changes);
                left -= done.changes.min(left);
                if !done.all {
                    self.changes.push(job);
                }
                continue;
            }
            let Some(link) = self.links.sessions.get_mut(&session) else {
                continue;
            };
            let own = link.rate.available(now);
            if own == 0 {
                let at = link.rate.ready_at(now, ENOUGH);
                self.changes.waiting.insert((at, session));
                continue;
            }
            let done = self.change_some(now, session, may.min(own));
            let cost = done.changes + done.looks.div_ceil(LOOKS_PER_CHANGE);
            if let Some(link) = self.links.sessions.get_mut(&session) {
                link.rate.spend(now, cost);
            }
            self.changes.node.spend(now, cost);
            self.changes.smooth.spend(now, cost);
            left -= cost.min(left);
            if !done.all {
                self.changes.push(job);
            }
        }
    }

    fn job_of(&self, holder: HolderId, session: SessionId) -> SessionTurn {
        SessionTurn {
            agency: self.links.shares.agency(holder),
            holder,
            session,
        }
    }

    /// Removes topics of a session that is gone.
    fn take_out(&mut self, session: SessionId, may: usize) -> SessionWork {
        let mut changes = 0;
        while changes < may
            && let Some(leaving) = self.changes.leaving.get_mut(&session)
            && let Some((topic, position)) = leaving.topics.pop_first()
        {
            let holder = leaving.holder;
            self.remove_topic(&topic, session, holder, position);
            changes += 1;
        }
        let leaving = self.changes.leaving.get(&session);
        let all = leaving.is_none_or(|leaving| leaving.topics.is_empty());
        if all && let Some(leaving) = self.changes.leaving.remove(&session) {
            self.links.shares.leave(leaving.holder);
        }
        SessionWork {
            changes,
            looks: 0,
            all,
        }
    }

    /// Continues with a session's set.
    fn change_some(&mut self, now: Instant, session: SessionId, may: usize) -> SessionWork {
        let mut done = SessionWork {
            changes: 0,
            looks: 0,
            all: false,
        };
        let Some(link) = self.links.sessions.get_mut(&session) else {
            done.all = true;
            return done;
        };
        let Some(mut wanted) = link.wanted.take() else {
            done.all = true;
            return done;
        };
        if !std::mem::replace(&mut wanted.begun, true) {
            done.looks += LOOKS_PER_CHANGE;
        }
        if let TopicSetStep::Out { after } = &mut wanted.step {
            let (gone, over) = out(&link.topics, &wanted.set, after, may, &mut done.looks);
            if over {
                wanted.step = TopicSetStep::In(0);
            }
            let holder = link.holder;
            for topic in gone {
                done.changes += 1;
                let link = self.links.sessions.get_mut(&session);
                if let Some(position) = link.and_then(|link| link.topics.remove(&topic)) {
                    self.links.shares.give(holder, Resource::Subscriptions, 1);
                    self.remove_topic(&topic, session, holder, position);
                }
            }
        }
        if let TopicSetStep::In(at) = &mut wanted.step {
            let left = may - done.changes.min(may);
            let Some(link) = self.links.sessions.get(&session) else {
                done.all = true;
                return done;
            };
            let new = in_from(&link.topics, &wanted.set, at, left, &mut done.looks);
            done.all = *at == wanted.set.len();
            let mut evicted = false;
            for (place, topic) in new {
                done.changes += 1;
                match self.add_topic(now, session, &topic, &mut evicted) {
                    Some(more) => done.changes += more,
                    None => {
                        Ignored::add(&mut wanted.ignored, &String::from_utf8_lossy(&topic));
                        wanted.shortage.missing.insert(place);
                    }
                }
            }
        }
        let changed = done.changes > 0;
        if changed || done.all {
            self.changes.news.push((session, done.all));
        }
        if done.all {
            if let Some(holder) = self.holder_of(session) {
                self.links.shares.give(holder, Resource::Sets, wanted.bytes);
            }
            if let Some(link) = self.links.sessions.get_mut(&session) {
                (link.shortage, link.told) = (wanted.shortage, None);
            }
            self.topics_ignored(session, wanted.ignored);
        } else if let Some(link) = self.links.sessions.get_mut(&session) {
            link.wanted = Some(wanted);
        }
        done
    }

    /// Reports which topics of its set a session does not get.
    fn topics_ignored(&mut self, session: SessionId, ignored: Option<Ignored>) {
        let Some(link) = self.links.sessions.get_mut(&session) else {
            return;
        };
        let Some(Ignored {
            first,
            others,
            names,
        }) = ignored
        else {
            return;
        };
        link.shortage.refused.extend(names);
        link.told = None;
        let identity = self.links.shares.identity(link.holder);
        self.counters.topics_ignored += 1 + others as u64;
        self.notice(NodeNotice::TopicIgnored {
            session,
            identity,
            topic: first,
            others,
        });
    }

    /// Adds a topic, if there is room. Returns the cost beyond one change; `None` if there is no
    /// room. Topics that the session already holds stay.
    fn add_topic(
        &mut self,
        now: Instant,
        session: SessionId,
        topic: &Bytes,
        evicted: &mut bool,
    ) -> Option<usize> {
        let link = self.links.sessions.get(&session)?;
        if link.topics.len() >= self.limits.session_topics {
            return None;
        }
        let holder = link.holder;
        let is_new = !self.table.is_local(topic);
        for pool in [Resource::Subscriptions, Resource::Topics] {
            if pool == Resource::Topics && !is_new {
                continue;
            }
            match self.links.shares.may(holder, pool, 1) {
                Permission::Take => {}
                // A holder that gives way gives more than is needed now.
                Permission::TakeFromOthers if *evicted || self.evict(pool, holder) => {
                    *evicted = true
                }
                Permission::TakeFromOthers | Permission::Not => return None,
            }
        }
        self.links.shares.take(holder, Resource::Subscriptions, 1);
        let position = self.table.add_session(topic, session);
        if position == Some(0) {
            self.links.shares.take(holder, Resource::Topics, 1);
        }
        if let Some(link) = self.links.sessions.get_mut(&session) {
            link.topics.insert(topic.clone(), position.unwrap_or(0));
        }
        Some(self.publisher_came(now, topic))
    }

    /// Removes a topic of a session from the table.
    fn remove_topic(&mut self, topic: &Bytes, session: SessionId, holder: HolderId, position: u32) {
        if self
            .table
            .remove_session(topic, session, position)
            .is_none()
        {
            return;
        }
        let moved = self.table.get(topic).and_then(|entry| {
            let moved = entry.sessions.get(position as usize)?;
            Some(*moved)
        });
        if let Some(moved) = moved {
            let link = self
                .links
                .sessions
                .get_mut(&moved)
                .map(|link| &mut link.topics);
            let leaving = self.changes.leaving.get_mut(&moved);
            let topics = link.or(leaving.map(|leaving| &mut leaving.topics));
            if let Some(held) = topics.and_then(|topics| topics.get_mut(topic)) {
                *held = position;
            }
        }
        // A topic counts for the holder of its first session.
        if position == 0 {
            self.links.shares.give(holder, Resource::Topics, 1);
            if let Some(next) = moved.and_then(|moved| self.holder_of(moved)) {
                self.links.shares.take(next, Resource::Topics, 1);
            }
        }
    }

    fn holder_of(&self, session: SessionId) -> Option<HolderId> {
        let link = self.links.sessions.get(&session).map(|link| link.holder);
        link.or_else(|| self.changes.leaving.get(&session).map(|gone| gone.holder))
    }

    /// Closes a session of the holder that is furthest over its fair share, to make room for
    /// `other`. It closes the session that holds most, and of equal ones the newest. Returns
    /// `false` if no holder is over its share.
    pub(super) fn evict(&mut self, pool: Resource, other: HolderId) -> bool {
        let Some(holder) = self.links.shares.most_over(pool, Some(other)) else {
            return false;
        };
        let sessions = self.links.sessions.iter();
        let victim = sessions
            .filter(|(_, link)| link.holder == holder && !link.closing)
            .map(|(&session, link)| match pool {
                Resource::Subscriptions | Resource::Topics => (link.topics.len(), session),
                Resource::Queued => (link.queue.queued(), session),
                Resource::InFlight | Resource::InFlightBytes => (link.in_flight, session),
                Resource::Sets => (link.wanted.as_ref().map_or(0, WantedTopics::bytes), session),
                Resource::Sessions | Resource::Peers => (0, session),
            })
            .max();
        let Some((_, session)) = victim else {
            return false;
        };
        self.counters.shares_cut += 1;
        let what = pool.name();
        self.cut(session, SessionCloseReason::OverShare { what });
        true
    }
}

/// Returns topics that are held and not in the set, at most `may`, and whether these are all.
fn out(
    held: &BTreeMap<Bytes, u32>,
    set: &TopicSet,
    after: &mut Option<Bytes>,
    may: usize,
    looks: &mut usize,
) -> (Vec<Bytes>, bool) {
    let mut gone = Vec::new();
    let start = match after {
        Some(after) => Bound::Excluded(after.clone()),
        None => Bound::Unbounded,
    };
    let mut at = after
        .as_ref()
        .map_or(0, |after| set.find(after).unwrap_or_else(|at| at));
    for (topic, _) in held.range((start, Bound::Unbounded)) {
        if gone.len() == may || *looks >= LOOKS {
            return (gone, false);
        }
        *looks += 1;
        while set.get(at).is_some_and(|name| name.as_bytes() < &topic[..]) {
            at += 1;
        }
        if set.get(at).is_none_or(|name| name.as_bytes() != &topic[..]) {
            gone.push(topic.clone());
        }
        *after = Some(topic.clone());
    }
    (gone, true)
}

/// Returns topics of the set that are not held, at most `may`, starting at `at`, with their places.
fn in_from(
    held: &BTreeMap<Bytes, u32>,
    set: &TopicSet,
    at: &mut usize,
    may: usize,
    looks: &mut usize,
) -> Vec<(usize, Bytes)> {
    let mut new = Vec::new();
    let Some(first) = set.get(*at) else {
        return new;
    };
    let range = (Bound::Included(first.as_bytes()), Bound::Unbounded);
    let mut held = held.range::<[u8], _>(range).map(|(topic, _)| topic);
    let mut next = held.next();
    while let Some(name) = set.get(*at) {
        if new.len() == may || *looks >= LOOKS {
            break;
        }
        *looks += 1;
        while next.is_some_and(|next| &next[..] < name.as_bytes()) {
            next = held.next();
        }
        if next.is_none_or(|next| &next[..] != name.as_bytes()) {
            new.push((*at, Bytes::copy_from_slice(name.as_bytes())));
        }
        *at += 1;
    }
    new
}
