//! Multicasts between this node and other overlay nodes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use bytes::Bytes;

use super::headers::{MAX_HOPS, UNKNOWN_TARGET, carrying};
use crate::{
    channel::{Frame, FrameType, PROTOCOL_MAX_FRAME},
    node::{
        HashedFrame, Lane, PeerId,
        digest::FrameDigest,
        mesh::{Hop, SealProof},
        router::{
            Router,
            ends::Origin,
            multicasts::{MulticastName, seals},
        },
    },
    p2p::{
        Body, PeerFrame,
        mesh::{
            MAX_TARGETS, MacPurpose, MulticastHeader, RelayedMulticastHeader, RoutingKey, Seal,
            Statement, packet,
        },
    },
};

/// The next step of a multicast.
enum MulticastStep {
    Over(Hop),
    /// There is no path at the moment, or others wait for one.
    Later,
    /// Too much waits to be written there.
    Full,
}

impl Router {
    pub(in crate::node::router) fn neighbours_multicast(
        &mut self,
        now: Instant,
        peer: PeerId,
        message: PeerFrame,
        digest: FrameDigest,
    ) -> Option<()> {
        let (spread, bytes) = MulticastHeader::decode(message.body)?;
        let MulticastHeader {
            source,
            id,
            mut targets,
        } = spread;
        // Without targets, it is for this node.
        let own = [self.mesh.own()];
        // A FISCO node behind this one may have left while the message was on its way. The others
        // still get it.
        let named = targets.len();
        targets.retain(|&target| self.is_here(target));
        let gone = named - targets.len();
        let targets = match named {
            0 => &own[..],
            _ => &targets[..],
        };
        let voucher = self.out.key_of(peer);
        let voucher = voucher.filter(|&voucher| self.mesh.vouches(voucher, source));
        let Some(voucher) = voucher.filter(|_| !targets.is_empty()) else {
            self.out.unproven(peer);
            return Some(());
        };
        self.out.counters.undeliverable += gone as u64;
        let called = MulticastName {
            voucher,
            source,
            id,
        };
        if !called.is_named(|| digest.get(&bytes)) {
            self.out.unproven(peer);
            return Some(());
        }
        for &target in targets {
            self.multicast_for(now, called, target, &bytes, digest)?;
        }
        Some(())
    }

    pub(in crate::node::router) fn relayed_multicast(
        &mut self,
        now: Instant,
        peer: PeerId,
        message: PeerFrame,
        digest: FrameDigest,
    ) -> Option<()> {
        let (mut spread, bytes) = RelayedMulticastHeader::decode(message.body)?;
        let (mut here, mut named) = (Vec::new(), BTreeSet::new());
        spread.targets.retain(|&(target, seal)| {
            // A target named twice would cause the work twice.
            if !named.insert(target) {
                return false;
            }
            let ends = self.is_here(target);
            if ends {
                here.push((target, seal));
            }
            !ends
        });
        let called = MulticastName {
            voucher: spread.voucher,
            source: spread.source,
            id: spread.id,
        };
        if !here.is_empty() {
            self.sealed_multicast(now, peer, called, &here, (&bytes, digest))?;
        }
        if spread.targets.is_empty() {
            return Some(());
        }
        match message.seq.min(MAX_HOPS).checked_sub(1) {
            Some(hops_left) if hops_left > 0 => {
                self.relay_spread(now, peer, called, spread.targets, (&bytes, hops_left));
            }
            _ => self.out.counters.undeliverable += 1,
        }
        Some(())
    }

    /// Handles a multicast that came over several links, for these names here.
    fn sealed_multicast(
        &mut self,
        now: Instant,
        peer: PeerId,
        called: MulticastName,
        here: &[(RoutingKey, Seal)],
        (bytes, digest): (&Bytes, FrameDigest),
    ) -> Option<()> {
        let MulticastName {
            voucher,
            source,
            id,
        } = called;
        let content = digest.get(bytes);
        if !called.is_named(|| content) {
            self.out.unproven(peer);
            return Some(());
        }
        for (target, seal) in here {
            let statement = Statement {
                purpose: MacPurpose::Multicast,
                voucher,
                source,
                target: *target,
                id,
                content,
            };
            let vouches = self.mesh.vouches(voucher, source);
            match self.mesh.prove(&statement, seal) {
                SealProof::New if vouches => {
                    self.multicast_for(now, called, *target, bytes, digest)?;
                }
                // A node on the path did not know that the message had arrived.
                SealProof::Before if vouches => self.out.counters.copies_repeated += 1,
                _ => self.out.unproven(peer),
            }
        }
        Some(())
    }

    /// Takes a multicast for this node or for a FISCO node behind it, whose origin is proven.
    fn multicast_for(
        &mut self,
        now: Instant,
        called: MulticastName,
        target: RoutingKey,
        bytes: &Bytes,
        digest: FrameDigest,
    ) -> Option<()> {
        let MulticastName {
            voucher,
            source,
            id,
        } = called;
        let own = self.mesh.own();
        if target != own {
            self.multicast_to_stub(now, called, target, bytes);
            return Some(());
        }
        let frame = Frame::from_bytes(bytes.clone(), PROTOCOL_MAX_FRAME).ok()?;
        if frame.kind != FrameType::MULTICAST {
            return None;
        }
        if self
            .seen_messages
            .see_multicast(now, source, own, id, voucher)
        {
            let origin = Origin::Node(source, own, id);
            self.unicast_or_multicast(now, origin, HashedFrame { frame, digest });
        }
        Some(())
    }

    /// Returns where a multicast for a node goes, other than back to where it came from.
    fn way_of(
        &mut self,
        target: RoutingKey,
        from: Option<PeerId>,
        lane: Lane,
        len: usize,
    ) -> MulticastStep {
        if self.multicasts.stranded.is_waiting(target, lane) {
            return MulticastStep::Later;
        }
        match self.out.hop(&mut self.mesh, target, from, lane, len) {
            Some(hop) => MulticastStep::Over(hop),
            None if self.out.has_way(&mut self.mesh, target, from) => MulticastStep::Full,
            None => MulticastStep::Later,
        }
    }

    /// Passes on a multicast of another node, one copy for all targets that are reached through the
    /// same neighbour. No copy goes back at once; see
    /// [`StrandedMulticasts`](super::stranded::StrandedMulticasts).
    fn relay_spread(
        &mut self,
        now: Instant,
        from: PeerId,
        called: MulticastName,
        targets: Vec<(RoutingKey, Seal)>,
        (bytes, hops_left): (&Bytes, u32),
    ) {
        let mut copies: BTreeMap<PeerId, Vec<(RoutingKey, Seal)>> = BTreeMap::new();
        let mut unknown = false;
        let lane = Lane::relayed(from, called.source, bytes);
        for (target, seal) in targets {
            match self.way_of(target, Some(from), lane, bytes.len()) {
                MulticastStep::Over(hop) => {
                    copies.entry(hop.peer).or_default().push((target, seal))
                }
                MulticastStep::Later if self.mesh.is_known(target) => {
                    let copy = (called, target, Some(seal));
                    self.multicasts.strand(
                        &mut self.out,
                        &self.mesh,
                        now,
                        copy,
                        bytes.clone().into(),
                        (lane, hops_left),
                    );
                }
                MulticastStep::Later | MulticastStep::Full => {
                    unknown |= !self.mesh.is_known(target);
                    self.out.counters.undeliverable += 1;
                }
            }
        }
        self.out.counters.relayed += u64::from(!copies.is_empty());
        if unknown {
            self.out.note_misbehaviour(from, UNKNOWN_TARGET);
        }
        for (peer, targets) in copies {
            let spread = called.spread(targets);
            let body = spread.encode_parts(bytes);
            let message = carrying(packet::RELAYED_MULTICAST, hops_left, body);
            self.out.send_multicast(&self.mesh, peer, lane, message);
        }
    }

    /// Sends a multicast of this node or of a FISCO node into the overlay. It leaves `targets`
    /// unchanged.
    pub(in crate::node::router) fn spread_from_here(
        &mut self,
        now: Instant,
        origin: Origin,
        targets: &mut Vec<RoutingKey>,
        message: &HashedFrame,
    ) {
        let frame = &message.frame;
        let voucher = self.mesh.own();
        let number = self.in_flight.number();
        let (source, id) = match self.fisco_source(origin, message) {
            Some(named) => named,
            None => (voucher, number),
        };
        let called = MulticastName {
            voucher,
            source,
            id,
        };
        // Usually there is one target, and it is a neighbour.
        let mut copies: BTreeMap<Hop, Vec<RoutingKey>> = BTreeMap::new();
        for &target in &*targets {
            let lane = origin.lane();
            let hop = match self.way_of(target, None, lane, frame.wire_len()) {
                MulticastStep::Over(hop) => hop,
                MulticastStep::Later => {
                    let copy = (called, target, None);
                    self.multicasts.strand(
                        &mut self.out,
                        &self.mesh,
                        now,
                        copy,
                        frame.to_parts(),
                        (lane, MAX_HOPS),
                    );
                    continue;
                }
                MulticastStep::Full => {
                    self.out.counters.undeliverable += 1;
                    continue;
                }
            };
            if let [_] = targets[..]
                && hop.key == target
            {
                let body = self.for_neighbour(called, hop.peer, frame);
                self.send_copy(now, origin, hop.peer, packet::MULTICAST, body);
                return;
            }
            copies.entry(hop).or_default().push(target);
        }
        // The body is the same for every neighbour that is the only target of its copy.
        let mut alone = None;
        let mut content = None;
        for (Hop { peer, key }, targets) in copies {
            if targets[..] == [key] {
                let body =
                    alone.get_or_insert_with(|| called.direct(Vec::new()).encode_parts(frame));
                let body = body.clone();
                self.send_copy(now, origin, peer, packet::MULTICAST, body);
                continue;
            }
            for targets in targets.chunks(MAX_TARGETS) {
                if targets.iter().all(|&target| self.mesh.ends_at(key, target)) {
                    let body = called.direct(targets.to_vec()).encode_parts(frame);
                    self.send_copy(now, origin, peer, packet::MULTICAST, body);
                    continue;
                }
                let content = *content.get_or_insert_with(|| message.digest.get(frame));
                let spread = called.spread(seals(
                    &mut self.out,
                    &mut self.mesh,
                    called,
                    targets,
                    content,
                ));
                if !spread.targets.is_empty() {
                    let body = spread.encode_parts(frame);
                    self.send_copy(now, origin, peer, packet::RELAYED_MULTICAST, body);
                }
            }
        }
    }

    /// Encodes a multicast for a neighbour alone.
    fn for_neighbour(&mut self, called: MulticastName, peer: PeerId, frame: &Frame) -> Body {
        let spread = called.direct(Vec::new());
        let link = self.out.links.peers.get_mut(&peer);
        match link.and_then(|link| link.unconfirmed.as_mut()) {
            Some(unconfirmed) => spread.encode_parts_in(frame, &mut unconfirmed.blocks),
            None => spread.encode_parts(frame),
        }
    }

    fn send_copy(&mut self, now: Instant, origin: Origin, peer: PeerId, packet: u16, body: Body) {
        let message = carrying(packet, MAX_HOPS, body);
        if self
            .out
            .send_multicast(&self.mesh, peer, origin.lane(), message)
        {
            self.out.pause_if_filling(now, origin, peer);
        }
    }
}
