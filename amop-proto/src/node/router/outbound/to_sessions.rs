//! Frames that are queued for sessions, and bytes of them that have left.

use bytes::Bytes;

use super::{Outbound, queue::QueueLevel, session_link::SessionLink};
use crate::{
    channel::{Frame, heartbeat_shortage},
    node::{
        Action, NodeNotice, SessionCloseReason, SessionId, router::topics::WantedTopics,
        shares::Resource,
    },
};

impl Outbound {
    /// Returns whether a session's client is a native client.
    pub(in crate::node::router) fn is_native(&self, session: SessionId) -> bool {
        let link = self.links.sessions.get(&session);
        link.is_some_and(|link| link.native)
    }

    /// Queues a frame that is not an AMOP message, for example a heartbeat's answer, for a session.
    pub(in crate::node::router) fn send_session(&mut self, session: SessionId, frame: Frame) {
        let Some(link) = self.links.sessions.get_mut(&session) else {
            return;
        };
        if link.closing {
            return;
        }
        let level = link.push(&mut self.links.shares, frame.wire_len());
        let queued = link.queue.queued();
        self.queued(session, frame, (level, queued));
    }

    pub(in crate::node::router) fn multicast_to_session(
        &mut self,
        session: SessionId,
        frame: &Frame,
    ) {
        let Some(link) = self.links.sessions.get_mut(&session) else {
            return;
        };
        if link.is_open(&self.links.shares) {
            self.counters.delivered += 1;
            let level = link.push(&mut self.links.shares, frame.wire_len());
            let queued = link.queue.queued();
            self.queued(session, frame.clone(), (level, queued));
        } else {
            link.queue.count_dropped();
            self.counters.dropped += 1;
        }
    }

    /// Handles the effect of a frame on a session's queue, and sends it.
    fn queued(&mut self, session: SessionId, frame: Frame, (level, queued): (QueueLevel, usize)) {
        match level {
            QueueLevel::Hopeless => {
                self.counters.slow_sessions += 1;
                return self.cut(session, SessionCloseReason::SlowReader { queued });
            }
            QueueLevel::Behind => self.notice(NodeNotice::SessionBehind { session, queued }),
            QueueLevel::Same | QueueLevel::CaughtUp { .. } => {}
        }
        self.actions
            .push_back(Action::SendSession { session, frame });
        while self.session_bytes() > self.session_queues {
            let Some(longest) = self.links.longest_queue() else {
                return;
            };
            self.counters.queues_cut += 1;
            let (queued, max) = (self.session_bytes(), self.session_queues);
            self.cut(longest, SessionCloseReason::QueuesFull { queued, max });
        }
    }

    /// Closes a session, and stops counting its write queue.
    pub(in crate::node::router) fn cut(&mut self, session: SessionId, reason: SessionCloseReason) {
        if let Some(link) = self.links.sessions.get_mut(&session) {
            link.uncount(&mut self.links.shares);
            link.closing = true;
            self.close(Action::CloseSession { session, reason });
        }
    }

    /// Records that this many bytes of the queue of a session have left.
    pub(in crate::node::router) fn session_written(&mut self, session: SessionId, len: usize) {
        let Some(link) = self.links.sessions.get_mut(&session) else {
            return;
        };
        let level = link.written(&mut self.links.shares, len);
        if let QueueLevel::CaughtUp { dropped } = level {
            self.notice(NodeNotice::SessionCaughtUp { session, dropped });
        }
    }

    /// Handles a set that was not understood: the session keeps its topics, and is told.
    pub(in crate::node::router) fn keep_topics(&mut self, session: SessionId) {
        if let Some(link) = self.links.sessions.get_mut(&session) {
            link.keeps_topics();
        }
    }

    /// Returns whether a session's set is not in force yet.
    pub(in crate::node::router) fn is_changing(&self, session: SessionId) -> bool {
        let link = self.links.sessions.get(&session);
        link.is_some_and(|link| link.wanted.is_some())
    }

    /// Returns the heartbeat body that tells a native client which wanted topics it did not get;
    /// `None` if there are none. It is written once, however often it is asked for.
    pub(in crate::node::router) fn shortage(&mut self, session: SessionId) -> Option<Bytes> {
        let link = self.links.sessions.get_mut(&session)?;
        if !link.native || link.shortage.is_none() {
            return None;
        }
        let SessionLink { shortage, told, .. } = link;
        let told = told.get_or_insert_with(|| heartbeat_shortage(shortage));
        Some(told.clone())
    }

    /// Removes a session that has ended, with what it counts for.
    pub(in crate::node::router) fn remove_session(
        &mut self,
        session: SessionId,
    ) -> Option<SessionLink> {
        let link = self.links.sessions.remove(&session)?;
        let shares = &mut self.links.shares;
        link.uncount(shares);
        let waits = link.wanted.as_ref().map_or(0, WantedTopics::bytes);
        shares.give_each(
            link.holder,
            [
                (Resource::Sessions, 1),
                (Resource::Sets, waits),
                (Resource::Subscriptions, link.topics.len()),
            ],
        );
        for (peer, peer_link) in &mut self.links.peers {
            if peer_link.paused.remove(&session) && peer_link.paused.is_empty() {
                self.pauses.remove(peer);
            }
        }
        Some(link)
    }
}
