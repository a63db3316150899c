//! Messages from and to other nodes: standard ones of neighbours that are none of ours, and those
//! that travel the network of ours.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    Router,
    private::Remote,
    unicast::{Attempt, Origin, Unicast, UnicastId},
};
use crate::{
    channel::{Frame, FrameType, PROTOCOL_MAX_FRAME, code},
    node::{
        Action, Notice, PeerCloseReason, PeerId,
        mesh::{Output, Seen, extension},
    },
    p2p::{
        PeerFrame,
        mesh::{Content, Envelope, NodeKey, Spread, packet},
    },
};

/// A message crosses at most this many links. Networks are far smaller; what goes round in a circle
/// while paths change ends here.
const MAX_HOPS: u32 = 32;

/// A message to a node of ours is sent again this long after it was first sent, then after twice as
/// long, and so on: a link in between may have failed. The node takes it once.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

impl Router {
    pub(super) fn peer_message(&mut self, now: Instant, peer: PeerId, mut message: PeerFrame) {
        let body = std::mem::take(&mut message.body);
        let inner = Frame::from_bytes(body, PROTOCOL_MAX_FRAME);
        if message.is_response() {
            let Some(link) = self.links.peers.get_mut(&peer) else {
                return;
            };
            let Some(id) = link.asked.remove(&message.seq) else {
                self.notice(Notice::BadPeerMessage {
                    peer,
                    what: "a response nobody waits for",
                });
                return;
            };
            let expected = self.unicasts.get(&id).map(|unicast| unicast.frame.seq);
            match inner {
                Ok(answer) if Some(answer.seq) == expected => {
                    if answer.result == code::NO_SESSION {
                        self.attempt_failed(now, id, true);
                    } else {
                        self.finish(id, Ok(answer));
                    }
                }
                _ => {
                    self.notice(Notice::BadPeerMessage {
                        peer,
                        what: "an undecodable answer",
                    });
                    self.attempt_failed(now, id, false);
                }
            }
            return;
        }
        // No answer to what cannot be decoded (p2p-v2 section 7).
        match inner {
            Ok(frame) if frame.kind == FrameType::UNICAST || frame.kind == FrameType::MULTICAST => {
                self.unicast_or_multicast(now, Origin::Peer(peer, message.seq), frame);
            }
            _ => self.notice(Notice::BadPeerMessage {
                peer,
                what: "an undecodable AMOP message",
            }),
        }
    }

    /// Handles a packet of the extension protocol.
    pub(super) fn extension_packet(&mut self, now: Instant, peer: PeerId, frame: PeerFrame) {
        let understood = match frame.packet {
            packet::UNICAST => self.enveloped(now, peer, frame),
            packet::ANSWER => self.enveloped_answer(now, peer, frame),
            packet::MULTICAST => self.spread(now, peer, frame),
            _ => {
                self.mesh.packet(now, peer, &frame);
                Some(())
            }
        };
        if understood.is_none() {
            let what = "a malformed message of the network";
            self.notice(Notice::BadPeerMessage { peer, what });
        }
    }

    fn enveloped(&mut self, now: Instant, peer: PeerId, message: PeerFrame) -> Option<()> {
        let target = Envelope::target_of(&message.body)?;
        if target != self.mesh.own() && self.mesh.border(target).is_none() {
            self.pass_on(peer, target, message);
            return Some(());
        }
        let (envelope, bytes) = Envelope::open(message.body)?;
        let frame = Frame::from_bytes(bytes, PROTOCOL_MAX_FRAME).ok()?;
        if frame.kind != FrameType::UNICAST {
            return None;
        }
        let (source, target, id) = (envelope.source, envelope.target, envelope.id);
        match self.recent.see(now, source, target, id) {
            // What was forgotten for want of room may be in flight still; the router sees that.
            Seen::New => {
                let origin = Origin::Node(source, target, id);
                self.unicast_or_multicast(now, origin, frame);
            }
            // Its answer will come or has come.
            Seen::Before => {}
            Seen::Answered(answer) => self.send_to_node(envelope.source, packet::ANSWER, answer),
        }
        Some(())
    }

    fn enveloped_answer(&mut self, now: Instant, peer: PeerId, message: PeerFrame) -> Option<()> {
        let target = Envelope::target_of(&message.body)?;
        if target != self.mesh.own() {
            self.pass_on(peer, target, message);
            return Some(());
        }
        let (envelope, bytes) = Envelope::open(message.body)?;
        let answer = Frame::from_bytes(bytes, PROTOCOL_MAX_FRAME).ok()?;
        let Some(unicast) = self.unicasts.get(&envelope.id) else {
            // It was sent more than once, and so was its answer.
            return Some(());
        };
        let from_there = matches!(
            unicast.at,
            Some(Attempt::Node { node, .. }) if node == envelope.source
        );
        if from_there && unicast.frame.seq == answer.seq {
            if answer.result == code::NO_SESSION {
                self.attempt_failed(now, envelope.id, true);
            } else {
                self.finish(envelope.id, Ok(answer));
            }
        }
        Some(())
    }

    fn spread(&mut self, now: Instant, peer: PeerId, message: PeerFrame) -> Option<()> {
        let (mut spread, bytes) = Spread::open(message.body.clone())?;
        let own = self.mesh.own();
        let named = spread.targets.len();
        spread.targets.retain(|&target| target != own);
        if named == 0 || spread.targets.len() < named {
            let frame = Frame::from_bytes(bytes.clone(), PROTOCOL_MAX_FRAME).ok()?;
            if frame.kind != FrameType::MULTICAST {
                return None;
            }
            if self
                .recent
                .see_multicast(now, spread.source, own, spread.id)
            {
                let origin = Origin::Node(spread.source, own, spread.id);
                self.unicast_or_multicast(now, origin, frame);
            }
        }
        self.spread_to_borders(now, &mut spread, &bytes);
        if spread.targets.is_empty() {
            return Some(());
        }
        match message.seq.checked_sub(1) {
            Some(hops_left) if hops_left > 0 => {
                let origin = Origin::Node(spread.source, own, spread.id);
                self.send_spread(now, origin, &spread, &bytes[..], hops_left, Some(peer));
            }
            _ => self.counters.undeliverable += 1,
        }
        Some(())
    }

    /// Sends a multicast to nodes of ours, one copy for all that are reached through the same
    /// neighbour, not back to where it came `from` if there is another way.
    fn send_spread(
        &mut self,
        now: Instant,
        origin: Origin,
        spread: &Spread,
        content: &(impl Content + ?Sized),
        hops_left: u32,
        from: Option<PeerId>,
    ) {
        let address = |targets| Spread {
            source: spread.source,
            id: spread.id,
            targets,
        };
        // Mostly there is one, next to this node.
        let mut copies: BTreeMap<PeerId, Vec<NodeKey>> = BTreeMap::new();
        let mut direct = None;
        for &target in &spread.targets {
            let Some(peer) = self.hop(target, from) else {
                self.counters.undeliverable += 1;
                continue;
            };
            if spread.targets.len() > 1 || !self.mesh.is_neighbour(peer, target) {
                copies.entry(peer).or_default().push(target);
                continue;
            }
            let body = address(Vec::new()).seal(content);
            self.send_copy(now, origin, peer, hops_left, body);
        }
        for (peer, targets) in copies {
            let alone = targets.len() == 1 && self.mesh.is_neighbour(peer, targets[0]);
            let body = if alone {
                // The same bytes for every neighbour that is the only target of its copy.
                direct
                    .get_or_insert_with(|| address(Vec::new()).seal(content))
                    .clone()
            } else {
                address(targets).seal(content)
            };
            self.send_copy(now, origin, peer, hops_left, body);
        }
    }

    fn send_copy(
        &mut self,
        now: Instant,
        origin: Origin,
        peer: PeerId,
        hops_left: u32,
        body: Bytes,
    ) {
        self.send_peer(peer, extension(packet::MULTICAST, hops_left, body));
        self.pause_if_filling(now, origin, peer);
    }

    /// Sends a unicast, for the first time or again, to the node of ours it is for; `false` if there
    /// is no way to it.
    pub(super) fn send_enveloped(
        &mut self,
        now: Instant,
        id: UnicastId,
        unicast: &mut Unicast,
    ) -> bool {
        let Some(Attempt::Node { node, changes, .. }) = &mut unicast.at else {
            return false;
        };
        let node = *node;
        let Some(peer) = self.hop(node, None) else {
            return false;
        };
        *changes = self.mesh.changes();
        let envelope = Envelope {
            source: self.mesh.own(),
            target: node,
            id,
        };
        let body = envelope.seal(&unicast.frame);
        self.send_peer(peer, extension(packet::UNICAST, MAX_HOPS, body));
        self.pause_if_filling(now, unicast.origin, peer);
        true
    }

    /// Answers a unicast of a node of ours, and keeps the answer in case it gets lost.
    pub(super) fn answer_node(
        &mut self,
        source: NodeKey,
        target: NodeKey,
        id: u64,
        answer: &Frame,
    ) {
        let envelope = Envelope {
            source: target,
            target: source,
            id,
        };
        let body = envelope.seal(answer);
        self.recent.answered(source, target, id, body.clone());
        self.send_to_node(source, packet::ANSWER, body);
    }

    fn send_to_node(&mut self, node: NodeKey, packet: u16, body: Bytes) {
        match self.hop(node, None) {
            Some(peer) => self.send_peer(peer, extension(packet, MAX_HOPS, body)),
            // The node will ask again when there is a way.
            None => self.counters.undeliverable += 1,
        }
    }

    /// The neighbour to send something for a node to. Back where it came from only if there is no
    /// other: a link that came up or broke since may have turned the way round.
    fn hop(&mut self, target: NodeKey, from: Option<PeerId>) -> Option<PeerId> {
        let links = &self.links;
        let onward = |peer| Some(peer) != from && links.peer_takes(peer);
        self.mesh
            .next_hop(target, onward)
            .or_else(|| self.mesh.next_hop(target, |peer| links.peer_takes(peer)))
    }

    /// Sends a message for another node on its way.
    fn pass_on(&mut self, from: PeerId, target: NodeKey, mut message: PeerFrame) {
        let hop = self.hop(target, Some(from));
        match (message.seq.checked_sub(1), hop) {
            (Some(hops_left), Some(peer)) if hops_left > 0 => {
                self.counters.relayed += 1;
                message.seq = hops_left;
                self.send_peer(peer, message);
            }
            _ => self.counters.undeliverable += 1,
        }
    }

    /// Sends a multicast into the network of ours: this node's own, or a real node's. `targets` is as
    /// before afterwards.
    pub(super) fn spread_from_here(
        &mut self,
        now: Instant,
        origin: Origin,
        targets: &mut Vec<NodeKey>,
        frame: &Frame,
    ) {
        let (source, id) = match self.real_source(origin, frame) {
            Some(named) => named,
            None => (self.mesh.own(), self.next_unicast),
        };
        let spread = Spread {
            source,
            id,
            targets: std::mem::take(targets),
        };
        self.next_unicast += 1;
        self.send_spread(now, origin, &spread, frame, MAX_HOPS, None);
        *targets = spread.targets;
    }

    /// Sends once more what was asked, has not been answered, and may be lost: it was sent to a node of
    /// which `shaken` says so before this many changes of the network and one more, or so long ago
    /// that nobody knows which way it or its answer went. A node takes it once, and answers it again.
    fn send_again(
        &mut self,
        now: Instant,
        changes: u64,
        mut shaken: impl FnMut(&mut Self, NodeKey) -> bool,
    ) {
        let mut nodes: Vec<NodeKey> = self.links.asked_nodes.iter().map(|&(n, _)| n).collect();
        nodes.dedup();
        for node in nodes {
            let shaken = shaken(self, node);
            let lost = |id: &UnicastId| {
                matches!(
                    self.unicasts.get(id).and_then(|unicast| unicast.at),
                    Some(Attempt::Node { changes: sent, .. })
                        if sent < changes || (shaken && sent == changes)
                )
            };
            let mut asked = self.links.asked_node(node);
            asked.retain(lost);
            for id in asked {
                // If there is no way just now the timer tries again.
                if let Some(mut unicast) = self.unicasts.remove(&id) {
                    self.send_enveloped(now, id, &mut unicast);
                    self.unicasts.insert(id, unicast);
                }
            }
        }
    }

    /// Carries out what the mesh wants, and acts on what it tells.
    pub(super) fn settle_mesh(&mut self, now: Instant) {
        while let Some(output) = self.mesh.poll_output() {
            match output {
                Output::Send(peer, frame) => self.send_peer(peer, frame),
                Output::Topic(node, topic, count) => {
                    self.beyond_changed = true;
                    let count = count.min(self.limits.claimed);
                    self.set_remote(now, Remote::Node(node), &topic, count);
                }
                Output::Lost(node) => {
                    for id in self.links.asked_node(node) {
                        self.attempt_failed(now, id, false);
                    }
                }
                Output::Cut { shaken, changes } => {
                    self.send_again(now, changes, |_, node| shaken.contains(&node));
                }
                Output::Moved(neighbour) => {
                    let changes = self.mesh.changes();
                    self.send_again(now, changes, |router, node| {
                        router.mesh.leads_through(node, neighbour)
                    });
                }
                Output::TooManyTopics(peer) => {
                    self.counters.peers_over_topics += 1;
                    let max = self.limits.peer_topics;
                    let reason = PeerCloseReason::TooManyTopics { max };
                    self.close(Action::ClosePeer { peer, reason });
                }
                Output::Acknowledged => self.acknowledged = true,
                Output::Bad(peer, what) => self.notice(Notice::BadPeerMessage { peer, what }),
            }
        }
    }
}
