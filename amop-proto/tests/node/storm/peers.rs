//! What other nodes do in a storm.

use crate::support::{
    Link, change, extension, from_node, hello, key, known, multicast, node_id, peer_frame, records,
    relayed, relayed_multicast, seq, state, taken, topic_list, topic_seq, unicast,
};
use amop_proto::{
    channel::{Frame, PROTOCOL_MAX_FRAME, result_code},
    p2p::{
        PeerFrame,
        mesh::{self, MulticastHeader, UnicastHeader},
        packet, protocol,
    },
};

use super::Storm;

impl Storm {
    pub(super) fn peer_comes(&mut self) {
        if self.peers.len() < 6 {
            // One of them pretends to be the other node.
            let (node, remote) = (self.below(2), 1 + self.below(4));
            let dialled = self.one_in(2);
            let peer = self.net.raw_peer(node, node_id(remote), dialled);
            self.peers.push(peer);
            if self.one_in(2) && self.net.is_up(peer) {
                self.net.peer_send(peer, hello());
            }
        }
    }

    pub(super) fn peer_talks(&mut self) {
        let Some(peer) = self.open_peer() else { return };
        let a = self.topic();
        let number = self.below(50).to_string();
        let n = self.fresh();
        let payload = "y".repeat(self.below(200));
        let frame = match self.below(14) {
            0..4 => return self.overlay_node_talks(peer),
            4 | 5 => topic_seq(&number),
            6..=8 => self.peer_asks(peer, unicast(n, a, &payload)),
            9 => from_node(0, &multicast(n, a, &payload)),
            10 => peer_frame(
                protocol::TOPIC,
                packet::REQUEST_TOPICS,
                n as u32,
                self.bytes(5),
            ),
            11 => {
                let mut inner = unicast(n, a, &payload);
                inner.body = self.bytes(10).into();
                self.peer_asks(peer, inner)
            }
            12 => {
                let whole = unicast(n, a, &payload).to_bytes();
                let end = self.below(whole.len());
                peer_frame(protocol::AMOP, 0, n as u32, whole.slice(..end))
            }
            _ => {
                let protocols = [-2, -1, 0, 1, 2, 3, 65544, 0x414d, -0x414d, i32::MIN];
                let protocol = protocols[self.below(protocols.len())];
                peer_frame(
                    protocol,
                    self.below(4) as u16,
                    1 << 31 | n as u32,
                    self.bytes(60),
                )
            }
        };
        self.net.peer_send(peer, frame);
    }

    /// Lets a peer that uses the extension state something about itself or others, true or not, and
    /// send messages in the name of others.
    pub(super) fn overlay_node_talks(&mut self, peer: Link) {
        let (a, b) = (self.topic(), self.topic());
        let version = self.fresh();
        let nodes = [(); 3].map(|()| self.below(6));
        let topics = [(a, self.below(4) as u32), (b, 1)];
        let (seq, hops) = (self.below(9) as u32, self.below(4) as u32);
        let id = self.below(40) as u64;
        let message = unicast(version, a, "over many links");
        let frame = match self.below(14) {
            0 | 1 => hello(),
            2 => known(&[(nodes[0], version)]),
            3 => taken(seq),
            4 => extension(mesh::packet::ASK, 0, mesh::encode_keys(nodes.map(key))),
            5..8 => records(seq, &[state(nodes[0], version, &nodes[1..], &topics)]),
            8 => records(seq, &[change(nodes[0], version, version - 1, &topics)]),
            9 | 10 => {
                let header = UnicastHeader {
                    source: key(nodes[0]),
                    target: key(nodes[1]),
                    id,
                };
                let packet = match self.one_in(3) {
                    true => mesh::packet::ANSWER,
                    false => mesh::packet::UNICAST,
                };
                extension(packet, hops, header.encode(&message))
            }
            11 => {
                // The message is sealed correctly, for any target.
                let packet = match self.one_in(3) {
                    true => mesh::packet::RELAYED_ANSWER,
                    false => mesh::packet::RELAYED_UNICAST,
                };
                relayed(packet, (nodes[0], nodes[1]), (id, version), &message)
            }
            12 => {
                let message = multicast(version, a, "sealed");
                let from = (nodes[0], nodes[0], nodes[1]);
                relayed_multicast(from, (id, version), &message)
            }
            _ => {
                let spread = MulticastHeader {
                    source: key(nodes[0]),
                    id,
                    targets: nodes[1..].iter().map(|&n| key(n)).collect(),
                };
                let message = multicast(version, a, "to many");
                extension(mesh::packet::MULTICAST, hops, spread.encode(&message))
            }
        };
        self.net.peer_send(peer, frame);
    }

    pub(super) fn peer_asks(&mut self, peer: Link, inner: Frame) -> PeerFrame {
        let seq = self.fresh() as u32;
        if inner.body.first().is_some_and(|&len| len > 0) {
            let key = (peer.node, peer.id.0, seq);
            self.peer_due.entry(key).or_default().0 += 1;
        }
        from_node(seq, &inner)
    }

    pub(super) fn peer_answers(&mut self) {
        if self.requests.is_empty() {
            return;
        }
        let at = self.below(self.requests.len());
        let (peer, request) = self.requests.swap_remove(at);
        if !self.net.is_up(peer) {
            return;
        }
        if request.protocol == protocol::TOPIC {
            let count = self.below(9);
            let topics: Vec<&str> = (0..count).map(|_| self.topic()).collect();
            let list = format!("{}\t{}", self.below(50), topics.join("\t"));
            return self.net.peer_send(peer, topic_list(request.seq, &list));
        }
        let Ok(inner) = Frame::from_bytes(request.body, PROTOCOL_MAX_FRAME) else {
            panic!("a node sent an undecodable message");
        };
        let mut answer = inner.respond(0, inner.body.clone());
        if self.one_in(4) {
            answer.result = result_code::NO_SESSION;
        }
        if self.one_in(10) {
            answer.seq = seq(0);
        }
        let body = answer.to_bytes();
        self.net
            .peer_send(peer, peer_frame(-protocol::AMOP, 0, request.seq, body));
    }

    pub(super) fn peer_reads_or_not(&mut self) {
        let Some(peer) = self.open_peer() else { return };
        let stalls = self.one_in(3);
        self.net.link(peer).stalled = stalls;
        let bytes = if stalls { 500 } else { usize::MAX };
        self.net.peer_read(peer, bytes);
    }

    /// Makes or breaks a connection between the two nodes.
    pub(super) fn nodes_connect(&mut self) {
        let links = self.net.links(0);
        match links.first() {
            Some(&id) if self.one_in(3) => self.net.cut(Link { node: 0, id }),
            _ => {
                let dialler = self.below(2);
                self.net.connect(dialler, 1 - dialler);
            }
        }
    }
}
