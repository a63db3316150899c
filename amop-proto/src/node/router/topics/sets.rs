//! Topic sets that sessions send, and topics of sessions that are gone.

use std::{collections::BTreeMap, mem::take, time::Instant};

use bytes::Bytes;

use super::{
    Topics,
    changes::LeavingSession,
    turns::SessionTurn,
    wanted::{TopicSetStep, WantedTopics},
};
use crate::{
    channel::Shortage,
    node::{
        NodeNotice, SessionId, TopicSet,
        mesh::Mesh,
        router::outbound::Outbound,
        shares::{HolderId, Permission, Resource},
        topic_set::Ignored,
    },
};

/// The number of topics of a refused set that are checked to be named in the answer.
const NAMED: usize = 64;

impl Topics {
    /// Handles a session's request for another set of topics.
    pub(in crate::node::router) fn set_topics(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        now: Instant,
        session: SessionId,
        set: TopicSet,
        refused: Vec<String>,
    ) {
        let bytes = set.bytes();
        if !self.make_room_for_set(out, session, bytes) {
            return self.leave_set_out(out, session, &set);
        }
        let Some(link) = out.links.sessions.get_mut(&session) else {
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
        let shares = &mut out.links.shares;
        shares.take(link.holder, Resource::Sets, bytes);
        if let Some(before) = link.wanted.replace(wanted) {
            shares.give(link.holder, Resource::Sets, before.bytes);
            // The one before came into force only in part or not at all.
            out.counters.topic_sets_passed_over += 1;
        } else {
            let holder = link.holder;
            let job = self.job_of(out, holder, session);
            self.changes.push(job);
        }
        self.change_topics(out, mesh, now);
    }

    /// Returns whether a session's set may wait. When too much waits, closes a session of the
    /// holder that is furthest over its fair share.
    fn make_room_for_set(&mut self, out: &mut Outbound, session: SessionId, bytes: usize) -> bool {
        let Some(link) = out.links.sessions.get(&session) else {
            return false;
        };
        let (holder, before) = (
            link.holder,
            link.wanted.as_ref().map_or(0, WantedTopics::bytes),
        );
        // It takes the place of the one before.
        let more = bytes.saturating_sub(before);
        match out.links.shares.may(holder, Resource::Sets, more) {
            Permission::Take => true,
            Permission::TakeFromOthers => out.evict(Resource::Sets, holder),
            Permission::Not => false,
        }
    }

    /// Refuses a set for which there is no room: the session keeps its topics, and is told.
    fn leave_set_out(&mut self, out: &mut Outbound, session: SessionId, set: &TopicSet) {
        let Some(link) = out.links.sessions.get_mut(&session) else {
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
        out.counters.topic_sets_refused += 1;
        self.topics_ignored(out, session, ignored);
    }

    /// Starts to remove the topics of a session that is gone.
    pub(in crate::node::router) fn topics_left(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        now: Instant,
        session: SessionId,
        holder: HolderId,
        topics: BTreeMap<Bytes, u32>,
    ) {
        if topics.is_empty() {
            return out.links.shares.leave(holder);
        }
        self.changes
            .leaving
            .insert(session, LeavingSession { holder, topics });
        let job = self.job_of(out, holder, session);
        self.changes.push(job);
        self.change_topics(out, mesh, now);
    }

    /// Returns the sessions whose topics changed since the last call, and whether their set is in
    /// force now.
    pub(in crate::node::router) fn take_topic_news(&mut self) -> Vec<(SessionId, bool)> {
        take(&mut self.changes.news)
    }

    /// Returns whether topics of sessions wait to be changed.
    pub(in crate::node::router) fn is_changing_topics(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Reports which topics of its set a session does not get.
    pub(in crate::node::router) fn topics_ignored(
        &mut self,
        out: &mut Outbound,
        session: SessionId,
        ignored: Option<Ignored>,
    ) {
        let Some(link) = out.links.sessions.get_mut(&session) else {
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
        let identity = out.links.shares.identity(link.holder);
        out.counters.topics_ignored += 1 + others as u64;
        out.notice(NodeNotice::TopicIgnored {
            session,
            identity,
            topic: first,
            others,
        });
    }

    pub(super) fn job_of(
        &self,
        out: &Outbound,
        holder: HolderId,
        session: SessionId,
    ) -> SessionTurn {
        SessionTurn {
            agency: out.links.shares.agency(holder),
            holder,
            session,
        }
    }
}
