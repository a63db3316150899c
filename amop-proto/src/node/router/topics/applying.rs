//! Brings topic sets of sessions into force, a little at a time.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    Topics,
    changes::SLICE,
    wanted::{TopicSetStep, gone_from, new_in},
};
use crate::node::{
    SessionId,
    mesh::Mesh,
    router::outbound::Outbound,
    shares::{HolderId, Permission, Resource},
    topic_set::Ignored,
};

/// Comparing this many unchanged topics costs as much as one change.
const LOOKS_PER_CHANGE: usize = 512;

/// The pause between two slices, in which other work is done.
const PAUSE: Duration = Duration::from_millis(1);

/// A session without changes left continues when it may make this many.
const ENOUGH: usize = 64;

/// The work done for one session.
struct SessionWork {
    changes: usize,
    looks: usize,
    /// Whether nothing is left to do.
    all: bool,
}

impl Topics {
    /// Makes as many changes as are allowed now.
    pub(in crate::node::router) fn change_topics(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        now: Instant,
    ) {
        while let Some(&(at, session)) = self.changes.waiting.first()
            && at <= now
        {
            self.changes.waiting.pop_first();
            if let Some(link) = out.links.sessions.get(&session) {
                let job = self.job_of(out, link.holder, session);
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
                let done = self.take_out(out, session, may);
                self.changes.smooth.spend(now, done.changes);
                left -= done.changes.min(left);
                if !done.all {
                    self.changes.push(job);
                }
                continue;
            }
            let Some(link) = out.links.sessions.get_mut(&session) else {
                continue;
            };
            let own = link.rate.available(now);
            if own == 0 {
                let at = link.rate.ready_at(now, ENOUGH);
                self.changes.waiting.insert((at, session));
                continue;
            }
            let done = self.change_some(out, mesh, now, session, may.min(own));
            let cost = done.changes + done.looks.div_ceil(LOOKS_PER_CHANGE);
            if let Some(link) = out.links.sessions.get_mut(&session) {
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

    /// Removes topics of a session that is gone.
    fn take_out(&mut self, out: &mut Outbound, session: SessionId, may: usize) -> SessionWork {
        let mut changes = 0;
        while changes < may
            && let Some(leaving) = self.changes.leaving.get_mut(&session)
            && let Some((topic, position)) = leaving.topics.pop_first()
        {
            let holder = leaving.holder;
            self.remove_topic(out, &topic, session, holder, position);
            changes += 1;
        }
        let leaving = self.changes.leaving.get(&session);
        let all = leaving.is_none_or(|leaving| leaving.topics.is_empty());
        if all && let Some(leaving) = self.changes.leaving.remove(&session) {
            out.links.shares.leave(leaving.holder);
        }
        SessionWork {
            changes,
            looks: 0,
            all,
        }
    }

    /// Continues with a session's set.
    fn change_some(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        now: Instant,
        session: SessionId,
        may: usize,
    ) -> SessionWork {
        let mut done = SessionWork {
            changes: 0,
            looks: 0,
            all: false,
        };
        let Some(link) = out.links.sessions.get_mut(&session) else {
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
            let (gone, over) = gone_from(&link.topics, &wanted.set, after, may, &mut done.looks);
            if over {
                wanted.step = TopicSetStep::In(0);
            }
            let holder = link.holder;
            for topic in gone {
                done.changes += 1;
                let link = out.links.sessions.get_mut(&session);
                if let Some(position) = link.and_then(|link| link.topics.remove(&topic)) {
                    out.links.shares.give(holder, Resource::Subscriptions, 1);
                    self.remove_topic(out, &topic, session, holder, position);
                }
            }
        }
        if let TopicSetStep::In(at) = &mut wanted.step {
            let left = may - done.changes.min(may);
            let Some(link) = out.links.sessions.get(&session) else {
                done.all = true;
                return done;
            };
            let new = new_in(&link.topics, &wanted.set, at, left, &mut done.looks);
            done.all = *at == wanted.set.len();
            let mut evicted = false;
            for (place, topic) in new {
                done.changes += 1;
                match self.add_topic(out, mesh, now, session, &topic, &mut evicted) {
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
            if let Some(holder) = self.holder_of(out, session) {
                out.links.shares.give(holder, Resource::Sets, wanted.bytes);
            }
            if let Some(link) = out.links.sessions.get_mut(&session) {
                (link.shortage, link.told) = (wanted.shortage, None);
            }
            self.topics_ignored(out, session, wanted.ignored);
        } else if let Some(link) = out.links.sessions.get_mut(&session) {
            link.wanted = Some(wanted);
        }
        done
    }

    /// Adds a topic, if there is room. Returns the cost beyond one change; `None` if there is no
    /// room. Topics that the session already holds stay.
    fn add_topic(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        now: Instant,
        session: SessionId,
        topic: &Bytes,
        evicted: &mut bool,
    ) -> Option<usize> {
        let link = out.links.sessions.get(&session)?;
        if link.topics.len() >= self.session_topics {
            return None;
        }
        let holder = link.holder;
        let is_new = !self.table.is_local(topic);
        for pool in [Resource::Subscriptions, Resource::Topics] {
            if pool == Resource::Topics && !is_new {
                continue;
            }
            match out.links.shares.may(holder, pool, 1) {
                Permission::Take => {}
                // A holder that gives way gives more than is needed now.
                Permission::TakeFromOthers if *evicted || out.evict(pool, holder) => {
                    *evicted = true
                }
                Permission::TakeFromOthers | Permission::Not => return None,
            }
        }
        out.links.shares.take(holder, Resource::Subscriptions, 1);
        let position = self.table.add_session(topic, session);
        if position == Some(0) {
            out.links.shares.take(holder, Resource::Topics, 1);
        }
        if let Some(link) = out.links.sessions.get_mut(&session) {
            link.topics.insert(topic.clone(), position.unwrap_or(0));
        }
        Some(self.publisher_came(out, mesh, now, topic))
    }

    /// Removes a topic of a session from the table.
    fn remove_topic(
        &mut self,
        out: &mut Outbound,
        topic: &Bytes,
        session: SessionId,
        holder: HolderId,
        position: u32,
    ) {
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
            let link = out
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
            out.links.shares.give(holder, Resource::Topics, 1);
            if let Some(next) = moved.and_then(|moved| self.holder_of(out, moved)) {
                out.links.shares.take(next, Resource::Topics, 1);
            }
        }
    }

    fn holder_of(&self, out: &Outbound, session: SessionId) -> Option<HolderId> {
        let link = out.links.sessions.get(&session).map(|link| link.holder);
        link.or_else(|| self.changes.leaving.get(&session).map(|gone| gone.holder))
    }
}
