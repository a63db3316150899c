//! Defences of honest nodes that a sabotage removes: the behaviour of a node without such a
//! defence.

use std::collections::{BTreeMap, BTreeSet};

use amop_proto::{
    channel::{Frame, Seq},
    node::{NodeEvent, PeerId, SessionId},
    p2p::{
        PeerCodec, PeerFrame,
        mesh::{Record, RoutingKey, SharedSecret, Subject, packet},
        protocol,
    },
};
use amop_testkit::machines::extension;
use bytes::Bytes;

use super::forge;
use crate::{
    Sabotage,
    net::{ConnId, Owner},
    world::World,
};

/// The number of frames written for each question, where all are answered.
const ANSWERS: usize = 40;

/// What nodes without a defence have seen.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    /// Relayed multicasts that arrived, by the node they came to.
    came: BTreeSet<(usize, Bytes)>,
    /// Answers that are accepted before the subscriber is asked, by its node.
    answers: BTreeMap<(usize, Seq), Frame>,
    /// Subscribers that were asked.
    asked: BTreeMap<(usize, Seq), SessionId>,
}

impl World {
    /// Returns the frames as which a node treats a frame, and the connections that it treats as
    /// their sources. These are the frame and its connection, unless a defence against a hostile
    /// neighbour is removed.
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

    /// Does what an undefended node does in addition about a frame of a hostile one.
    pub(crate) fn undefended(
        &mut self,
        (host, from): (usize, Option<usize>),
        end: (ConnId, usize),
        frame: &PeerFrame,
    ) {
        let hostile = from.is_some_and(|from| self.is_hostile(from));
        if !hostile || self.is_hostile(host) || frame.protocol != protocol::EXTENSION {
            return;
        }
        match self.config.sabotage {
            Some(Sabotage::AnswerAll) if [packet::KNOWN, packet::ASK].contains(&frame.packet) => {
                let answer = extension(packet::TAKEN, u32::MAX, Bytes::new());
                for _ in 0..ANSWERS {
                    self.write_more(end, &answer);
                }
            }
            Some(Sabotage::BelieveAnswers) => self.believe_answer(host, frame),
            Some(Sabotage::TakeAgain) => self.take_again(host, frame),
            _ => {}
        }
    }

    /// Accepts an answer from any node, as if the subscriber's own node had got it from the
    /// subscriber.
    fn believe_answer(&mut self, host: usize, frame: &PeerFrame) {
        let Some((source, target, answer)) = forge::forged_answer(frame) else {
            return;
        };
        let Some(at) = self.with_key(source).filter(|&at| !self.is_hostile(at)) else {
            return;
        };
        if target != self.hosts[host].key {
            return;
        }
        match self.missing.asked.remove(&(at, answer.seq)) {
            Some(session) => {
                let life = self.hosts[at].life;
                self.tell_host(at, life, NodeEvent::session_frame(session, answer));
            }
            None => {
                self.missing.answers.insert((at, answer.seq), answer);
            }
        }
    }

    /// Returns the answer to a unicast that a subscriber is about to be asked, if one was accepted
    /// already.
    pub(crate) fn believed_answer(
        &mut self,
        (conn, side): (ConnId, usize),
        session: SessionId,
        seq: Seq,
    ) -> Option<Frame> {
        let Owner::Session { host, .. } = self.conns[conn.0].owners[side] else {
            return None;
        };
        let answer = self.missing.answers.remove(&(host, seq));
        if answer.is_none() {
            self.missing.asked.insert((host, seq), session);
        }
        answer
    }

    /// Delivers a multicast again that has arrived before.
    fn take_again(&mut self, host: usize, frame: &PeerFrame) {
        let Some(multicast) = forge::relayed_multicast(frame) else {
            return;
        };
        if self.missing.came.insert((host, frame.body.clone())) {
            return;
        }
        let sessions = self.hosts[host].sessions.clone();
        for (session, end) in sessions {
            self.write_session(session, end, &multicast, &mut Vec::new());
        }
    }

    /// Returns the connection of a node to an honest neighbour with this key.
    fn peer_with(&self, host: usize, key: RoutingKey) -> Option<PeerId> {
        let mut peers = self.hosts[host].peers.iter();
        let named = peers.find(|&(_, &end)| {
            let other = self.neighbour(end);
            other.is_some_and(|other| self.hosts[other].key == key && !self.is_hostile(other))
        });
        named.map(|(&peer, _)| peer)
    }

    /// Returns a message for a neighbour as if it came from the neighbour that it names. If only
    /// its id should be used up, it gets a topic without subscribers.
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

    /// Returns a unicast or answer from a distant node as if its seal were valid: it counts as if
    /// its source were a neighbour.
    fn as_sealed(&self, host: usize, frame: &PeerFrame) -> Option<(PeerId, PeerFrame)> {
        let direct = forge::direct(frame)?;
        Some((self.peer_with(host, forge::source_of(&direct)?)?, direct))
    }

    /// Returns the latest version that a node stated and its neighbours were told.
    fn latest(&self, key: RoutingKey) -> Option<u64> {
        let records = self.traffic.records.as_ref()?.keys();
        let of = records.filter(|(_, _, of, _)| *of == key);
        of.map(|&(_, _, _, version)| version).max()
    }

    /// Returns the host with this key.
    fn with_key(&self, key: RoutingKey) -> Option<usize> {
        self.hosts.iter().position(|host| host.key == key)
    }

    /// Returns an old record as if it were new.
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

    /// Returns the records that other nodes would have to state for the links that a node claims.
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

    /// Returns a change of a node's last record with a link that does not exist.
    fn with_link(&self, of: usize, to: usize) -> Option<PeerFrame> {
        let base = self.latest(self.hosts[of].key)?;
        let live = self.live_edges();
        let ends = live.iter().filter_map(|&(a, b)| match of {
            _ if a == of => Some(b),
            _ if b == of => Some(a),
            _ => None,
        });
        let mut neighbours: Vec<RoutingKey> = ends.map(|end| self.hosts[end].key).collect();
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

    /// Sends a relayed message many times, as if it went round in a circle: this happens without a
    /// limit of hops and without the rule that nothing goes back.
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
