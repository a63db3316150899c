//! Confirms multicasts of neighbours.

use std::time::{Duration, Instant};

use super::Multicasts;
use crate::{
    node::{
        PeerId,
        mesh::{Mesh, extension},
        router::outbound::Outbound,
    },
    p2p::{
        PeerFrame,
        mesh::{Numbered, encode_confirmed, packet},
    },
};

/// The time after which received multicasts are confirmed, if many have not come before.
const CONFIRM_AFTER: Duration = Duration::from_millis(20);

impl Multicasts {
    /// Notes a multicast from a neighbour. If it has a number it must be confirmed.
    pub(in crate::node::router) fn multicast_came(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        now: Instant,
        peer: PeerId,
        frame: &mut PeerFrame,
    ) {
        let Some(link) = out.links.peers.get_mut(&peer) else {
            return;
        };
        if link.unconfirmed.is_none() {
            return;
        }
        let Numbered { number, hops_left } = Numbered::of(frame.seq);
        frame.seq = hops_left;
        if number == 0 {
            return;
        }
        if link.to_confirm.push(number, frame.wire_len()) {
            self.confirm(out, mesh, peer);
        } else if self.confirm_at.is_none() {
            self.confirm_at = Some(now + CONFIRM_AFTER);
        }
    }

    /// Tells a neighbour which of its multicasts have come.
    fn confirm(&self, out: &mut Outbound, mesh: &Mesh, peer: PeerId) {
        let Some(link) = out.links.peers.get_mut(&peer) else {
            return;
        };
        let runs = link.to_confirm.take();
        if !runs.is_empty() {
            let body = encode_confirmed(&runs);
            out.send_peer(mesh, peer, extension(packet::CONFIRMED, 0, body));
        }
    }

    /// Confirms received multicasts that are due.
    pub(in crate::node::router) fn confirm_due(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        now: Instant,
    ) {
        if self.confirm_at.is_none_or(|at| now < at) {
            return;
        }
        self.confirm_at = None;
        let peers = out.links.peers.iter();
        let peers = peers.filter(|(_, link)| !link.to_confirm.is_empty());
        let peers: Vec<PeerId> = peers.map(|(&peer, _)| peer).collect();
        for peer in peers {
            self.confirm(out, mesh, peer);
        }
    }
}
