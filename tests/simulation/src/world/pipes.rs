//! Bytes in transit: sending, arrival, and cuts.

use std::time::Duration;

use amop_proto::{
    channel::FrameDecoder,
    node::{NodeEvent, PeerIdentity, SessionIdentity},
    p2p::{Assembled, FragmentAssembler, PeerCodec, mesh::SharedSecret},
};
use bytes::Bytes;
use rand::RngExt;

use super::{Event, World};
use crate::net::{At, ConnId, Owner, Packet, Pipe, Severed};

/// How long a side that closed waits until its bytes have left.
const FLUSH: Duration = Duration::from_secs(2);

/// How long a dialling host waits for TLS.
const DIAL: Duration = Duration::from_secs(1);

impl World {
    /// Sends bytes that were written.
    pub(crate) fn pump(&mut self, id: ConnId, side: usize) {
        let now = self.now;
        let conn = &mut self.conns[id.0];
        let takes = conn.takes(side);
        let pipe = &mut conn.pipes[side];
        if pipe.busy || !takes {
            return;
        }
        pipe.fill();
        self.fill_packets(id, side);
        let conn = &mut self.conns[id.0];
        let pipe = &mut conn.pipes[side];
        if pipe.out.is_empty() {
            if pipe.fin && conn.severed.is_none() {
                pipe.fin = false;
                self.send_packet(id, side, Packet::Fin);
            }
            return;
        }
        pipe.busy = true;
        let (_, time) = pipe.next_part();
        let at = now.max(pipe.stalled_until) + time;
        self.plan(at, Event::Left(id, side));
    }

    pub(super) fn part_left(&mut self, id: ConnId, side: usize) {
        let now = self.now;
        let conn = &mut self.conns[id.0];
        conn.pipes[side].busy = false;
        if !conn.takes(side) {
            return;
        }
        let stalled_until = conn.pipes[side].stalled_until;
        if stalled_until > now {
            conn.pipes[side].busy = true;
            self.plan(stalled_until, Event::Left(id, side));
            return;
        }
        let (len, part) = conn.take_part(side);
        if let Some(mut part) = part {
            if part.len() > 1 && self.rng.random_bool(0.2) {
                let at = self.rng.random_range(1..part.len());
                let first = part.split_to(at);
                self.send_packet(id, side, Packet::Data(first));
            }
            self.send_packet(id, side, Packet::Data(part));
        }
        // A side that has ended no longer counts its written bytes.
        let conn = &mut self.conns[id.0];
        let left = conn.pipes[side].left(len);
        if !conn.gone[side] {
            match conn.owners[side] {
                Owner::Peer { host, life, id } => {
                    if !self.does(crate::Sabotage::HideQueue) {
                        for (lane, len) in left {
                            self.tell_host(host, life, NodeEvent::PeerWritten(id, lane, len));
                        }
                    }
                }
                Owner::Session { host, life, id } => {
                    // A node of 3.x counts what its translator has taken.
                    if !conn.v3 && !self.does(crate::Sabotage::HideQueue) {
                        self.tell_host(host, life, NodeEvent::SessionWritten(id, len));
                    }
                }
                Owner::Client { client, endpoint } => self.client_wrote(client, endpoint, id),
                Owner::Gateway { host, .. } => self.gateway_wrote(host, (id, side)),
                Owner::Rogue { .. } => {}
            }
        }
        if self.conns[id.0].v3 {
            self.plan(self.now, Event::Bridge(id, side));
        }
        self.pump(id, side);
    }

    fn send_packet(&mut self, id: ConnId, side: usize, packet: Packet) {
        let line = self.conns[id.0].pipes[side].line;
        let jitter = line.jitter.as_nanos() as u64;
        let jitter = Duration::from_nanos(self.rng.random_range(0..=jitter));
        let pipe = &mut self.conns[id.0].pipes[side];
        let at = (self.now + line.latency + jitter).max(pipe.last_arrival);
        pipe.last_arrival = at;
        pipe.in_flight.push_back(packet);
        self.plan(at, Event::Arrived(id, side));
    }

    pub(super) fn arrived(&mut self, id: ConnId, side: usize) {
        let reader = 1 - side;
        let conn = &mut self.conns[id.0];
        let packet = conn.pipes[side].in_flight.pop_front();
        if conn.gone[reader] {
            return;
        }
        match packet {
            None => {}
            Some(Packet::Data(bytes)) => {
                self.log
                    .step(self.now, format_args!("read {} {reader}", id.0), &bytes);
                let buffer = &mut conn.pipes[side].read;
                if buffer.is_empty() {
                    *buffer = bytes.into();
                } else {
                    buffer.extend_from_slice(&bytes);
                }
                self.decode(id, reader);
            }
            Some(Packet::Fin) => self.broken(id, reader),
        }
    }

    /// Reads what has arrived at one end.
    pub(super) fn decode(&mut self, id: ConnId, reader: usize) {
        let at = id;
        let now = self.instant();
        let conn = &mut self.conns[id.0];
        if !conn.open[reader] || conn.paused[reader] || conn.gone[reader] {
            return;
        }
        if conn.v3 {
            if !conn.pipes[1 - reader].read.is_empty() {
                self.decode_messages(id, reader);
            }
            return;
        }
        if let Owner::Gateway { host, .. } = conn.owners[reader] {
            return self.read_packets(host, (id, reader));
        }
        let Pipe {
            read: buffer,
            assembler,
            ..
        } = &mut conn.pipes[1 - reader];
        if buffer.is_empty() {
            return;
        }
        let broken = "a machine wrote what its own codec does not read";
        match conn.owners[reader] {
            Owner::Peer { host, life, id } => {
                let codec = PeerCodec::default();
                let mut frames = Vec::new();
                while let Some(frame) = codec.decode(buffer).expect(broken) {
                    if !FragmentAssembler::<()>::is_fragment(&frame) {
                        frames.push(frame);
                        continue;
                    }
                    let taken = assembler.take(now, frame, |_| Some(()));
                    if let Assembled::Whole(frame) = taken.expect(broken) {
                        frames.push(frame);
                    }
                }
                if frames.is_empty() {
                    self.tell_host(host, life, NodeEvent::PeerActive(id));
                }
                let checker = self.hosts[host].checker.clone();
                let from = self.neighbour((at, reader));
                for frame in frames {
                    self.overhear(host, &frame);
                    self.undefended((host, from), (at, reader), &frame);
                    for (id, frame) in self.believed(host, from, id, frame) {
                        self.tell_host(host, life, checker.event(id, frame));
                    }
                }
            }
            Owner::Session { host, life, id } => {
                let decoder = FrameDecoder::default();
                let mut frames = Vec::new();
                while let Some(frame) = decoder.decode(buffer).expect(broken) {
                    frames.push(frame);
                }
                if frames.is_empty() {
                    self.tell_host(host, life, NodeEvent::SessionActive(id));
                }
                for frame in frames {
                    self.tell_host(host, life, NodeEvent::session_frame(id, frame));
                }
            }
            Owner::Client { client, endpoint } => {
                let decoder = FrameDecoder::default();
                let mut frames = Vec::new();
                while let Some(frame) = decoder.decode(buffer).expect(broken) {
                    frames.push(frame);
                }
                self.client_read(client, endpoint, id, frames);
            }
            Owner::Gateway { .. } => {}
            Owner::Rogue { rogue } => {
                let decoder = FrameDecoder::default();
                let mut frames = Vec::new();
                while let Some(frame) = decoder.decode(buffer).expect(broken) {
                    frames.push(frame);
                }
                self.rogue_read(rogue, frames);
            }
        }
    }

    /// Handles that TLS is complete at one end.
    pub(super) fn opened(&mut self, id: ConnId, side: usize) {
        let now = self.now;
        let conn = &mut self.conns[id.0];
        if conn.gone[side] {
            return;
        }
        if conn.severed.is_some() {
            // TLS never completes.
            self.plan_in(DIAL, Event::Broken(id, side));
            return;
        }
        conn.opened(now, side);
        let other = conn.owners[1 - side];
        self.log
            .step(now, format_args!("open {} {side}", id.0), &[]);
        if self.conns[id.0].v3 {
            self.add_end(id, side);
        }
        match self.conns[id.0].owners[side] {
            Owner::Peer {
                host,
                life,
                id: peer,
            } => {
                let Owner::Peer { host: remote, .. } = other else {
                    return;
                };
                let identity = PeerIdentity {
                    node: self.hosts[remote].id,
                    name: format!("node{remote}"),
                    agency: "agency".into(),
                    authority: SharedSecret::agency_of(&self.hosts[remote].id),
                    address: format!("node{remote}"),
                    new_seqs: false,
                };
                self.hosts[host].peers.insert(peer, (id, side));
                self.tell_host(
                    host,
                    life,
                    NodeEvent::PeerOpened {
                        peer,
                        identity,
                        dialled: side == 0,
                    },
                );
            }
            Owner::Session {
                host,
                life,
                id: session,
            } => {
                self.hosts[host].sessions.insert(session, (id, side));
                let identity = SessionIdentity::default();
                let opened = NodeEvent::SessionOpened { session, identity };
                self.tell_host(host, life, opened);
            }
            Owner::Gateway { host, life } => self.gateway_opened((host, life), (id, side)),
            Owner::Client { client, endpoint } => self.client_connected(client, endpoint, id),
            Owner::Rogue { rogue } => self.rogue_connected(rogue, id),
        }
        self.decode(id, side);
        self.pump(id, side);
    }

    /// Handles that one end learns that the connection ended.
    pub(super) fn broken(&mut self, id: ConnId, side: usize) {
        let now = self.now;
        let conn = &mut self.conns[id.0];
        if conn.gone[side] {
            return;
        }
        let was_open = conn.open[side];
        conn.left(now, side);
        self.log
            .step(now, format_args!("gone {} {side}", id.0), &[]);
        self.bridge_ended(id, side);
        // Its unsent bytes are lost.
        self.conns[id.0].pipes[side].drop_unsent();
        match self.conns[id.0].owners[side] {
            Owner::Peer {
                host,
                life,
                id: peer,
            } => {
                if was_open {
                    self.hosts[host].peers.remove(&peer);
                    self.tell_host(host, life, NodeEvent::PeerClosed(peer));
                }
                self.connection_over(id, side);
            }
            Owner::Session {
                host,
                life,
                id: session,
            } => {
                if was_open {
                    self.hosts[host].sessions.remove(&session);
                    self.tell_host(host, life, NodeEvent::SessionClosed(session));
                }
            }
            Owner::Gateway { host, .. } => {
                self.gateway_lost(host, (id, side));
                self.connection_over(id, side);
            }
            Owner::Client { client, endpoint } => {
                self.client_lost(client, endpoint, id);
            }
            Owner::Rogue { rogue } => self.rogue_lost(rogue, id),
        }
    }

    /// Closes one end after its written bytes.
    pub(crate) fn close_end(&mut self, id: ConnId, side: usize) {
        let now = self.now;
        let conn = &mut self.conns[id.0];
        if conn.gone[side] {
            return;
        }
        conn.left(now, side);
        conn.pipes[side].fin = true;
        self.log
            .step(now, format_args!("close {} {side}", id.0), &[]);
        self.pump(id, side);
        if self.conns[id.0].severed.is_none() {
            // The other side does not read: the connection is reset.
            self.plan_in(FLUSH, Event::Broken(id, 1 - side));
        }
        self.connection_over(id, side);
    }

    /// Lets no more bytes pass. A random part of those in transit still arrives.
    pub(super) fn sever(&mut self, id: ConnId, severed: Severed) {
        let now = self.now;
        if self.conns[id.0].severed.is_some() || self.conns[id.0].gone == [true; 2] {
            return;
        }
        self.conns[id.0].severed = Some(severed);
        self.conns[id.0].ends(now);
        for side in 0..2 {
            let count = self.conns[id.0].pipes[side].in_flight.len();
            let keep = self.rng.random_range(0..=count);
            let part = self.rng.random::<f64>();
            let in_flight = &mut self.conns[id.0].pipes[side].in_flight;
            let cut = in_flight.get(keep).and_then(|packet| match packet {
                Packet::Data(bytes) => {
                    let len = (bytes.len() as f64 * part) as usize;
                    (len > 0).then(|| Bytes::copy_from_slice(&bytes[..len]))
                }
                Packet::Fin => None,
            });
            in_flight.truncate(keep);
            in_flight.extend(cut.map(Packet::Data));
            if severed == Severed::Known {
                let later = self.random_time(0, 50_000);
                self.plan_in(later, Event::Broken(id, side));
            }
        }
    }

    /// Lets nothing leave this connection for a time.
    pub(super) fn stall(&mut self, id: ConnId, time: Duration) {
        let until: At = self.now + time;
        let now = self.now;
        let conn = &mut self.conns[id.0];
        for pipe in &mut conn.pipes {
            pipe.stalled_until = until.max(pipe.stalled_until);
        }
        conn.stalls.push((now, until));
    }
}
