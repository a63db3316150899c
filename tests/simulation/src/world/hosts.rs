//! Nodes: the machine, its timer, and the delivery of its actions into the pipes.

use std::{collections::BTreeMap, sync::Arc};

use amop_proto::{
    channel::{Frame, FrameType, split_topic},
    node::{Action, Checker, Lane, NodeEvent, NodeMachine, NodeNotice, PeerId, SessionId},
    p2p::{
        NodeId, PeerFrame,
        mesh::{CONFIRMS, RoutingKey, SharedSecret, StatementVerifier, packet},
        protocol,
    },
};
use amop_testkit::machines::{Gullible, config};
use bytes::Bytes;
use rand::{RngExt, rngs::StdRng};

use super::{
    Event, World,
    bridges::TAKES,
    chain_id,
    gateways::{Gateway, is_late_answer},
};
use crate::{
    Sabotage,
    checks::MAX_CROSSINGS,
    hostile::{Attacker, FORGED},
    ledger::number_of,
    net::{At, ConnId, Owner},
    violation::Invariant,
};

/// The time at which the versions of the first lives start, in microseconds.
const EPOCH: u64 = 1_700_000_000_000_000;

/// The place of a machine in the world: the machine may crash there and start again.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) id: NodeId,
    pub(crate) key: RoutingKey,
    pub(crate) node: Option<NodeMachine>,
    /// Checks data from other nodes first.
    pub(crate) checker: Arc<Checker>,
    /// The number of the current life.
    pub(crate) life: u32,
    /// Its connections, and which end of each is its own.
    pub(crate) peers: BTreeMap<PeerId, (ConnId, usize)>,
    pub(crate) sessions: BTreeMap<SessionId, (ConnId, usize)>,
    /// Its state as a hostile node, if it is one.
    pub(crate) attacker: Option<Attacker>,
    /// Its gateway, if it is one of a chain's nodes and running.
    pub(crate) gateway: Option<Gateway>,
    armed: Option<At>,
    index: usize,
}

fn verifier(id: NodeId, gullible: bool) -> Arc<dyn StatementVerifier> {
    let honest = SharedSecret::new(id);
    if gullible {
        Arc::new(Gullible(honest))
    } else {
        Arc::new(honest)
    }
}

impl Host {
    pub(super) fn new(
        index: usize,
        topics: usize,
        gullible: bool,
        member: bool,
        rng: &mut StdRng,
    ) -> Self {
        let mut id = NodeId([0; 64]);
        rng.fill(&mut id.0[..]);
        let mut checker = Checker::new(verifier(id, gullible), topics);
        if member {
            checker = checker.of_node(&id, [&chain_id()]);
        }
        Self {
            key: RoutingKey::from(&id),
            id,
            node: None,
            checker: Arc::new(checker),
            life: 0,
            peers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            attacker: None,
            gateway: None,
            armed: None,
            index,
        }
    }
}

impl World {
    /// Returns the time in the form used for versions of records.
    pub(crate) fn clock(&self) -> u64 {
        EPOCH + self.now.as_micros() as u64
    }

    /// Starts a node.
    pub(super) fn start(&mut self, host: usize) {
        let seed = self.rng.random();
        let epoch = self.clock();
        let Host { id, index, .. } = self.hosts[host];
        let mut config = config(id, index);
        config.limits = self.node_limits();
        config.timeouts = self.config.timeouts;
        config.epoch = epoch;
        config.seed = seed;
        if self.gateways.is_member(host) {
            config.stubs.insert(chain_id());
        }
        self.hosts[host].node = Some(NodeMachine::new(config));
        self.hosts[host].armed = None;
        self.start_gateway(host);
        for edge in 0..self.edges.len() {
            for side in 0..2 {
                if self.edges[edge].ends[side] == host {
                    self.arm_dial(edge, side, 1_000, 100_000);
                }
            }
        }
    }

    /// Feeds an event to a node, if it is still in the life that the event is meant for.
    pub(crate) fn tell_host(&mut self, host: usize, life: u32, event: NodeEvent) {
        if self.hosts[host].life != life {
            return;
        }
        // Events that the harness makes up are fed in after what the machine does.
        let tells = matches!(event, NodeEvent::PeerRecords(..));
        let mut made_up = vec![event];
        while let Some(event) = made_up.pop() {
            let now = self.instant();
            let Some(node) = self.hosts[host].node.as_mut() else {
                return;
            };
            node.handle(now, event);
            let mut actions = Vec::new();
            while let Some(action) = node.poll_action() {
                actions.push(action);
            }
            for action in actions {
                self.act(host, action, &mut made_up);
            }
        }
        if tells {
            self.check_beliefs(host);
        }
        self.check_limits(host);
        self.arm(host);
    }

    fn act(&mut self, host: usize, action: Action, made_up: &mut Vec<NodeEvent>) {
        match action {
            Action::SendSession { session, frame } => {
                if let Some(&(conn, side)) = self.hosts[host].sessions.get(&session) {
                    self.write_session(session, (conn, side), &frame, made_up);
                }
            }
            Action::SendPeer {
                peer,
                lane,
                message,
            } => {
                if let Some(&(conn, side)) = self.hosts[host].peers.get(&peer) {
                    let frame = message.joined();
                    self.write_peer(host, (peer, lane), (conn, side), &frame, made_up);
                } else {
                    self.write_chain(host, (peer, lane), message.joined());
                }
            }
            Action::FragmentPeer { peer } => {
                if let Some(&(conn, side)) = self.hosts[host].peers.get(&peer) {
                    self.conns[conn.0].pipes[side].allow_fragments();
                }
            }
            Action::CloseSession { session, reason } => {
                if let Some((conn, side)) = self.hosts[host].sessions.remove(&session) {
                    let what = format_args!("node {host} closes session: {reason}");
                    self.log.step(self.now, what, &[]);
                    self.close_end(conn, side);
                }
            }
            Action::ClosePeer { peer, reason } => {
                if let Some((conn, side)) = self.hosts[host].peers.remove(&peer) {
                    let what = format_args!("node {host} closes peer: {reason}");
                    self.log.step(self.now, what, &[]);
                    self.check_blame(host, (conn, side), &reason);
                    self.close_end(conn, side);
                } else {
                    self.chain_closed(host, peer, &reason);
                }
            }
            Action::PauseSession { session } => self.pause(host, session, true),
            Action::ResumeSession { session } => self.pause(host, session, false),
            Action::CoalesceSession { .. } => {}
            Action::Answer { session, question } => {
                if let Some(node) = &self.hosts[host].node {
                    let reply = node.answer(&question);
                    made_up.push(NodeEvent::SessionReply(session, reply));
                }
            }
            Action::Restate(restatement) => made_up.push(restatement.carry_out()),
            Action::Notice(notice) => self.notice(host, &notice),
        }
    }

    fn pause(&mut self, host: usize, session: SessionId, paused: bool) {
        if let Some(&(conn, side)) = self.hosts[host].sessions.get(&session) {
            self.conns[conn.0].paused[side] = paused;
            if !paused {
                // Continue reading in a separate step.
                let event = match self.conns[conn.0].v3 {
                    true => Event::Bridge(conn, side),
                    false => Event::Arrived(conn, 1 - side),
                };
                self.plan(self.now, event);
            }
        }
    }

    fn notice(&mut self, host: usize, notice: &NodeNotice) {
        let what = format_args!("node {host}: {notice}");
        self.log.step(self.now, what, &[]);
        if self.is_hostile(host) {
            return;
        }
        match notice {
            NodeNotice::SessionBehind { .. }
            | NodeNotice::SessionCaughtUp { .. }
            | NodeNotice::PeerBehind { .. }
            | NodeNotice::PeerCaughtUp { .. } => self.overloads.push(self.now),
            NodeNotice::BadPeerMessage { node, what, .. } if is_late_answer(node, what) => {}
            // An honest node also relays messages that it cannot read.
            NodeNotice::BadPeerMessage { what, .. } if !self.has_hostile() => {
                let text = format!("node {host} ignored {what}");
                self.violated(Invariant::WellFormed, text);
            }
            _ => {}
        }
    }

    pub(crate) fn write_session(
        &mut self,
        session: SessionId,
        (conn, side): (ConnId, usize),
        frame: &Frame,
        made_up: &mut Vec<NodeEvent>,
    ) {
        let mut times = 1;
        if self.does(Sabotage::HideQueue) {
            made_up.push(NodeEvent::SessionWritten(session, frame.wire_len()));
        }
        match frame.kind {
            FrameType::MULTICAST => {
                if self.does_once(Sabotage::LoseMulticast) {
                    return;
                }
                if self.does_once(Sabotage::SessionTwice) {
                    times = 2;
                }
                if let Some(number) = number_of(frame).filter(|&number| number < FORGED) {
                    let copies = self.copies.entry((conn, number)).or_default();
                    *copies += times;
                }
            }
            FrameType::UNICAST if self.does(Sabotage::LoseUnicasts) => return,
            FrameType::UNICAST if self.does(Sabotage::BelieveAnswers) => {
                if let Some(answer) = self.believed_answer((conn, side), session, frame.seq) {
                    made_up.push(NodeEvent::session_frame(session, answer));
                    return;
                }
            }
            FrameType::UNICAST if self.does(Sabotage::FalseAnswer) => {
                // As if a subscriber had answered, although it was never asked.
                let topic = split_topic(&frame.body).map(|body| body.topic.clone());
                let answer = [&0u32.to_be_bytes()[..]].concat();
                let answer = Frame::amop(
                    FrameType::RESPONSE,
                    frame.seq,
                    &topic.unwrap_or_default(),
                    &answer,
                );
                made_up.push(NodeEvent::session_frame(session, answer));
                return;
            }
            _ => {}
        }
        if frame.kind == FrameType::UNICAST
            && let Some(number) = number_of(frame)
        {
            self.note_asked(conn, number);
        }
        for _ in 0..times {
            frame.encode(self.output(conn, side));
        }
        let limit = self.config.limits.session_queue;
        self.check_queue((conn, side), limit, frame.wire_len());
        self.flush(conn, side);
    }

    fn write_peer(
        &mut self,
        host: usize,
        (peer, lane): (PeerId, Lane),
        (conn, side): (ConnId, usize),
        frame: &PeerFrame,
        made_up: &mut Vec<NodeEvent>,
    ) {
        let to = match self.conns[conn.0].owners[1 - side] {
            Owner::Peer { host, .. } => host,
            _ => return,
        };
        let mut bent = frame.clone();
        if !self.bend(host, &mut bent) {
            made_up.push(NodeEvent::PeerWritten(peer, lane, frame.wire_len()));
            return;
        }
        let frame = &bent;
        if !self.is_hostile(host) {
            self.honest_frames += 1;
            self.echo((conn, side), frame);
        }
        let mut times = 1;
        if self.does(Sabotage::HideQueue) {
            made_up.push(NodeEvent::PeerWritten(peer, lane, frame.wire_len()));
        }
        if frame.protocol == protocol::EXTENSION {
            if frame.packet == packet::RECORDS && to == 0 && self.does(Sabotage::Deafen) {
                return;
            }
            let unicast = matches!(frame.packet, packet::UNICAST | packet::RELAYED_UNICAST);
            if unicast && self.does(Sabotage::Loop) {
                times = 3;
            }
            if frame.packet == packet::RECORDS && self.does(Sabotage::FloodAgain) {
                times = 3 * MAX_CROSSINGS;
            }
        }
        let mut frame = frame.clone();
        let greets = (frame.protocol, frame.packet) == (protocol::EXTENSION, packet::HELLO);
        if greets && self.does(Sabotage::ConfirmNothing) {
            frame.body = Bytes::from_static(&[CONFIRMS - 1; 2]);
        }
        if frame.packet == packet::RECORDS && self.does_once(Sabotage::Garble) {
            frame.body.truncate(frame.body.len() - 1);
        }
        for _ in 0..times {
            self.traffic
                .crosses(self.now, (host, to), (conn, side), &frame);
            self.conns[conn.0].pipes[side].push(lane, frame.clone().into());
        }
        let limit = self.config.limits.peer_queue;
        self.check_queue((conn, side), limit, frame.wire_len());
        self.pump(conn, side);
    }

    /// Checks that the write queue of a connection stays below twice its limit or its longest
    /// frame.
    fn check_queue(&mut self, (conn, side): (ConnId, usize), limit: usize, frame: usize) {
        let untaken = self.bridges.waiting((conn, side));
        let v3 = self.conns[conn.0].v3;
        let pipe = &mut self.conns[conn.0].pipes[side];
        pipe.longest = pipe.longest.max(frame);
        // What a translator has taken is not the machine's any more, and has a bound of its own.
        let (passed, most) = (pipe.waiting(), 2 * TAKES + pipe.longest);
        if v3 && passed > most {
            let text = format!("a translator holds {passed} bytes, the bound is {most}");
            self.violated(Invariant::BoundedMemory, text);
        }
        let pipe = &self.conns[conn.0].pipes[side];
        let waiting = if v3 { untaken } else { pipe.waiting() };
        let (waiting, most) = (waiting, 2 * pipe.longest.max(limit));
        if waiting > most {
            let text = format!("{waiting} bytes wait for one connection, the bound is {most}");
            self.violated(Invariant::BoundedMemory, text);
        }
    }

    /// Checks that a node's tables stay within its limits.
    fn check_limits(&mut self, host: usize) {
        let limits = &self.config.limits;
        let Some(node) = &self.hosts[host].node else {
            return;
        };
        if self.is_hostile(host) {
            return;
        }
        let router = node.router();
        let (unicasts, nodes) = (router.in_flight(), router.known_nodes());
        let bytes = router.records_bytes();
        if unicasts > limits.in_flight || nodes > limits.nodes || bytes > limits.records_bytes {
            let text =
                format!("node {host} holds {unicasts} unicasts and {nodes} nodes, {bytes} bytes");
            self.violated(Invariant::BoundedMemory, text);
        }
    }

    fn arm(&mut self, host: usize) {
        let next = self.hosts[host]
            .node
            .as_ref()
            .and_then(NodeMachine::next_timeout);
        let Some(at) = next.map(|next| self.at(next)) else {
            return;
        };
        if self.hosts[host].armed.is_none_or(|armed| at < armed) {
            self.hosts[host].armed = Some(at);
            self.plan(at, Event::NodeTimer(host));
        }
    }

    pub(super) fn node_timer(&mut self, host: usize) {
        if self.hosts[host].armed != Some(self.now) {
            return;
        }
        self.hosts[host].armed = None;
        let now = self.instant();
        let next = self.hosts[host]
            .node
            .as_ref()
            .and_then(NodeMachine::next_timeout);
        if next.is_some_and(|next| next <= now) {
            self.log
                .step(self.now, format_args!("timer of node {host}"), &[]);
            let life = self.hosts[host].life;
            self.tell_host(host, life, NodeEvent::Timeout);
        } else {
            self.arm(host);
        }
    }
}
