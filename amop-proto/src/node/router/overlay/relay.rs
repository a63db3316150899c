//! Messages that cross more than one link: this node passes them on, or they carry a proof.

use std::time::Instant;

use super::headers::{MAX_HOPS, UNKNOWN_TARGET};
use crate::{
    node::{
        Lane, PeerId,
        digest::FrameDigest,
        mesh::{Hop, SealProof},
        router::Router,
    },
    p2p::{
        Body, PeerFrame,
        mesh::{
            FrameContent, MacPurpose, RelayedUnicastHeader, RoutingKey, Statement, UnicastHeader,
            packet,
        },
    },
};

impl Router {
    /// Handles a unicast or answer that came over more than one link, or has more links before it.
    pub(in crate::node::router) fn relayed(
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
            self.out.unproven(peer);
            return Some(());
        }
        match purpose {
            MacPurpose::Answer => self.node_answers(now, header, bytes, digest),
            _ => self.node_asks(now, header, bytes, digest),
        }
    }

    pub(in crate::node::router) fn relay_body(
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

    /// Passes a message for another node on.
    fn pass_on(&mut self, from: PeerId, target: RoutingKey, mut message: PeerFrame) {
        let source = UnicastHeader::source_of(&message.body).unwrap_or(target);
        let lane = Lane::relayed(
            from,
            source,
            RelayedUnicastHeader::content_of(&message.body),
        );
        let hop = self
            .out
            .hop(&mut self.mesh, target, Some(from), lane, message.wire_len());
        if hop.is_none() && !self.mesh.is_known(target) {
            self.out.note_misbehaviour(from, UNKNOWN_TARGET);
        }
        match (message.seq.min(MAX_HOPS).checked_sub(1), hop) {
            (Some(hops_left), Some(Hop { peer, .. })) if hops_left > 0 => {
                self.out.counters.relayed += 1;
                message.seq = hops_left;
                self.out.send_in(&self.mesh, peer, lane, message.into());
            }
            _ => self.out.counters.undeliverable += 1,
        }
    }
}
