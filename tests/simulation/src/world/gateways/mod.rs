//! Gateways of 3.x: some nodes are also nodes of one 3.x chain, each connected with all others of
//! it, as `amop-node` does it with [`GatewayBridge`].

mod lines;
mod machine;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use amop_proto::{
    gateway::{
        GatewayAddress, GatewayCodec,
        bridge::{GatewayBridge, GatewayConnectionId},
    },
    node::{Lane, PeerId},
    p2p::{NodeId, PeerFrame},
};
use amop_testkit::topology::Edge;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::World;
use crate::{
    ledger::MessageId,
    net::{At, ConnId},
};

/// Returns the node that stands for the chain, towards the machines.
pub(crate) fn chain_id() -> NodeId {
    NodeId([0xc3; 64])
}

/// Returns whether a packet is an answer of the chain to a unicast that its node has given up: a chain
/// may take 28 s, and an overlay node takes a unicast back after 6 s.
pub(super) fn is_late_answer(node: &NodeId, what: &str) -> bool {
    *node == chain_id() && what == "a response that no request waits for"
}

/// A node's gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) bridge: GatewayBridge,
    codec: GatewayCodec,
    /// Its connections, and which end of each is its own.
    pub(crate) ends: BTreeMap<GatewayConnectionId, (ConnId, usize)>,
    numbers: BTreeMap<(ConnId, usize), GatewayConnectionId>,
    /// The machine's peer that stands for the chain.
    pub(crate) peer: Option<PeerId>,
    /// Whether the machine closed that peer.
    closed: bool,
    /// The machine gets no peer before this time.
    again_at: At,
    /// What the machine wrote and the bridge has not taken.
    outbox: VecDeque<(Lane, PeerFrame)>,
    queued: usize,
    longest: usize,
    /// What the bridge has taken and the machine is not told of, because a connection has much to
    /// write; and since when.
    untold: Vec<(Lane, usize)>,
    congested_since: Option<At>,
    /// When it looks next whether another node carries the chain's messages.
    look_at: At,
    connected: bool,
    armed: Option<At>,
    carry_at: Option<At>,
    /// The value of the bridge's counter of messages that were not sent.
    unsent: u64,
    blamed: bool,
}

/// A message that one gateway sent to another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crossing {
    pub(crate) at: At,
    pub(crate) conn: ConnId,
    pub(crate) from: usize,
    /// The life of the sender.
    pub(crate) life: u32,
    pub(crate) to: usize,
    pub(crate) unicast: bool,
}

/// A time in which a gateway carried messages between its node and the chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Carrying {
    pub(crate) host: usize,
    pub(crate) from: At,
    pub(crate) until: Option<At>,
}

impl Carrying {
    /// Returns whether it carried messages all this time.
    pub(crate) fn covers(&self, from: At, until: At) -> bool {
        self.from <= from && self.until.is_none_or(|end| end > until)
    }
}

/// The chain, and what passed through the gateways.
#[derive(Debug, Default)]
pub(crate) struct Gateways {
    members: BTreeSet<usize>,
    /// The messages that gateways sent each other, by their numbers.
    pub(crate) crossings: BTreeMap<u64, Vec<Crossing>>,
    /// When gateways gave messages of the chain to their machines.
    pub(crate) entries: BTreeMap<u64, Vec<At>>,
    pub(crate) carried: Vec<Carrying>,
    /// The ends of connections that gateways took.
    pub(super) taken: BTreeSet<(ConnId, usize)>,
}

impl Gateways {
    /// Returns whether a host is one of the chain's nodes.
    pub(crate) fn is_member(&self, host: usize) -> bool {
        self.members.contains(&host)
    }

    /// Returns the hosts that are the chain's nodes.
    pub(crate) fn members(&self) -> impl Iterator<Item = usize> {
        self.members.iter().copied()
    }

    /// Returns the times at which a message crossed a connection between gateways.
    pub(crate) fn crossings_of(&self, id: MessageId) -> &[Crossing] {
        self.crossings.get(&id.0).map_or(&[], Vec::as_slice)
    }

    /// Returns when gateways gave a message to their machines.
    pub(crate) fn entries_of(&self, id: MessageId) -> &[At] {
        self.entries.get(&id.0).map_or(&[], Vec::as_slice)
    }

    /// Returns how many unicasts and multicasts crossed a connection between gateways.
    pub(crate) fn crossed_count(&self) -> (u64, u64) {
        let all = self.crossings.values().flatten();
        all.fold((0, 0), |(unicasts, multicasts), crossing| {
            match crossing.unicast {
                true => (unicasts + 1, multicasts),
                false => (unicasts, multicasts + 1),
            }
        })
    }

    /// Returns whether a gateway began or stopped to carry messages during this time.
    pub(crate) fn changed_within(&self, from: At, until: At) -> bool {
        let within = |at: At| from <= at && at <= until;
        let mut carried = self.carried.iter();
        carried.any(|time| within(time.from) || time.until.is_some_and(within))
    }

    /// Returns since when a host's gateway carried messages at a moment.
    pub(crate) fn carrying_since(&self, host: usize, at: At) -> Option<At> {
        let carried = self.carried.iter().rev();
        let mut begun = carried.filter(|time| time.host == host && time.from <= at);
        begun.next().map(|time| time.from)
    }

    /// Returns whether a host's gateway carried messages all this time.
    pub(crate) fn carries(&self, host: usize, from: At, until: At) -> bool {
        let mut carried = self.carried.iter();
        carried.any(|time| time.host == host && time.covers(from, until))
    }
}

impl World {
    /// Chooses which links of a network are connections between gateways. The nodes at their ends
    /// form a chain, each with a connection to each. Some of these links are there in addition.
    /// Returns the links, and the connections between gateways.
    pub(super) fn choose_gateways(&mut self, shape: Vec<Edge>) -> (Vec<Edge>, Vec<Edge>) {
        let share = self.config.share_of_gateways;
        if share <= 0.0 {
            return (shape, Vec::new());
        }
        // It is apart, so that the network is otherwise the one of the same seed without gateways.
        let mut rng = StdRng::seed_from_u64(self.config.seed ^ 0x6777);
        let mut links = Vec::new();
        for edge in shape {
            let gateway = rng.random_bool(share);
            if gateway {
                self.gateways.members.extend([edge.0, edge.1]);
            }
            if !gateway || rng.random_bool(0.3) {
                links.push(edge);
            }
        }
        let members: Vec<usize> = self.gateways.members().collect();
        let others = |&b: &usize| {
            let before = members.iter().filter(move |&&a| a < b);
            before.map(move |&a| (a, b)).collect::<Vec<Edge>>()
        };
        let mesh = members.iter().flat_map(others).collect();
        (links, mesh)
    }

    /// Returns a host as other nodes of the chain know it.
    fn gateway_address(&self, host: usize) -> GatewayAddress {
        let key = [&[4], &self.hosts[host].id.0[..]].concat();
        GatewayAddress::of_key(&key).expect("a point of a curve has 65 bytes")
    }

    /// Returns whether the gateway of a host has a connection with another host.
    pub(super) fn is_gateway_neighbour(&self, host: usize, other: usize) -> bool {
        let id = self.gateway_address(other).id();
        let gateway = self.hosts[host].gateway.as_ref();
        gateway.is_some_and(|gateway| gateway.bridge.is_neighbour(id))
    }
}
