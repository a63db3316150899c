//! Messages from and to other nodes: those of FISCO nodes, and those of the overlay.
//!
//! A message that comes from a neighbour for this node, or for a FISCO node behind it, is believed
//! to be the neighbour's, because TLS proves who it is. A message that comes from further away
//! carries a seal that only its source can have made. Nothing else is checked: a message with a bad
//! seal does not use up its id, and is accepted when it comes again with a good one.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    Router,
    places::group_in,
    unicast::{AttemptState, Origin, Unicast, UnicastId},
    verifications::Remote,
};
use crate::{
    channel::{Frame, FrameType, PROTOCOL_MAX_FRAME, result_code},
    node::{
        Action, Group, HashedFrame, Lane, NodeNotice, PeerCloseReason, PeerId, PeerInput,
        checker::CheckedRecords,
        digest::FrameDigest,
        mesh::{GivenAnswer, Hop, MeshOutput, SealProof, SeenStatus, extension},
    },
    p2p::{
        Body, PeerFrame, PeerMessage,
        mesh::{
            FrameContent, MacPurpose, RelayedUnicastHeader, RoutingKey, Statement, Subject,
            UnicastHeader, packet,
        },
    },
};

/// A message crosses at most this many links, whatever its own hop count says. Networks are far
/// smaller; a message that goes round in a circle while paths change ends here.
pub(super) const MAX_HOPS: u32 = 32;

/// Views differ for a moment after a node has gone; a neighbour that continues for longer invents
/// the targets.
pub(super) const UNKNOWN_TARGET: &str = "messages for unknown nodes";

/// A message to an overlay node is sent again this long after it was first sent, then after twice
/// as long, and so on, because a link in between may have failed. The node takes it once.
const RESEND_AFTER: Duration = Duration::from_secs(1);

/// Returns the time after which a message of this many bytes is sent again: a long one may still be
/// on its way, at 4 MiB a second.
pub(super) fn again_after(len: usize) -> Duration {
    RESEND_AFTER + Duration::from_millis(len as u64 / 4096)
}

/// Builds a packet of the extension protocol that carries a message.
pub(super) fn carrying(packet: u16, hops_left: u32, body: Body) -> PeerMessage {
    PeerMessage {
        frame: extension(packet, hops_left, body.head),
        tail: body.tail,
    }
}

impl Router {
    pub(super) fn peer_message(&mut self, now: Instant, peer: PeerId, input: PeerInput) {
        let PeerInput {
            frame: mut message,
            digest,
            ..
        } = input;
        let body = std::mem::take(&mut message.body);
        let inner = Frame::from_bytes(body, PROTOCOL_MAX_FRAME);
        if message.is_response() {
            let Some(link) = self.links.peers.get_mut(&peer) else {
                return;
            };
            let Some(id) = link.asked.remove(&message.seq) else {
                return self.bad_message(peer, "a response that no request waits for");
            };
            let expected = self.unicasts.get(&id).map(|unicast| unicast.frame.seq);
            match inner {
                Ok(answer) if Some(answer.seq) == expected => {
                    if answer.result == result_code::NO_SESSION {
                        self.attempt_failed(now, id, true);
                    } else {
                        let frame = answer;
                        self.finish(id, Ok(HashedFrame { frame, digest }));
                    }
                }
                _ => {
                    self.bad_message(peer, "an undecodable answer");
                    self.attempt_failed(now, id, false);
                }
            }
            return;
        }
        // A message that cannot be decoded is not answered (p2p-v2 section 7).
        match inner {
            Ok(frame) if frame.kind == FrameType::UNICAST || frame.kind == FrameType::MULTICAST => {
                let origin = Origin::Fisco(peer, message.seq);
                self.unicast_or_multicast(now, origin, HashedFrame { frame, digest });
            }
            _ => self.bad_message(peer, "an undecodable AMOP message"),
        }
    }

    /// Handles a packet of the extension protocol.
    pub(super) fn extension_packet(&mut self, now: Instant, peer: PeerId, input: PeerInput) {
        let PeerInput {
            mut frame, digest, ..
        } = input;
        if let packet::MULTICAST | packet::RELAYED_MULTICAST = frame.packet {
            self.multicast_came(now, peer, &mut frame);
        }
        let understood = match frame.packet {
            packet::UNICAST => self.neighbours_unicast(now, peer, frame),
            packet::ANSWER => self.neighbours_answer(now, peer, frame),
            packet::MULTICAST => self.neighbours_multicast(now, peer, frame, digest),
            packet::RELAYED_UNICAST | packet::RELAYED_ANSWER => {
                self.relayed(now, peer, frame, digest)
            }
            packet::RELAYED_MULTICAST => self.relayed_multicast(now, peer, frame, digest),
            packet::CONFIRMED => self.confirmed(peer, frame.body),
            // The caller of the machine must have records checked first.
            packet::RECORDS => None,
            _ => {
                self.mesh.packet(now, peer, &frame);
                Some(())
            }
        };
        if understood.is_none() {
            self.bad_message(peer, "a malformed overlay message");
        }
    }

    pub(super) fn records(&mut self, now: Instant, peer: PeerId, records: CheckedRecords) {
        self.mesh.records(now, peer, records);
    }

    /// Returns whether messages for a name end here: at this node or at a FISCO node behind it.
    pub(super) fn is_here(&self, target: RoutingKey) -> bool {
        target == self.mesh.own() || self.mesh.border(target).is_some()
    }

    pub(super) fn key_of(&self, peer: PeerId) -> Option<RoutingKey> {
        self.links.peers.get(&peer)?.key
    }

    /// Records that a message does not prove its origin.
    pub(super) fn unproven(&mut self, peer: PeerId) {
        self.counters.unproven += 1;
        self.note_misbehaviour(peer, "a message that does not prove where it comes from");
    }

    /// Records that a peer sent something that makes no sense.
    pub(in crate::node) fn bad_message(&mut self, peer: PeerId, what: &'static str) {
        self.counters.peer_messages_ignored += 1;
        if let Some(node) = self.links.peers.get(&peer).and_then(|link| link.node) {
            self.notice(NodeNotice::BadPeerMessage { peer, node, what });
        }
    }

    /// Records that a peer asked too much.
    pub(in crate::node) fn refuse_question(&mut self, peer: PeerId) {
        self.counters.questions_refused += 1;
        self.note_misbehaviour(peer, "too many questions");
    }

    /// Logs what a peer did, but not each time.
    pub(super) fn note_misbehaviour(&mut self, peer: PeerId, what: &'static str) {
        let Some(link) = self.links.peers.get_mut(&peer) else {
            return;
        };
        let Some(node) = link.node else {
            return;
        };
        let count = link.misbehaviour.entry(what).or_default();
        *count += 1;
        let count = *count;
        if count.is_power_of_two() {
            self.notice(NodeNotice::PeerMisbehaves {
                peer,
                node,
                what,
                count,
            });
        }
    }

    fn neighbours_unicast(&mut self, now: Instant, peer: PeerId, message: PeerFrame) -> Option<()> {
        let (header, bytes) = UnicastHeader::decode(message.body)?;
        if Some(header.source) != self.key_of(peer) || !self.is_here(header.target) {
            self.unproven(peer);
            return Some(());
        }
        self.node_asks(now, header, bytes, FrameDigest::UNKNOWN)
    }

    /// Handles a unicast for this node whose sender is proven.
    fn node_asks(
        &mut self,
        now: Instant,
        header: UnicastHeader,
        bytes: Bytes,
        digest: FrameDigest,
    ) -> Option<()> {
        let frame = Frame::from_bytes(bytes, PROTOCOL_MAX_FRAME).ok()?;
        let UnicastHeader { source, target, id } = header;
        if frame.kind != FrameType::UNICAST {
            let taken_back =
                frame.kind == FrameType::RESPONSE && frame.result == result_code::NO_SESSION;
            return taken_back.then(|| self.taken_back(now, source, target, id));
        }
        match self.seen_messages.see(now, source, target, id) {
            // A message that was forgotten for lack of room may still be in flight; the router
            // finds it then.
            SeenStatus::New => {
                let origin = Origin::Node(source, target, id);
                self.unicast_or_multicast(now, origin, HashedFrame { frame, digest });
            }
            // Its answer will come or has come.
            SeenStatus::Before => {}
            SeenStatus::Answered(answer) => {
                let back = UnicastHeader {
                    source: target,
                    target: source,
                    id,
                };
                self.send_answer(back, answer, Lane::node(source));
            }
        }
        Some(())
    }

    fn neighbours_answer(&mut self, now: Instant, peer: PeerId, message: PeerFrame) -> Option<()> {
        let (header, bytes) = UnicastHeader::decode(message.body)?;
        let from_there = self.key_of(peer) == Some(self.mesh.owner(header.source));
        if !from_there || header.target != self.mesh.own() {
            self.unproven(peer);
            return Some(());
        }
        self.node_answers(now, header, bytes, FrameDigest::UNKNOWN)
    }

    /// Handles an answer whose sender is proven.
    fn node_answers(
        &mut self,
        now: Instant,
        header: UnicastHeader,
        bytes: Bytes,
        digest: FrameDigest,
    ) -> Option<()> {
        let answer = Frame::from_bytes(bytes, PROTOCOL_MAX_FRAME).ok()?;
        let Some(unicast) = self.unicasts.get(&header.id) else {
            // It was sent more than once, and so was its answer.
            return Some(());
        };
        let asked = matches!(
            unicast.at,
            Some(AttemptState::Node { node, .. }) if node == header.source
        );
        if asked && unicast.frame.seq == answer.seq {
            if answer.result == result_code::NO_SESSION {
                self.attempt_failed(now, header.id, true);
            } else {
                let frame = answer;
                self.finish(header.id, Ok(HashedFrame { frame, digest }));
            }
        }
        Some(())
    }

    /// Handles a unicast or answer that came over more than one link, or has more links before it.
    fn relayed(
        &mut self,
        now: Instant,
        peer: PeerId,
        message: PeerFrame,
        digest: FrameDigest,
    ) -> Option<()> {
        let target = UnicastHeader::target_of(&message.body)?;
        if !self.is_here(target) {
            self.pass_on(peer, target, message);
            return Some(());
        }
        let (RelayedUnicastHeader { header, seal }, bytes) =
            RelayedUnicastHeader::decode(message.body)?;
        let purpose = if message.packet == packet::RELAYED_ANSWER {
            MacPurpose::Answer
        } else {
            MacPurpose::Unicast
        };
        // A node asks in its own name, and answers in the name of the FISCO node that was asked.
        let voucher = match purpose {
            MacPurpose::Answer => self.mesh.owner(header.source),
            _ => header.source,
        };
        let statement = Statement {
            purpose,
            voucher,
            source: header.source,
            target,
            id: header.id,
            content: digest.get(&bytes),
        };
        if self.mesh.prove(&statement, &seal) != SealProof::New {
            self.unproven(peer);
            return Some(());
        }
        match purpose {
            MacPurpose::Answer => self.node_answers(now, header, bytes, digest),
            _ => self.node_asks(now, header, bytes, digest),
        }
    }

    /// Sends a unicast, for the first time or again, to the overlay node it is for; returns `false`
    /// if there is no path to it.
    pub(super) fn send_with_header(
        &mut self,
        now: Instant,
        id: UnicastId,
        unicast: &mut Unicast,
    ) -> bool {
        let Some(AttemptState::Node { node, changes, .. }) = &mut unicast.at else {
            return false;
        };
        let lane = unicast.origin.lane();
        let content = (&unicast.frame, unicast.digest);
        let Some((peer, message)) = self.with_header(*node, id, lane, content) else {
            return false;
        };
        *changes = self.mesh.changes();
        self.send_of(now, unicast.origin, peer, message);
        true
    }

    /// Returns a frame for an overlay node that is asked a unicast, and the neighbour to send it
    /// to; `None` if there is no path.
    pub(super) fn with_header(
        &mut self,
        node: RoutingKey,
        id: UnicastId,
        lane: Lane,
        (frame, digest): (&Frame, FrameDigest),
    ) -> Option<(PeerId, PeerMessage)> {
        let Hop { peer, key } = self.hop(node, None, lane, frame.wire_len())?;
        let header = UnicastHeader {
            source: self.mesh.own(),
            target: node,
            id,
        };
        let (packet, body) = if self.mesh.ends_at(key, node) {
            (packet::UNICAST, header.encode_parts(frame))
        } else {
            let content = (frame, digest);
            let body = self.relay_body(MacPurpose::Unicast, header, content)?;
            (packet::RELAYED_UNICAST, body)
        };
        Some((peer, carrying(packet, MAX_HOPS, body)))
    }

    fn relay_body(
        &mut self,
        purpose: MacPurpose,
        header: UnicastHeader,
        (frame, digest): (&impl FrameContent, FrameDigest),
    ) -> Option<Body> {
        let statement = Statement {
            purpose,
            voucher: self.mesh.own(),
            source: header.source,
            target: header.target,
            id: header.id,
            content: digest.get(frame),
        };
        let seal = self.mesh.seal(&statement)?;
        Some(RelayedUnicastHeader { header, seal }.encode_parts(frame))
    }

    /// Answers a unicast of an overlay node, and keeps the answer in case it gets lost.
    pub(super) fn answer_node(
        &mut self,
        source: RoutingKey,
        target: RoutingKey,
        id: u64,
        answer: &HashedFrame,
        lane: Lane,
    ) {
        let header = UnicastHeader {
            source: target,
            target: source,
            id,
        };
        let given = GivenAnswer {
            body: header.encode_parts(&answer.frame),
            digest: answer.digest,
        };
        self.seen_messages
            .answered(source, target, id, given.to_keep());
        self.send_answer(header, given, lane);
    }

    /// Sends an answer, for the first time or again; the body is encoded as for a neighbour.
    fn send_answer(&mut self, header: UnicastHeader, answer: GivenAnswer, lane: Lane) {
        let GivenAnswer { body, digest } = answer;
        let hop = self.hop(header.target, None, lane, body.len());
        let sent = hop.and_then(|Hop { peer, key }| {
            if self.mesh.ends_at(key, header.target) {
                return Some((peer, packet::ANSWER, body));
            }
            let frame = Body {
                head: body.head.slice(UnicastHeader::LEN..),
                tail: body.tail,
            };
            let body = self.relay_body(MacPurpose::Answer, header, (&frame, digest))?;
            Some((peer, packet::RELAYED_ANSWER, body))
        });
        match sent {
            Some((peer, packet, body)) => {
                self.send_in(peer, lane, carrying(packet, MAX_HOPS, body));
            }
            // The node will ask again when there is a path.
            None => self.counters.undeliverable += 1,
        }
    }

    /// Returns the neighbour to send a message for a node to. Never the one it came from: a message
    /// that turns round once may do so for ever. Its source sends it again when the path is known
    /// everywhere.
    pub(super) fn hop(
        &mut self,
        target: RoutingKey,
        from: Option<PeerId>,
        lane: Lane,
        len: usize,
    ) -> Option<Hop> {
        let links = &self.links;
        // Usually no queue is so long that shares matter.
        let group = match lane {
            Lane::Messages { from, .. } if links.is_counted() => group_in(links, &self.mesh, from),
            _ => Group::default(),
        };
        let onward = |peer| Some(peer) != from && links.peer_takes(peer, lane, len, |_| group);
        self.mesh.next_hop(target, onward)
    }

    /// Returns whether there is a link on the path to a node, however much waits there.
    pub(super) fn has_way(&mut self, target: RoutingKey, from: Option<PeerId>) -> bool {
        let peers = &self.links.peers;
        let onward = |peer| Some(peer) != from && peers.contains_key(&peer);
        self.mesh.next_hop(target, onward).is_some()
    }

    /// Passes a message for another node on.
    fn pass_on(&mut self, from: PeerId, target: RoutingKey, mut message: PeerFrame) {
        let source = UnicastHeader::source_of(&message.body).unwrap_or(target);
        let lane = Lane::relayed(
            from,
            source,
            RelayedUnicastHeader::content_of(&message.body),
        );
        let hop = self.hop(target, Some(from), lane, message.wire_len());
        if hop.is_none() && !self.mesh.is_known(target) {
            self.note_misbehaviour(from, UNKNOWN_TARGET);
        }
        match (message.seq.min(MAX_HOPS).checked_sub(1), hop) {
            (Some(hops_left), Some(Hop { peer, .. })) if hops_left > 0 => {
                self.counters.relayed += 1;
                message.seq = hops_left;
                self.send_in(peer, lane, message.into());
            }
            _ => self.counters.undeliverable += 1,
        }
    }

    /// Forgets nodes that are no longer believed.
    pub(super) fn disbelieve(&mut self, now: Instant, nodes: &[Subject]) {
        self.mesh.disbelieve(now, nodes);
    }

    /// Carries out the mesh's outputs.
    pub(super) fn settle_mesh(&mut self, now: Instant) {
        self.mesh.speak(now);
        while let Some(output) = self.mesh.poll_output() {
            self.mesh_output(now, output);
        }
    }

    fn mesh_output(&mut self, now: Instant, output: MeshOutput) {
        match output {
            MeshOutput::Send(peer, frame) => self.send_peer(peer, frame),
            MeshOutput::Topic(node, topic, count) => {
                self.beyond_changed = true;
                let most = self.mesh.may_claim(node, &topic, self.limits.claimed);
                if count > most {
                    self.counters.claims_capped += 1;
                }
                let count = count.min(most);
                self.set_remote(now, Remote::Node(node), &topic, count);
            }
            MeshOutput::Lost(node) => {
                self.node_absent(now, node);
                self.node_lost(now, node);
            }
            MeshOutput::Cut { shaken, changes } => {
                self.links_changed(now);
                self.send_again(now, changes, |_, node| shaken.contains(&node));
            }
            MeshOutput::Moved(neighbour) => {
                let changes = self.mesh.changes();
                self.send_again(now, changes, |router, node| {
                    router.mesh.leads_through(node, neighbour)
                });
            }
            MeshOutput::TooManyTopics(peer) => {
                self.counters.peers_over_topics += 1;
                let max = self.limits.peer_topics;
                let reason = PeerCloseReason::TooManyTopics { max };
                self.close(Action::ClosePeer { peer, reason });
            }
            MeshOutput::Acknowledged => self.acknowledged = true,
            MeshOutput::Restate(restatement) => {
                self.actions.push_back(Action::Restate(restatement));
            }
            MeshOutput::Borders => self.beyond_changed = true,
            MeshOutput::Bad(peer, what) => self.bad_message(peer, what),
            MeshOutput::Refused(peer, what) => {
                self.counters.records_refused += 1;
                self.note_misbehaviour(peer, what);
            }
            MeshOutput::Fault(peer, fault) => {
                self.counters.records_refused += 1;
                let reason = PeerCloseReason::BadRecords(fault);
                self.close(Action::ClosePeer { peer, reason });
            }
            MeshOutput::Disbelieved { peer, node, why } => {
                self.counters.records_refused += 1;
                let count = self.counters.records_refused;
                let teller = self.links.peers.get(&peer).and_then(|link| link.node);
                if let Some(teller) = teller
                    && (count <= 16 || count.is_power_of_two())
                {
                    self.notice(NodeNotice::Disbelieved {
                        peer,
                        teller,
                        node,
                        why,
                    });
                }
            }
            MeshOutput::OverBudget(peer) => {
                self.counters.over_budget += 1;
                self.note_misbehaviour(peer, "records for which there is no room");
            }
            MeshOutput::Evicted(count) => self.counters.over_budget += count as u64,
            MeshOutput::TooOften(peer) => {
                self.counters.statements_late += 1;
                self.note_misbehaviour(peer, "statements of a node that sends too many");
            }
            MeshOutput::Repeats(peer) => {
                self.counters.records_repeated += 1;
                self.note_misbehaviour(peer, "known records, again and again");
            }
            MeshOutput::AsksTooMuch(peer) => self.refuse_question(peer),
        }
    }
}
