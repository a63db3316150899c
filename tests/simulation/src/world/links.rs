//! Links between nodes: dialling, cuts, crashes.

use std::time::Duration;

use rand::RngExt;

use super::{Event, World};
use amop_testkit::topology::Edge;

use crate::net::{At, Conn, ConnId, Line, Owner, Severed};

/// The pause after which a gateway dials again, at least and at most, in microseconds: that of
/// `amop-node`, with a mean of 0.9 s instead of 9 s.
const REDIAL: (u64, u64) = (700_000, 1_100_000);

/// A link over which two nodes may be connected.
#[derive(Debug)]
pub(crate) struct EdgeState {
    pub(crate) ends: [usize; 2],
    /// Whether its connections are those of the nodes' gateways.
    pub(crate) gateway: bool,
    /// For each end, whether it dials.
    pub(crate) dials: [bool; 2],
    /// Whether bytes pass.
    pub(crate) up: bool,
    pub(crate) line: Line,
    /// For each end, whether a dial is planned.
    armed: [bool; 2],
    /// All connections so far.
    pub(crate) conns: Vec<ConnId>,
}

impl World {
    pub(super) fn add_edge(&mut self, (a, b): Edge, gateway: bool) {
        let slow = self.config.profile.slows() && self.rng.random_bool(0.3);
        let line = Line {
            latency: self.random_time(200, 30_000),
            jitter: self.random_time(0, 3_000),
            rate: slow.then(|| self.rng.random_range(20_000..200_000)),
        };
        let dials = match self.rng.random_range(0..4) {
            0 => [true, false],
            1 => [false, true],
            _ => [true; 2],
        };
        let edge = EdgeState {
            ends: [a, b],
            gateway,
            dials,
            up: true,
            line,
            armed: [false; 2],
            conns: Vec::new(),
        };
        self.edges.push(edge);
    }

    /// Plans a dial by the host at one end, if this end dials.
    pub(super) fn arm_dial(&mut self, edge: usize, side: usize, least: u64, most: u64) {
        let state = &mut self.edges[edge];
        if !state.dials[side] || state.armed[side] || self.hung_up {
            return;
        }
        state.armed[side] = true;
        let later = self.random_time(least, most);
        self.plan_in(later, Event::Dial { edge, side });
    }

    /// Handles the end of a connection at one side.
    pub(super) fn connection_over(&mut self, id: ConnId, side: usize) {
        let Some(edge) = self.conns[id.0].edge else {
            return;
        };
        // The dialler of a connection is its first owner.
        let (Owner::Peer { host, .. } | Owner::Gateway { host, .. }) =
            self.conns[id.0].owners[side]
        else {
            return;
        };
        let side = usize::from(self.edges[edge].ends[1] == host);
        match self.edges[edge].gateway {
            false => self.arm_dial(edge, side, 50_000, 1_000_000),
            true => self.arm_dial(edge, side, REDIAL.0, REDIAL.1),
        }
    }

    pub(super) fn dial(&mut self, edge: usize, side: usize) {
        self.edges[edge].armed[side] = false;
        let EdgeState {
            ends,
            up,
            line,
            gateway,
            ..
        } = self.edges[edge];
        let (from, to) = (ends[side], ends[1 - side]);
        let Some(node) = &self.hosts[from].node else {
            return;
        };
        let there = self.hosts[to].id;
        let connected = match gateway {
            false => node.peers().any(|peer| peer.node == there),
            true => self.is_gateway_neighbour(from, to),
        };
        // The end of that connection will cause an event, and the host will dial again then.
        if self.hung_up || connected {
            return;
        }
        if !up || self.hosts[to].node.is_none() {
            self.arm_dial(edge, side, 200_000, 1_000_000);
            return;
        }
        let owner = |world: &mut Self, host: usize| {
            let life = world.hosts[host].life;
            match gateway {
                true => Owner::Gateway { host, life },
                false => Owner::Peer {
                    host,
                    life,
                    id: amop_proto::node::PeerId(world.fresh_id()),
                },
            }
        };
        let owners = [owner(self, from), owner(self, to)];
        let id = ConnId(self.conns.len());
        self.conns
            .push(Conn::new(self.now, owners, line, Some(edge)));
        self.edges[edge].conns.push(id);
        for side in 0..2 {
            let handshake = line.latency * 3 + self.random_time(0, 10_000);
            self.plan_in(handshake, Event::Opened(id, side));
        }
    }

    /// Returns the connections over a link that have not ended.
    fn conns_of(&self, edge: usize) -> Vec<ConnId> {
        let conns = self.edges[edge].conns.iter().copied();
        conns
            .filter(|id| self.conns[id.0].gone != [true; 2])
            .collect()
    }

    pub(crate) fn cut(&mut self, edge: usize, silent: bool) {
        self.edges[edge].up = false;
        let severed = if silent {
            Severed::Silent
        } else {
            Severed::Known
        };
        for id in self.conns_of(edge) {
            self.sever(id, severed);
        }
    }

    pub(crate) fn heal(&mut self, edge: usize) {
        self.edges[edge].up = true;
    }

    pub(super) fn stall_edge(&mut self, edge: usize, time: Duration) {
        for id in self.conns_of(edge) {
            self.stall(id, time);
        }
    }

    /// Crashes a node; it loses everything it knows.
    pub(crate) fn crash(&mut self, host: usize, silent: bool) {
        self.crashes.push(self.now);
        if self.hosts[host].node.take().is_none() {
            return;
        }
        self.hosts[host].life += 1;
        self.drop_gateway(host);
        let peers = std::mem::take(&mut self.hosts[host].peers);
        let sessions = std::mem::take(&mut self.hosts[host].sessions);
        let open = peers.into_values().chain(sessions.into_values());
        let mut ends: Vec<(ConnId, usize)> = open.collect();
        // Including those whose handshake is in progress, and those of the gateway.
        for (at, conn) in self.conns.iter().enumerate() {
            for side in 0..2 {
                let (here, gateway) = match conn.owners[side] {
                    Owner::Peer { host, .. } | Owner::Session { host, .. } => (Some(host), false),
                    Owner::Gateway { host, .. } => (Some(host), true),
                    Owner::Client { .. } | Owner::Rogue { .. } => (None, false),
                };
                let open = conn.open[side] && !gateway;
                if here == Some(host) && !conn.gone[side] && !open {
                    ends.push((ConnId(at), side));
                }
            }
        }
        let severed = if silent {
            Severed::Silent
        } else {
            Severed::Known
        };
        for (id, side) in ends {
            self.sever(id, severed);
            let now = self.now;
            self.conns[id.0].left(now, side);
        }
    }

    pub(crate) fn restart(&mut self, host: usize) {
        if self.hosts[host].node.is_none() {
            self.start(host);
        }
    }

    /// Returns the links whose connections carry bytes now.
    pub(crate) fn live_edges(&self) -> Vec<Edge> {
        self.edges_where(Conn::is_live)
    }

    /// Returns the links that have a matching connection. Connections of gateways are not links.
    pub(crate) fn edges_where(&self, fits: impl Fn(&Conn) -> bool) -> Vec<Edge> {
        let edges = self.edges.iter();
        edges
            .filter(|edge| !edge.gateway)
            .filter(|edge| edge.conns.iter().any(|id| fits(&self.conns[id.0])))
            .map(|edge| (edge.ends[0], edge.ends[1]))
            .collect()
    }

    /// Returns whether nothing changed on the connections of these nodes' links during this time.
    pub(crate) fn is_quiet_around(&self, hosts: &[bool], from: At, until: At) -> bool {
        self.edges
            .iter()
            .filter(|edge| !edge.gateway && edge.ends.iter().any(|&end| hosts[end]))
            .flat_map(|edge| &edge.conns)
            .all(|id| self.conns[id.0].is_quiet(from, until))
    }

    /// Returns whether nothing changed during this time on any connection between nodes, those of
    /// gateways included, and no gateway began or stopped to carry messages.
    pub(crate) fn is_still(&self, from: At, until: At) -> bool {
        let mut conns = self.edges.iter().flat_map(|edge| &edge.conns);
        conns.all(|id| self.conns[id.0].is_quiet(from, until))
            && !self.gateways.changed_within(from, until)
    }
}
