//! The topics of other nodes: private ones count only once they are verified.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    Topics,
    routes::{NEED_VERIFY, PUSH_ROUTE, VERIFY_ROUTE, next_route, node_id_of},
    verifications::{ASK_AGAIN_AFTER, Scan, VerifyRequestSent},
};
use crate::{
    channel::{Frame, FrameType, Seq, verify_request},
    node::{
        mesh::Mesh,
        router::{ends::Remote, outbound::Outbound},
    },
};

/// A route is a private topic, an underscore and a random suffix. The suffixes of SDKs are 32 hex
/// digits; suffixes with up to this many underscores are understood as well.
const UNDERSCORES: usize = 8;

/// The number of verifications looked at for one event: some 100 microseconds.
const SLICE: usize = 64;

/// The number of nodes of one topic looked at before another topic has its turn.
const TURN: usize = 16;

/// The pause between two slices, in which other work is done.
const PAUSE: Duration = Duration::from_millis(1);

/// The number of publishers asked about a subscriber that may still judge it.
const JUDGES: usize = 8;

impl Topics {
    /// Handles a change of a remote node's count for a topic. Private topics wait for verification.
    pub(in crate::node::router) fn set_remote(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        now: Instant,
        remote: Remote,
        topic: &Bytes,
        count: u32,
    ) {
        if !topic.starts_with(NEED_VERIFY) {
            self.set_candidate(remote, topic, count);
            if count > 0
                && let Some(route) = topic.strip_prefix(VERIFY_ROUTE)
            {
                self.route_came(out, mesh, now, remote, route);
            }
            return;
        }
        let key = (topic.clone(), remote);
        if count == 0 {
            self.verifications.states.remove(&key);
            self.set_candidate(remote, topic, 0);
            return;
        }
        let state = self.verifications.states.entry(key).or_default();
        state.count = count;
        if state.good {
            self.set_candidate(remote, topic, count);
        }
        self.request_verification(out, mesh, now, (topic.clone(), remote));
    }

    pub(in crate::node::router) fn set_candidate(
        &mut self,
        remote: Remote,
        topic: &Bytes,
        count: u32,
    ) {
        match remote {
            Remote::Fisco(peer) => self.table.set_peer(topic, peer, count > 0),
            Remote::Node(node) => self.table.set_node(topic, node, count),
        }
    }

    /// Handles a new route of a remote node: a verification may have waited for it.
    fn route_came(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        now: Instant,
        remote: Remote,
        route: &[u8],
    ) {
        let underscores = (NEED_VERIFY.len()..route.len()).rev();
        let ends = underscores.filter(|&at| route[at] == b'_');
        let mut push_topic = Vec::with_capacity(PUSH_ROUTE.len() + route.len());
        for end in ends.take(UNDERSCORES) {
            out.counters.verification_looks += 1;
            push_topic.clear();
            push_topic.extend_from_slice(PUSH_ROUTE);
            push_topic.extend_from_slice(&route[..end]);
            // Usually this node has no publisher of it, and there is nothing more to do.
            if self.table.is_subscribed_here(&push_topic) {
                let topic = Bytes::copy_from_slice(&route[..end]);
                self.request_verification(out, mesh, now, (topic, remote));
            }
        }
    }

    /// Handles a new topic of a session, which may be a publisher that verifies. Returns how many
    /// nodes it was asked about, or might have been.
    pub(in crate::node::router) fn publisher_came(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        now: Instant,
        topic: &[u8],
    ) -> usize {
        let Some(private) = topic.strip_prefix(PUSH_ROUTE) else {
            return 0;
        };
        let private = Bytes::copy_from_slice(private);
        if let Some(scan) = self.verifications.scans.get_mut(&private) {
            scan.again = true;
            return 0;
        }
        let (looked, after) = self.scan(out, mesh, now, &private, None, TURN);
        if after.is_some() {
            let again = false;
            self.verifications
                .scans
                .insert(private.clone(), Scan { after, again });
            self.verifications.turns.push_back(private);
            self.verifications.resume.get_or_insert(now + PAUSE);
        }
        looked
    }

    /// Asks about the next nodes of a topic after `after`. Returns how many there were, and the
    /// last one if there may be more.
    fn scan(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        now: Instant,
        topic: &Bytes,
        after: Option<Remote>,
        most: usize,
    ) -> (usize, Option<Remote>) {
        let nodes = self.verifications.nodes_after(topic, after, most);
        for &remote in &nodes {
            out.counters.verification_looks += 1;
            self.request_verification(out, mesh, now, (topic.clone(), remote));
        }
        let last = nodes.last().copied().filter(|_| nodes.len() == most);
        (nodes.len(), last)
    }

    /// Continues with the topic whose turn it is. Returns how many nodes were looked at.
    fn go_on_scanning(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        now: Instant,
        most: usize,
    ) -> Option<usize> {
        let topic = self.verifications.turns.pop_front()?;
        let mut scan = self.verifications.scans.remove(&topic)?;
        let (looked, mut after) = self.scan(out, mesh, now, &topic, scan.after, most);
        let again = after.is_none() && std::mem::take(&mut scan.again);
        if again {
            after = None;
        }
        if again || after.is_some() {
            scan.after = after;
            self.verifications.scans.insert(topic.clone(), scan);
            self.verifications.turns.push_back(topic);
        }
        Some(looked.max(1))
    }

    /// Asks a publisher to verify a remote node, if this is needed, possible, and was not asked
    /// recently.
    fn request_verification(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        now: Instant,
        key: (Bytes, Remote),
    ) {
        let (topic, remote) = &key;
        let push_topic = [PUSH_ROUTE, topic].concat();
        let Some(publishers) = self.table.get(&push_topic) else {
            return;
        };
        let turn = usize::try_from(self.verifications.asked).unwrap_or_default();
        let turn = turn % publishers.sessions.len().max(1);
        let Some(&session) = publishers.sessions.get(turn) else {
            return;
        };
        let state = self.verifications.states.get(&key);
        let Some(state) = state.filter(|state| state.is_ready(now)) else {
            return;
        };
        let Some(route) = next_route(&out.links, mesh, *remote, topic, state) else {
            return;
        };
        let Some(node) = node_id_of(&out.links, mesh, *remote) else {
            return;
        };
        self.verifications.asked += 1;
        let mut seq = [b'0'; Seq::LEN];
        seq.copy_from_slice(format!("{:032}", self.verifications.asked).as_bytes());
        let body = verify_request(&node, topic, &route);
        if let Some(state) = self.verifications.states.get_mut(&key) {
            let before = state.asked.take();
            let mut judges = before.map(|asked| asked.judges).unwrap_or_default();
            judges.retain(|&judge| judge != session);
            if judges.len() == JUDGES {
                judges.remove(0);
            }
            judges.push(session);
            state.asked = Some(VerifyRequestSent {
                at: now,
                route,
                open: true,
                judges,
            });
        }
        self.verifications.due.insert((now + ASK_AGAIN_AFTER, key));
        let frame = Frame::new(FrameType::VERIFY_PEER, Seq(seq), body);
        out.send_session(session, frame);
    }

    /// Asks again where no verdict has come, and continues work that was too much at once.
    pub(in crate::node::router) fn verifications_due(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        now: Instant,
    ) {
        if self.verifications.next_timeout().is_none_or(|at| at > now) {
            return;
        }
        let mut left = SLICE;
        while left > 0
            && let Some((at, _)) = self.verifications.due.first()
            && *at <= now
            && let Some((_, key)) = self.verifications.due.pop_first()
        {
            out.counters.verification_looks += 1;
            self.request_verification(out, mesh, now, key);
            left -= 1;
        }
        // Scans get some of the work as well, however many requests are due.
        left += TURN;
        while left > 0
            && let Some(looked) = self.go_on_scanning(out, mesh, now, left.min(TURN))
        {
            left -= looked.min(left);
        }
        let due = self
            .verifications
            .due
            .first()
            .is_some_and(|(at, _)| *at <= now);
        let more = due || !self.verifications.turns.is_empty();
        self.verifications.resume = more.then(|| now + PAUSE);
    }
}
