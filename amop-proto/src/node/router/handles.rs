//! What the machine does with a router, other than handing it events.

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;

use super::{Counters, Router};
use crate::{
    channel::Frame,
    node::{Action, PeerId, SessionId, SessionIdentity},
    p2p::{NodeId, PeerFrame},
};

impl Router {
    pub(in crate::node) fn poll_action(&mut self) -> Option<Action> {
        self.out.poll_action()
    }

    pub(in crate::node) fn has_actions(&self) -> bool {
        self.out.has_actions()
    }

    pub(in crate::node) fn move_actions(&mut self, actions: &mut VecDeque<Action>) -> bool {
        self.out.move_actions(actions)
    }

    /// Queues a frame that is not an AMOP message, for example a heartbeat's answer, for a session.
    pub(in crate::node) fn send_session(&mut self, session: SessionId, frame: Frame) {
        self.out.send_session(session, frame);
    }

    /// Queues a frame about the network for a peer.
    pub(in crate::node) fn send_peer(&mut self, peer: PeerId, frame: PeerFrame) {
        self.out.send_peer(&self.mesh, peer, frame);
    }

    /// Records that this many bytes of the queue of a session have left.
    pub(in crate::node) fn session_written(&mut self, session: SessionId, len: usize) {
        self.out.session_written(session, len);
    }

    pub(in crate::node) fn admit(&mut self, identity: SessionIdentity) -> bool {
        self.out.admit(identity)
    }

    pub(in crate::node) fn admit_peer(&mut self, node: &NodeId, authority: [u8; 32]) -> bool {
        self.out.admit_peer(node, authority)
    }

    pub(in crate::node) fn bad_message(&mut self, peer: PeerId, what: &'static str) {
        self.out.bad_message(peer, what);
    }

    pub(in crate::node) fn refuse_question(&mut self, peer: PeerId) {
        self.out.refuse_question(peer);
    }

    /// Marks a session as a native client: its multicasts are acknowledged without their bodies,
    /// which FISCO nodes send back (channel-v2 section 7.3). `drops_repeats`: it drops multicasts
    /// that come twice by itself, which a native client does and an SDK of 3.x does not.
    pub(in crate::node) fn session_is_native(&mut self, session: SessionId, drops_repeats: bool) {
        if let Some(link) = self.out.links.sessions.get_mut(&session) {
            link.native = true;
            link.keeps_unicasts = !drops_repeats;
            if drops_repeats && !link.drops_repeats {
                link.drops_repeats = true;
                self.multicasts.repeats.dropping += 1;
            }
        }
    }

    pub(in crate::node) fn shortage(&mut self, session: SessionId) -> Option<Bytes> {
        self.out.shortage(session)
    }

    pub(in crate::node) fn keep_topics(&mut self, session: SessionId) {
        self.out.keep_topics(session);
    }

    pub(in crate::node) fn is_changing(&self, session: SessionId) -> bool {
        self.out.is_changing(session)
    }

    pub(in crate::node) fn take_topic_news(&mut self) -> Vec<(SessionId, bool)> {
        self.topics.take_topic_news()
    }

    /// Returns whether [`topics_for`](Self::topics_for) a participating FISCO node may have changed
    /// since the last call, other than by this node's own topics.
    pub fn take_border_changed(&mut self) -> bool {
        std::mem::take(&mut self.topics.border_changed)
    }

    /// Returns whether a unicast of a local publisher found no subscriber since the last call.
    pub(in crate::node) fn take_unfound(&mut self) -> bool {
        std::mem::take(&mut self.unfound)
    }

    pub(in crate::node) fn counters_mut(&mut self) -> &mut Counters {
        &mut self.out.counters
    }

    /// Returns the topics whose local count changed since the last call: topic, count before, count
    /// now.
    ///
    /// It also passes the changes on to the overlay nodes.
    pub fn take_topic_changes(&mut self, now: Instant) -> Vec<(Bytes, u32, u32)> {
        let changes = self.topics.table.take_changes();
        if !changes.is_empty() {
            let counts: Vec<_> = changes
                .iter()
                .map(|(topic, _, count)| (topic.clone(), *count))
                .collect();
            self.mesh.topics_changed(&counts);
            self.settle_mesh(now);
        }
        changes
    }

    /// Returns whether a neighbour has acknowledged something since the last call.
    pub fn take_acknowledged(&mut self) -> bool {
        std::mem::take(&mut self.acknowledged)
    }
}
