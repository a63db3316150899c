//! Links: how they fail, come back, and carry frames.

use std::collections::VecDeque;

use amop_proto::{
    node::{NodeEvent, PeerId, PeerIdentity},
    p2p::{
        PeerFrame,
        mesh::{self, SharedSecret},
        protocol,
    },
};

use crate::{
    host::{Host, id_of},
    links::{Conn, End, Link},
    scenario::{Break, Sabotage},
    sdks::{Message, seq_of},
    state::State,
};

impl State {
    pub(crate) fn dial(&mut self, link: usize) {
        // Every connection has its own number, whatever happened before.
        let held = &mut self.links[link];
        held.conns.retain(|conn| !conn.is_over());
        held.made += 1;
        held.conns
            .push(Conn::new(100 * (link as u64 + 1) + held.made));
    }

    pub(crate) fn break_link(&mut self) {
        let silent = self.scenario.breaks == Break::Silent;
        self.calm = false;
        let link = &mut self.links[0];
        link.broken = true;
        for conn in &mut link.conns {
            conn.cut = true;
            if silent {
                conn.wires.iter_mut().for_each(VecDeque::clear);
            }
        }
        // A multicast is sent once, so it may be lost in transit; so may a unicast's answer, and it
        // cannot be sent again if there is no other path.
        let hosts: Vec<usize> = self.sdks.iter().map(|sdk| sdk.host).collect();
        let whole = self.whole_from(0);
        for message in &mut self.messages {
            let Message { unicast, got, .. } = &*message;
            let (unicast, got) = (*unicast, got.clone());
            message.sure.retain(|sdk| {
                let host = hosts[*sdk];
                host == 0
                    || if unicast {
                        whole[host]
                    } else {
                        got.contains(sdk)
                    }
            });
        }
    }

    /// Returns the nodes that are joined to `start` by links that never failed, over honest nodes
    /// only.
    pub(crate) fn whole_from(&self, start: usize) -> [bool; 3] {
        let mut whole = [false; 3];
        whole[start] = true;
        for _ in 0..2 {
            for link in self.links.iter().filter(|link| self.is_whole(link)) {
                let [a, b] = link.ends;
                whole[a] |= whole[b];
                whole[b] |= whole[a];
            }
        }
        whole
    }

    /// Returns whether a link never failed, and joins honest nodes.
    pub(crate) fn is_whole(&self, link: &Link) -> bool {
        !link.broken && !link.ends.iter().any(|&end| self.is_liar(end))
    }

    pub(crate) fn open(&mut self, link: usize, conn: usize, end: usize) {
        let held = &mut self.links[link];
        let ends = held.ends;
        let conn = &mut held.conns[conn];
        if conn.cut || conn.ends[1 - end] == End::Gone {
            conn.ends[end] = End::Gone;
            return;
        }
        conn.ends[end] = End::Open;
        let (peer, other) = (PeerId(conn.id), ends[1 - end]);
        let identity = PeerIdentity {
            node: id_of(other),
            name: format!("node{other}"),
            agency: "agency".into(),
            authority: SharedSecret::agency_of(&id_of(other)),
            address: format!("node{other}"),
            new_seqs: false,
        };
        let dialled = end == 0;
        let event = NodeEvent::PeerOpened {
            peer,
            identity,
            dialled,
        };
        self.tell(ends[end], event);
    }

    pub(crate) fn lose(&mut self, link: usize, conn: usize, end: usize) {
        let held = &mut self.links[link];
        let host = held.ends[end];
        let conn = &mut held.conns[conn];
        conn.ends[end] = End::Gone;
        conn.wires[1 - end].clear();
        let peer = PeerId(conn.id);
        self.tell(host, NodeEvent::PeerClosed(peer));
    }

    pub(crate) fn deliver(&mut self, link: usize, conn: usize, from: usize) {
        let held = &mut self.links[link];
        let (host, sender) = (held.ends[1 - from], held.ends[from]);
        let conn = &mut held.conns[conn];
        let peer = PeerId(conn.id);
        let wire = &mut conn.wires[from];
        let Some(mut frame) = wire.pop_front() else {
            return;
        };
        let mut peer = peer;
        if self.is_liar(sender) {
            (peer, frame) = self.believed(host, peer, frame);
        }
        frame = self.withheld(host, frame);
        let believes = self.scenario.does(Sabotage::BelieveSignatures);
        self.tell(host, Host::checker(believes).event(peer, frame));
    }

    pub(crate) fn closed(&mut self, host: usize, peer: PeerId) {
        for link in &mut self.links {
            let Some(end) = link.ends.iter().position(|&end| end == host) else {
                continue;
            };
            for conn in link.conns.iter_mut().filter(|conn| conn.id == peer.0) {
                conn.ends[end] = End::Gone;
                conn.wires[1 - end].clear();
            }
        }
    }

    pub(crate) fn write(&mut self, host: usize, peer: PeerId, frame: PeerFrame) {
        let times = self.times(host, &frame);
        if !self.is_liar(host) {
            (0..times).for_each(|_| self.count_crossing(&frame));
        }
        self.overhear(host, &frame);
        for link in &mut self.links {
            let Some(end) = link.ends.iter().position(|&end| end == host) else {
                continue;
            };
            let repeated = link.broken;
            for conn in link.conns.iter_mut().filter(|conn| conn.id == peer.0) {
                if conn.cut || conn.ends[1 - end] == End::Gone {
                    continue;
                }
                let known = frame.packet == mesh::packet::KNOWN && is_extension(&frame);
                if known && repeated && self.scenario.does(Sabotage::LoseKnown) {
                    continue;
                }
                for _ in 0..times {
                    conn.wires[end].push_back(frame.clone());
                }
            }
        }
    }

    /// Returns how often a frame is really written.
    fn times(&mut self, host: usize, frame: &PeerFrame) -> usize {
        if !is_extension(frame) {
            return 1;
        }
        let does = |sabotage| self.scenario.does(sabotage) && self.started;
        match frame.packet {
            mesh::packet::RECORDS if host == 1 && does(Sabotage::LoseRecords) => 0,
            mesh::packet::UNICAST | mesh::packet::RELAYED_UNICAST if does(Sabotage::Loop) => 50,
            mesh::packet::UNICAST | mesh::packet::RELAYED_UNICAST
                if host == 0 && does(Sabotage::LoseRepeats) =>
            {
                usize::from(!std::mem::replace(&mut self.sent_once, true))
            }
            _ => 1,
        }
    }

    fn count_crossing(&mut self, frame: &PeerFrame) {
        if !is_message(frame) {
            return;
        }
        for index in 0..self.messages.len() {
            let seq = seq_of(index).0;
            if self.messages[index].sent && frame.body.windows(seq.len()).any(|part| part == seq) {
                self.messages[index].crossings += 1;
            }
        }
    }
}

pub(crate) fn is_extension(frame: &PeerFrame) -> bool {
    frame.protocol == protocol::EXTENSION
}

/// Returns whether a frame is a message or an answer, and not part of the link-state protocol.
pub(crate) fn is_message(frame: &PeerFrame) -> bool {
    let messages = [
        mesh::packet::UNICAST,
        mesh::packet::ANSWER,
        mesh::packet::MULTICAST,
        mesh::packet::RELAYED_UNICAST,
        mesh::packet::RELAYED_ANSWER,
        mesh::packet::RELAYED_MULTICAST,
    ];
    is_extension(frame) && messages.contains(&frame.packet)
}
