//! Packets that come from other nodes.

use std::time::Instant;

use crate::{
    channel::{Frame, FrameType, PROTOCOL_MAX_FRAME, result_code},
    node::{
        HashedFrame, PeerId, PeerInput,
        router::{Router, ends::Origin},
    },
    p2p::mesh::{RoutingKey, packet},
};

impl Router {
    pub(in crate::node::router) fn peer_message(
        &mut self,
        now: Instant,
        peer: PeerId,
        input: PeerInput,
    ) {
        let PeerInput {
            frame: mut message,
            digest,
            ..
        } = input;
        let body = std::mem::take(&mut message.body);
        let inner = Frame::from_bytes(body, PROTOCOL_MAX_FRAME);
        if message.is_response() {
            let Some(link) = self.out.links.peers.get_mut(&peer) else {
                return;
            };
            let Some(id) = link.asked.remove(&message.seq) else {
                return self
                    .out
                    .bad_message(peer, "a response that no request waits for");
            };
            let expected = self.in_flight.get(id).map(|unicast| unicast.frame.seq);
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
                    self.out.bad_message(peer, "an undecodable answer");
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
            _ => self.out.bad_message(peer, "an undecodable AMOP message"),
        }
    }

    /// Handles a packet of the extension protocol.
    pub(in crate::node::router) fn extension_packet(
        &mut self,
        now: Instant,
        peer: PeerId,
        input: PeerInput,
    ) {
        let PeerInput {
            mut frame, digest, ..
        } = input;
        if let packet::MULTICAST | packet::RELAYED_MULTICAST = frame.packet {
            self.multicasts
                .multicast_came(&mut self.out, &self.mesh, now, peer, &mut frame);
        }
        let understood = match frame.packet {
            packet::UNICAST => self.neighbours_unicast(now, peer, frame),
            packet::ANSWER => self.neighbours_answer(now, peer, frame),
            packet::MULTICAST => self.neighbours_multicast(now, peer, frame, digest),
            packet::RELAYED_UNICAST | packet::RELAYED_ANSWER => {
                self.relayed(now, peer, frame, digest)
            }
            packet::RELAYED_MULTICAST => self.relayed_multicast(now, peer, frame, digest),
            packet::CONFIRMED => self.out.confirmed(peer, frame.body),
            // The caller of the machine must have records checked first.
            packet::RECORDS => None,
            _ => {
                self.mesh.packet(now, peer, &frame);
                Some(())
            }
        };
        if understood.is_none() {
            self.out.bad_message(peer, "a malformed overlay message");
        }
    }

    /// Returns whether messages for a name end here: at this node or at a FISCO node behind it.
    pub(in crate::node::router) fn is_here(&self, target: RoutingKey) -> bool {
        target == self.mesh.own() || self.mesh.stub_peer(target).is_some()
    }
}
