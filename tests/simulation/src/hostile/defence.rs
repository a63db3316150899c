//! Defences of honest nodes that a sabotage takes away: what they would do without one.

use amop_proto::{
    node::PeerId,
    p2p::{
        PeerCodec, PeerFrame,
        mesh::{NodeKey, Record, SharedSecret, Subject, packet},
        protocol,
    },
};

use super::forge;
use crate::{Sabotage, net::ConnId, world::World};

impl World {
    /// What a node takes a frame for that comes from another, and over which connections: the frame it
    /// is over the one it comes over, unless a defence against a hostile neighbour is missing.
    pub(crate) fn believed(
        &self,
        host: usize,
        from: Option<usize>,
        peer: PeerId,
        frame: PeerFrame,
    ) -> Vec<(PeerId, PeerFrame)> {
        let hostile = from.filter(|&from| self.is_hostile(from));
        let (Some(liar), Some(sabotage)) = (hostile, self.config.sabotage) else {
            return vec![(peer, frame)];
        };
        if frame.protocol != protocol::EXTENSION || self.is_hostile(host) {
            return vec![(peer, frame)];
        }
        let believed = match sabotage {
            Sabotage::BelieveNames | Sabotage::UseIds => self.as_named(host, &frame),
            Sabotage::BelieveSeals => self.as_sealed(host, &frame),
            Sabotage::BelieveOld => self.renewed(&frame).map(|frame| (peer, frame)),
            Sabotage::BelieveLinks => {
                let mut all = vec![(peer, frame.clone())];
                let claimed = self.claimed(liar, &frame).into_iter();
                all.extend(claimed.map(|frame| (peer, frame)));
                return all;
            }
            _ => None,
        };
        vec![believed.unwrap_or((peer, frame))]
    }

    /// The connection of a node to an honest neighbour with this key.
    fn peer_with(&self, host: usize, key: NodeKey) -> Option<PeerId> {
        let mut peers = self.hosts[host].peers.iter();
        let named = peers.find(|&(_, &end)| {
            let other = self.neighbour(end);
            other.is_some_and(|other| self.hosts[other].key == key && !self.is_hostile(other))
        });
        named.map(|(&peer, _)| peer)
    }

    /// A message for a neighbour, as if it were of the neighbour that it names. Where only its id is
    /// used up, it is for a topic of nobody's.
    fn as_named(&self, host: usize, frame: &PeerFrame) -> Option<(PeerId, PeerFrame)> {
        let direct = [packet::UNICAST, packet::MULTICAST, packet::ANSWER];
        if !direct.contains(&frame.packet) {
            return None;
        }
        let peer = self.peer_with(host, forge::source_of(frame)?)?;
        if self.does(Sabotage::UseIds) {
            return Some((peer, forge::for_nobody(frame)?));
        }
        Some((peer, frame.clone()))
    }

    /// A unicast or answer from afar, as if its seal had been found good: it counts as if its source
    /// were here.
    fn as_sealed(&self, host: usize, frame: &PeerFrame) -> Option<(PeerId, PeerFrame)> {
        let direct = forge::direct(frame)?;
        Some((self.peer_with(host, forge::source_of(&direct)?)?, direct))
    }

    /// The version that a node stated last, as far as its neighbours have been told.
    fn latest(&self, key: NodeKey) -> Option<u64> {
        let records = self.traffic.records.as_ref()?.keys();
        let of = records.filter(|(_, _, of, _)| *of == key);
        of.map(|&(_, _, _, version)| version).max()
    }

    /// Whose key this is.
    fn with_key(&self, key: NodeKey) -> Option<usize> {
        self.hosts.iter().position(|host| host.key == key)
    }

    /// An old record, as if it were new.
    fn renewed(&self, frame: &PeerFrame) -> Option<PeerFrame> {
        let record = forge::only_record(frame)?;
        let of = self.with_key(record.key())?;
        let latest = self.latest(record.key())?;
        if record.base != 0 || record.version >= latest || self.is_hostile(of) {
            return None;
        }
        let version = latest + 1;
        let signer = SharedSecret::new(self.hosts[of].id);
        forge::records(&Record { version, ..record }, &signer)
    }

    /// Where a node claims links to others: what these would have to state for it to be so.
    fn claimed(&self, liar: usize, frame: &PeerFrame) -> Vec<PeerFrame> {
        let Some(record) = forge::only_record(frame) else {
            return Vec::new();
        };
        if record.key() != self.hosts[liar].key {
            return Vec::new();
        }
        let others = record.neighbours.iter().flatten();
        let others = others.filter_map(|&key| self.with_key(key));
        let others = others.filter(|&other| !self.is_hostile(other));
        let stated = others.filter_map(|other| self.with_link(other, liar));
        stated.collect()
    }

    /// A change of a node's last record: it has a link more than it has.
    fn with_link(&self, of: usize, to: usize) -> Option<PeerFrame> {
        let base = self.latest(self.hosts[of].key)?;
        let live = self.live_edges();
        let ends = live.iter().filter_map(|&(a, b)| match of {
            _ if a == of => Some(b),
            _ if b == of => Some(a),
            _ => None,
        });
        let mut neighbours: Vec<NodeKey> = ends.map(|end| self.hosts[end].key).collect();
        if neighbours.contains(&self.hosts[to].key) {
            return None;
        }
        neighbours.push(self.hosts[to].key);
        let change = Record {
            subject: Subject::Node(self.hosts[of].id),
            version: base + 1,
            base,
            whole: None,
            neighbours: Some(neighbours),
            topics: Vec::new(),
        };
        forge::records(&change, &SharedSecret::new(self.hosts[of].id))
    }

    /// Without a limit of hops and the rule that nothing goes back: what is passed on for the first time
    /// is so again and again, as if it went round.
    pub(crate) fn echo(&mut self, end: (ConnId, usize), frame: &PeerFrame) {
        if !self.does(Sabotage::Echo) || !forge::is_relayed(frame) || frame.seq != 31 {
            return;
        }
        for _ in 0..200 {
            self.write_more(end, frame);
        }
    }

    fn write_more(&mut self, (conn, side): (ConnId, usize), frame: &PeerFrame) {
        self.honest_frames += 1;
        let out = &mut self.conns[conn.0].pipes[side].out;
        PeerCodec::default().encode(frame, out);
        self.pump(conn, side);
    }
}
