//! Unicasts between this node and other overlay nodes, and their answers.

use std::time::Instant;

use bytes::Bytes;

use super::headers::{MAX_HOPS, carrying};
use crate::{
    channel::{Frame, FrameType, PROTOCOL_MAX_FRAME, result_code},
    node::{
        HashedFrame, Lane, PeerId,
        digest::FrameDigest,
        mesh::{GivenAnswer, Hop, SeenStatus},
        router::{
            Router,
            ends::{Origin, UnicastId},
            in_flight::{AttemptState, Unicast},
        },
    },
    p2p::{
        Body, PeerFrame, PeerMessage,
        mesh::{MacPurpose, RoutingKey, UnicastHeader, packet},
    },
};

impl Router {
    pub(in crate::node::router) fn neighbours_unicast(
        &mut self,
        now: Instant,
        peer: PeerId,
        message: PeerFrame,
    ) -> Option<()> {
        let (header, bytes) = UnicastHeader::decode(message.body)?;
        if Some(header.source) != self.out.key_of(peer) || !self.is_here(header.target) {
            self.out.unproven(peer);
            return Some(());
        }
        self.node_asks(now, header, bytes, FrameDigest::UNKNOWN)
    }

    /// Handles a unicast for this node whose sender is proven.
    pub(in crate::node::router) fn node_asks(
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

    pub(in crate::node::router) fn neighbours_answer(
        &mut self,
        now: Instant,
        peer: PeerId,
        message: PeerFrame,
    ) -> Option<()> {
        let (header, bytes) = UnicastHeader::decode(message.body)?;
        let from_there = self.out.key_of(peer) == Some(self.mesh.owner(header.source));
        if !from_there || header.target != self.mesh.own() {
            self.out.unproven(peer);
            return Some(());
        }
        self.node_answers(now, header, bytes, FrameDigest::UNKNOWN)
    }

    /// Handles an answer whose sender is proven.
    pub(in crate::node::router) fn node_answers(
        &mut self,
        now: Instant,
        header: UnicastHeader,
        bytes: Bytes,
        digest: FrameDigest,
    ) -> Option<()> {
        let answer = Frame::from_bytes(bytes, PROTOCOL_MAX_FRAME).ok()?;
        let Some(unicast) = self.in_flight.get(header.id) else {
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

    /// Sends a unicast, for the first time or again, to the overlay node it is for; returns `false`
    /// if there is no path to it.
    pub(in crate::node::router) fn send_with_header(
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
        self.out
            .send_of(&self.mesh, now, unicast.origin, peer, message);
        true
    }

    /// Returns a frame for an overlay node that is asked a unicast, and the neighbour to send it
    /// to; `None` if there is no path.
    pub(in crate::node::router) fn with_header(
        &mut self,
        node: RoutingKey,
        id: UnicastId,
        lane: Lane,
        (frame, digest): (&Frame, FrameDigest),
    ) -> Option<(PeerId, PeerMessage)> {
        let Hop { peer, key } = self
            .out
            .hop(&mut self.mesh, node, None, lane, frame.wire_len())?;
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

    /// Answers a unicast of an overlay node, and keeps the answer in case it gets lost.
    pub(in crate::node::router) fn answer_node(
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
        let hop = self
            .out
            .hop(&mut self.mesh, header.target, None, lane, body.len());
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
                self.out
                    .send_in(&self.mesh, peer, lane, carrying(packet, MAX_HOPS, body));
            }
            // The node will ask again when there is a path.
            None => self.out.counters.undeliverable += 1,
        }
    }
}
