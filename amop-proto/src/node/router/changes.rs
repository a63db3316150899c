//! Topics of sessions that change: how fast, in which order, and how much at once.
//!
//! A change is work for this node and for all others, so it has a price. Each session may make some at
//! once and so many per second after that, and so may all together. A set that comes while the one
//! before it is not in force yet takes its place. What waits is done a little at a time, the holders of
//! certificates taking turns, so that neither messages nor other sessions wait long for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem::take,
    ops::Bound,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Router,
    turns::{Job, Turns},
};
use crate::{
    channel::Shortage,
    hash::HashMap,
    node::{
        CloseReason, Limits, Notice, SessionId, TopicSet,
        bucket::Bucket,
        shares::{HolderId, May, Pool},
        sooner,
        topic_set::Ignored,
    },
};

/// So many changes follow from one event: some 100 microseconds. The machine is busy with changes for about a
/// fifth of the time, however many there are.
const SLICE: usize = 64;

/// So many topics are looked at, changed or not, in one go.
const LOOKS: usize = 2048;

/// So many topics that stay as they are cost as much as one that changes.
const LOOKS_PER_CHANGE: usize = 512;

/// Between two slices others have their turn.
const PAUSE: Duration = Duration::from_millis(1);

/// So many changes of all sessions may follow from events that come at once.
const AT_ONCE: usize = 512;

/// So many topics of a set for which there is no room are looked at to be named.
const NAMED: usize = 64;

/// A session whose changes are used up goes on when it may make so many.
const ENOUGH: usize = 64;

/// What is saved up, in seconds of the rate: what clients bring when they connect is not held up.
const SAVED: usize = 5;

/// How much of the rate of the node may be saved up, in seconds.
const NODE_SAVED: usize = 10;

/// Who has changes to make, and how many may be made.
#[derive(Debug, Clone)]
pub(super) struct Changes {
    /// Those of all sessions.
    node: Bucket,
    /// The same from one moment to the next.
    smooth: Bucket,
    /// Sessions with changes to make.
    turns: Turns,
    /// Sessions that have used up their own, by when they go on.
    waiting: BTreeSet<(Instant, SessionId)>,
    /// Sessions that are gone, whose topics are still to be taken out.
    leaving: HashMap<SessionId, Leaving>,
    next: Option<Instant>,
    /// Sessions whose topics changed, and whether their set is in force.
    news: Vec<(SessionId, bool)>,
}

#[derive(Debug, Clone)]
struct Leaving {
    holder: HolderId,
    topics: BTreeMap<Bytes, u32>,
}

/// A set that is on its way into force.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    set: TopicSet,
    step: Step,
    ignored: Option<Ignored>,
    /// What the session does not get of it so far.
    shortage: Shortage,
    /// It has cost what every set costs.
    begun: bool,
    /// What it counts for while it waits, in bytes.
    bytes: usize,
}

impl Wanted {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The set that the session sent behind this one does not come into force.
    pub(super) fn is_kept(&mut self) {
        self.shortage.kept = true;
    }
}

/// First what is not in the set is taken out, then what is new is put in.
#[derive(Debug, Clone)]
enum Step {
    Out {
        after: Option<Bytes>,
    },
    /// From this one of the set on.
    In(usize),
}

/// A session's changes per second.
pub(super) fn rate_of_session(limits: &Limits) -> Bucket {
    let rate = limits.session_topic_changes;
    Bucket::new(rate, rate.saturating_mul(SAVED))
}

impl Changes {
    pub(super) fn new(limits: &Limits) -> Self {
        let rate = limits.topic_changes;
        Self {
            node: Bucket::new(rate, rate.saturating_mul(NODE_SAVED)),
            smooth: Bucket::new(SLICE * 1000, AT_ONCE),
            turns: Turns::default(),
            waiting: BTreeSet::new(),
            leaving: HashMap::default(),
            next: None,
            news: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty() && self.waiting.is_empty() && self.leaving.is_empty()
    }

    /// Whether there is no news.
    pub(super) fn is_still(&self) -> bool {
        self.news.is_empty()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let waiting = self.waiting.first().map(|&(at, _)| at);
        sooner(self.next, waiting)
    }

    fn push(&mut self, job: Job) {
        self.turns.push(job, false);
    }

    /// Whose turn it is.
    fn pop(&mut self) -> Option<Job> {
        self.turns.pop()
    }

    /// Puts one back whose turn it was and that cannot go on now.
    fn unpop(&mut self, job: Job) {
        self.turns.push(job, true);
    }
}

/// What was done for one session.
struct Done {
    changes: usize,
    looks: usize,
    /// There is nothing left to do.
    all: bool,
}

impl Router {
    /// A session wants another set of topics.
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
            // What is no topic at all.
            refused,
            read: set.len(),
            ..Shortage::default()
        };
        let wanted = Wanted {
            set,
            step: Step::Out { after: None },
            ignored: None,
            shortage,
            begun: false,
            bytes,
        };
        let shares = &mut self.links.shares;
        shares.take(link.holder, Pool::Sets, bytes);
        if let Some(before) = link.wanted.replace(wanted) {
            shares.give(link.holder, Pool::Sets, before.bytes);
            // The one before never came into force, or not all of it.
            self.counters.topic_sets_passed_over += 1;
        } else {
            let holder = link.holder;
            let job = self.job_of(holder, session);
            self.changes.push(job);
        }
        self.change_topics(now);
    }

    /// Whether a session's set may wait. When too much waits, a session of the holder that is furthest over
    /// its fair share is closed.
    fn make_room_for_set(&mut self, session: SessionId, bytes: usize) -> bool {
        let Some(link) = self.links.sessions.get(&session) else {
            return false;
        };
        let (holder, before) = (link.holder, link.wanted.as_ref().map_or(0, Wanted::bytes));
        // It takes the place of the one before.
        let more = bytes.saturating_sub(before);
        match self.links.shares.may(holder, Pool::Sets, more) {
            May::Take => true,
            May::TakeFromOthers => self.evict(Pool::Sets, holder),
            May::Not => false,
        }
    }

    /// There is no room for a set: the session keeps what it has, and is told.
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

    /// A session's set was not understood: it keeps what it has, and is told.
    pub(in crate::node) fn keep_topics(&mut self, session: SessionId) {
        if let Some(link) = self.links.sessions.get_mut(&session) {
            link.keeps_topics();
        }
    }

    /// A session that is gone has had these topics.
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
            .insert(session, Leaving { holder, topics });
        let job = self.job_of(holder, session);
        self.changes.push(job);
        self.change_topics(now);
    }

    /// Sessions whose topics changed since the last call, and whether their set is in force now.
    pub(in crate::node) fn take_topic_news(&mut self) -> Vec<(SessionId, bool)> {
        take(&mut self.changes.news)
    }

    /// Whether a session's set is not in force yet.
    pub(in crate::node) fn is_changing(&self, session: SessionId) -> bool {
        let link = self.links.sessions.get(&session);
        link.is_some_and(|link| link.wanted.is_some())
    }

    /// Whether topics of sessions wait to be changed.
    pub fn is_changing_topics(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Makes as many changes as may be made now.
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
            // Who is gone takes nothing more: that is not made to wait.
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

    fn job_of(&self, holder: HolderId, session: SessionId) -> Job {
        Job {
            agency: self.links.shares.agency(holder),
            holder,
            session,
        }
    }

    /// Takes topics of a session that is gone out.
    fn take_out(&mut self, session: SessionId, may: usize) -> Done {
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
        Done {
            changes,
            looks: 0,
            all,
        }
    }

    /// Goes on with a session's set.
    fn change_some(&mut self, now: Instant, session: SessionId, may: usize) -> Done {
        let mut done = Done {
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
        if let Step::Out { after } = &mut wanted.step {
            let (gone, over) = out(&link.topics, &wanted.set, after, may, &mut done.looks);
            if over {
                wanted.step = Step::In(0);
            }
            let holder = link.holder;
            for topic in gone {
                done.changes += 1;
                let link = self.links.sessions.get_mut(&session);
                if let Some(position) = link.and_then(|link| link.topics.remove(&topic)) {
                    self.links.shares.give(holder, Pool::Subscriptions, 1);
                    self.remove_topic(&topic, session, holder, position);
                }
            }
        }
        if let Step::In(at) = &mut wanted.step {
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
                self.links.shares.give(holder, Pool::Sets, wanted.bytes);
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

    /// Says which topics of its set a session does not get.
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
        self.notice(Notice::TopicIgnored {
            session,
            identity,
            topic: first,
            others,
        });
    }

    /// Puts a topic in, if there is room. Returns what that cost beyond one change; `None` if there is no
    /// room. What the session holds already stays.
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
        for pool in [Pool::Subscriptions, Pool::Topics] {
            if pool == Pool::Topics && !is_new {
                continue;
            }
            match self.links.shares.may(holder, pool, 1) {
                May::Take => {}
                // Whoever gives way gives more than is needed now.
                May::TakeFromOthers if *evicted || self.evict(pool, holder) => *evicted = true,
                May::TakeFromOthers | May::Not => return None,
            }
        }
        self.links.shares.take(holder, Pool::Subscriptions, 1);
        let position = self.table.add_session(topic, session);
        if position == Some(0) {
            self.links.shares.take(holder, Pool::Topics, 1);
        }
        if let Some(link) = self.links.sessions.get_mut(&session) {
            link.topics.insert(topic.clone(), position.unwrap_or(0));
        }
        Some(self.publisher_came(now, topic))
    }

    /// Takes a topic of a session out of the table.
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
        // A topic counts for whoever is first.
        if position == 0 {
            self.links.shares.give(holder, Pool::Topics, 1);
            if let Some(next) = moved.and_then(|moved| self.holder_of(moved)) {
                self.links.shares.take(next, Pool::Topics, 1);
            }
        }
    }

    fn holder_of(&self, session: SessionId) -> Option<HolderId> {
        let link = self.links.sessions.get(&session).map(|link| link.holder);
        link.or_else(|| self.changes.leaving.get(&session).map(|gone| gone.holder))
    }

    /// Closes a session of the holder that is furthest over its fair share, to make room for `other`. It
    /// closes the session that holds most, and of equal ones the newest. Returns `false` if no holder is
    /// over its share.
    pub(super) fn evict(&mut self, pool: Pool, other: HolderId) -> bool {
        let Some(holder) = self.links.shares.most_over(pool, Some(other)) else {
            return false;
        };
        let sessions = self.links.sessions.iter();
        let victim = sessions
            .filter(|(_, link)| link.holder == holder && !link.closing)
            .map(|(&session, link)| match pool {
                Pool::Subscriptions | Pool::Topics => (link.topics.len(), session),
                Pool::Queued => (link.queue.queued(), session),
                Pool::InFlight | Pool::InFlightBytes => (link.in_flight, session),
                Pool::Sets => (link.wanted.as_ref().map_or(0, Wanted::bytes), session),
                Pool::Sessions | Pool::Peers => (0, session),
            })
            .max();
        let Some((_, session)) = victim else {
            return false;
        };
        self.counters.shares_cut += 1;
        let what = pool.name();
        self.cut(session, CloseReason::OverShare { what });
        true
    }
}

/// The topics that are held and not in the set, so many at most, and whether that is all.
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

/// The topics of the set that are not held, so many at most, from one on, with their places.
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
