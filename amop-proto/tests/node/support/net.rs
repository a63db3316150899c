//! Runs the machines.

use std::{
    collections::{BTreeMap, VecDeque},
    mem::take,
    sync::Arc,
    time::{Duration, Instant},
};

use amop_proto::{
    channel::{Frame, FrameDecoder},
    node::{
        Action, Checker, Lane, MachineConfig, NodeEvent, NodeMachine, NodeNotice, PeerCloseReason,
        PeerId, PeerIdentity, Restatement, SessionCloseReason, SessionId,
    },
    p2p::{NodeId, PeerCodec, PeerFrame, mesh::SharedSecret},
};
use amop_testkit::machines;
use bytes::{Bytes, BytesMut};

/// The SDK's end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sdk {
    pub(crate) node: usize,
    pub(crate) id: SessionId,
}

/// A node's end of a peer connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) node: usize,
    pub(crate) id: PeerId,
}

#[derive(Debug, Default)]
pub(crate) struct SdkEnd {
    pub(crate) inbox: VecDeque<Frame>,
    pub(crate) closed: Option<SessionCloseReason>,
    pub(crate) coalesced: bool,
    pub(crate) paused: bool,
    /// Whether the SDK does not read: frames stay unwritten.
    pub(crate) stalled: bool,
    pub(crate) unwritten: usize,
    pub(super) gone: bool,
}

#[derive(Debug)]
pub(crate) struct PeerEnd {
    pub(super) identity: PeerIdentity,
    pub(super) dialled: bool,
    /// The other end, if it is a machine, too.
    pub(super) other: Option<Link>,
    pub(crate) inbox: VecDeque<PeerFrame>,
    pub(crate) closed: Option<PeerCloseReason>,
    pub(crate) stalled: bool,
    pub(crate) unwritten: usize,
    /// The lanes of the unwritten bytes.
    pub(super) unwritten_of: VecDeque<(Lane, usize)>,
    pub(super) received: BytesMut,
    /// Whether frames of the other end are lost.
    pub(super) deaf: bool,
    /// The version of the last state that it announced, if the test plays an overlay node.
    pub(super) announced: u64,
    pub(super) opened: bool,
    pub(super) gone: bool,
}

pub(crate) struct TestNode {
    pub(crate) machine: NodeMachine,
    pub(crate) checker: Checker,
    pub(crate) notices: Vec<NodeNotice>,
    /// Whether the test assembles its long statements later.
    pub(crate) restates_late: bool,
    pub(crate) restatements: Vec<Restatement>,
    pub(super) sessions: BTreeMap<SessionId, SdkEnd>,
    pub(super) peers: BTreeMap<PeerId, PeerEnd>,
}

enum OnWire {
    Bytes(Bytes),
    Closed,
}

/// Nodes, and their connections.
pub(crate) struct Net {
    base: Instant,
    now: Instant,
    pub(crate) nodes: Vec<TestNode>,
    pub(crate) codec: PeerCodec,
    wire: VecDeque<(Link, OnWire)>,
    /// Whether packets between nodes are held in transit.
    pub(crate) wire_held: bool,
    written: VecDeque<(usize, NodeEvent)>,
    next_id: u64,
    pub(crate) log: Option<Vec<String>>,
}

/// Returns the ID of node number `n`; lower numbers have lower IDs.
pub(crate) fn node_id(n: usize) -> NodeId {
    NodeId([n as u8 + 1; 64])
}

/// Returns the number for an ID.
pub(super) fn number(id: &NodeId) -> usize {
    usize::from(id.0[0]) - 1
}

pub(crate) fn config(n: usize) -> MachineConfig {
    machines::config(node_id(n), n)
}

impl TestNode {
    fn new(config: MachineConfig) -> Self {
        let verifier = SharedSecret::new(config.node);
        Self {
            checker: Checker::new(Arc::new(verifier), config.limits.peer_topics)
                .of_node(&config.node, &config.stubs),
            machine: NodeMachine::new(config),
            notices: Vec::new(),
            restates_late: false,
            restatements: Vec::new(),
            sessions: BTreeMap::new(),
            peers: BTreeMap::new(),
        }
    }
}

impl Net {
    pub(crate) fn new(nodes: usize) -> Self {
        Self::with((0..nodes).map(config))
    }

    pub(crate) fn with(configs: impl IntoIterator<Item = MachineConfig>) -> Self {
        let base = Instant::now();
        Self {
            base,
            now: base,
            nodes: configs.into_iter().map(TestNode::new).collect(),
            codec: PeerCodec::default(),
            wire: VecDeque::new(),
            wire_held: false,
            written: VecDeque::new(),
            next_id: 1,
            log: None,
        }
    }

    /// Restarts a node with this configuration; it loses all its connections.
    pub(crate) fn restart(&mut self, node: usize, config: MachineConfig) {
        for id in self.links(node) {
            self.cut(Link { node, id });
        }
        self.nodes[node] = TestNode::new(config);
    }

    /// Returns nodes that are all connected with each other.
    pub(crate) fn mesh(nodes: usize) -> Self {
        let mut net = Self::new(nodes);
        for a in 0..nodes {
            for b in a + 1..nodes {
                net.connect(a, b);
            }
        }
        net
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.base
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    pub(super) fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    // Time and the machines.

    /// Returns the number of a node's peers that messages can reach.
    pub(crate) fn in_reach(&self, node: usize) -> usize {
        self.nodes[node].machine.peers_in_reach(self.now)
    }

    /// Lets time pass; each timer is handled when it is due.
    pub(crate) fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let due = |node: &TestNode| node.machine.next_timeout();
            let next = self.nodes.iter().filter_map(due).min();
            let Some(at) = next.filter(|&at| at <= until) else {
                break;
            };
            self.now = self.now.max(at);
            for node in 0..self.nodes.len() {
                if due(&self.nodes[node]).is_some_and(|at| at <= self.now) {
                    self.event(node, NodeEvent::Timeout);
                    let next = due(&self.nodes[node]);
                    assert!(
                        next.is_none_or(|at| at > self.now),
                        "a timeout changed nothing"
                    );
                }
            }
        }
        self.now = until;
    }

    pub(crate) fn secs(&mut self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn notices(&mut self, node: usize) -> Vec<NodeNotice> {
        take(&mut self.nodes[node].notices)
    }

    pub(crate) fn in_flight(&self) -> usize {
        let nodes = self.nodes.iter();
        nodes.map(|node| node.machine.router().in_flight()).sum()
    }

    /// Passes an event to a machine and carries out everything that follows from it.
    pub(crate) fn event(&mut self, node: usize, event: NodeEvent) {
        self.handle(node, event);
        self.settle();
    }

    /// Delivers the first packet that is held in transit; returns `false` if no packet is held.
    pub(crate) fn deliver_one(&mut self) -> bool {
        let next = self.wire.pop_front();
        let any = next.is_some();
        if let Some((link, what)) = next {
            self.deliver(link, what);
        }
        self.settle();
        any
    }

    /// Delivers the first packet that is held in transit on one of the links; the links are
    /// independent of each other.
    pub(crate) fn deliver_one_of(&mut self, choice: usize) {
        let mut links = Vec::new();
        for &(link, _) in &self.wire {
            if !links.contains(&link) {
                links.push(link);
            }
        }
        if links.is_empty() {
            return;
        }
        let chosen = links[choice % links.len()];
        let mut wire = self.wire.iter();
        if let Some(at) = wire.position(|&(link, _)| link == chosen)
            && let Some((link, what)) = self.wire.remove(at)
        {
            self.deliver(link, what);
        }
        self.settle();
    }

    /// Drops all packets that are held in transit.
    pub(crate) fn lose_wire(&mut self) {
        self.wire.clear();
    }

    /// Delivers everything that is in transit, until nothing is left.
    pub(crate) fn settle(&mut self) {
        loop {
            if let Some((node, event)) = self.written.pop_front() {
                self.handle(node, event);
            } else if self.wire_held {
                break;
            } else if let Some((link, what)) = self.wire.pop_front() {
                self.deliver(link, what);
            } else {
                break;
            }
        }
    }

    fn handle(&mut self, node: usize, event: NodeEvent) {
        self.nodes[node].machine.handle(self.now, event);
        while let Some(action) = self.nodes[node].machine.poll_action() {
            if let Some(log) = &mut self.log {
                log.push(format!("{:?} {node} {action:?}", self.now - self.base));
            }
            self.act(node, action);
        }
    }

    fn deliver(&mut self, link: Link, what: OnWire) {
        match what {
            OnWire::Bytes(_) if self.link(link).deaf => {}
            OnWire::Bytes(bytes) => {
                self.link(link).received.extend_from_slice(&bytes);
                self.arrived(link);
            }
            OnWire::Closed if !self.link(link).gone => {
                self.link(link).gone = true;
                self.handle(link.node, NodeEvent::PeerClosed(link.id));
            }
            OnWire::Closed => {}
        }
    }

    /// Passes the packets that arrived on a link to its machine.
    pub(super) fn arrived(&mut self, link: Link) {
        while self.link(link).opened && !self.link(link).gone {
            let codec = self.codec;
            let Some(frame) = codec.decode(&mut self.link(link).received).unwrap() else {
                break;
            };
            let event = self.nodes[link.node].checker.event(link.id, frame);
            self.handle(link.node, event);
        }
    }

    fn act(&mut self, node: usize, action: Action) {
        let open = |net: &mut Self, id| {
            let end = net.nodes[node].sessions.get(&id);
            assert!(end.is_some_and(|end| !end.gone), "{action:?}");
            Sdk { node, id }
        };
        let up = |net: &mut Self, id| {
            let end = net.nodes[node].peers.get(&id);
            assert!(end.is_some_and(|end| end.opened && !end.gone), "{action:?}");
            Link { node, id }
        };
        match action.clone() {
            Action::SendSession { session, frame } => {
                let end = open(self, session);
                let mut wire = BytesMut::from(&frame.to_bytes()[..]);
                let read = FrameDecoder::default().decode(&mut wire).unwrap().unwrap();
                assert_eq!(read, frame);
                let end = self.end(end);
                end.inbox.push_back(read);
                if end.stalled {
                    end.unwritten += frame.wire_len();
                } else {
                    let written = NodeEvent::SessionWritten(session, frame.wire_len());
                    self.written.push_back((node, written));
                }
            }
            Action::CloseSession { session, reason } => {
                let end = open(self, session);
                self.end(end).gone = true;
                self.end(end).closed = Some(reason);
            }
            Action::CoalesceSession { session } => {
                let end = open(self, session);
                self.end(end).coalesced = true;
            }
            Action::PauseSession { session } => {
                let end = open(self, session);
                assert!(!self.end(end).paused, "paused twice");
                self.end(end).paused = true;
            }
            Action::ResumeSession { session } => {
                let end = open(self, session);
                assert!(self.end(end).paused, "resumed although it was not paused");
                self.end(end).paused = false;
            }
            Action::Answer { session, question } => {
                open(self, session);
                let reply = self.nodes[node].machine.answer(&question);
                self.written
                    .push_back((node, NodeEvent::SessionReply(session, reply)));
            }
            Action::Restate(restatement) if self.nodes[node].restates_late => {
                self.nodes[node].restatements.push(*restatement);
            }
            Action::Restate(restatement) => {
                self.written.push_back((node, restatement.carry_out()));
            }
            Action::FragmentPeer { .. } => {}
            Action::SendPeer {
                peer,
                lane,
                message,
            } => {
                let frame = message.joined();
                let link = up(self, peer);
                let mut wire = BytesMut::new();
                self.codec.encode(&frame, &mut wire);
                let end = self.link(link);
                if end.stalled {
                    end.unwritten += frame.wire_len();
                    end.unwritten_of.push_back((lane, frame.wire_len()));
                } else {
                    let written = NodeEvent::PeerWritten(peer, lane, frame.wire_len());
                    self.written.push_back((node, written));
                }
                match self.link(link).other {
                    Some(other) => self.wire.push_back((other, OnWire::Bytes(wire.freeze()))),
                    None => {
                        let read = self.codec.decode(&mut wire).unwrap().unwrap();
                        assert_eq!(read, frame);
                        self.link(link).inbox.push_back(read);
                    }
                }
            }
            Action::ClosePeer { peer, reason } => {
                let link = up(self, peer);
                let end = self.link(link);
                end.gone = true;
                end.closed = Some(reason);
                if let Some(other) = end.other {
                    self.wire.push_back((other, OnWire::Closed));
                }
            }
            Action::Notice(notice) => self.nodes[node].notices.push(notice),
        }
    }
}
