//! What this node knows of every node of the overlay: its neighbours and its topics.
//!
//! Every record is here because a neighbour brought it, and is charged to that neighbour. When all
//! records together are too much, a neighbour above its share can bring no more, and records that
//! another neighbour brought beyond its share make room.

mod graves;
mod room;
mod state;
mod taking;
#[cfg(all(test, feature = "test-util"))]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use self::state::ForgottenNode;
pub(super) use self::state::{NodeState, RecordOutcome};
use crate::{hash::HashMap, node::Limits, p2p::mesh::RoutingKey};

/// About what a node costs in memory in addition to its records and topics.
const NODE_COST: usize = 1024;

/// About what a link of a node costs in memory in addition to its name in the record.
const LINK_COST: usize = 32;

/// The amounts charged to one neighbour.
#[derive(Debug, Default, Clone, Copy)]
struct Charge {
    bytes: usize,
    nodes: usize,
}

/// The states of all nodes but this one.
#[derive(Debug, Clone)]
pub(super) struct Database {
    own: RoutingKey,
    states: BTreeMap<RoutingKey, NodeState>,
    /// The nodes that cannot be reached, by the time since when; read after every event.
    away: BTreeSet<(Instant, RoutingKey)>,
    /// All nodes but FISCO nodes behind this one, by when they last stated something.
    advanced: BTreeSet<(Instant, RoutingKey)>,
    /// The FISCO nodes behind border nodes: by the border node and their own key.
    announced: BTreeMap<(RoutingKey, RoutingKey), RoutingKey>,
    /// The same, by the FISCO nodes.
    stubs: BTreeMap<RoutingKey, Vec<RoutingKey>>,
    graves: HashMap<RoutingKey, ForgottenNode>,
    graves_order: VecDeque<RoutingKey>,
    /// The graves of FISCO nodes by border node, a limited number for each: a border node can
    /// invent FISCO nodes.
    stub_graves: BTreeMap<RoutingKey, VecDeque<(RoutingKey, ForgottenNode)>>,
    /// The costs of all nodes that are charged to a neighbour.
    costs: BTreeSet<(usize, RoutingKey)>,
    charges: BTreeMap<RoutingKey, Charge>,
    used: usize,
    /// The number of nodes that can be reached, without FISCO nodes behind others.
    reachable: usize,
    /// Nodes forgotten to make room.
    evicted: Vec<(RoutingKey, NodeState)>,
    /// FISCO nodes forgotten because a node with their ID speaks for itself.
    displaced: Vec<(RoutingKey, NodeState)>,
    limits: Limits,
}

impl Database {
    pub(super) fn new(own: RoutingKey, limits: Limits) -> Self {
        Self {
            own,
            states: BTreeMap::new(),
            away: BTreeSet::new(),
            advanced: BTreeSet::new(),
            announced: BTreeMap::new(),
            stubs: BTreeMap::new(),
            graves: HashMap::default(),
            graves_order: VecDeque::new(),
            stub_graves: BTreeMap::new(),
            costs: BTreeSet::new(),
            charges: BTreeMap::new(),
            used: 0,
            reachable: 0,
            evicted: Vec::new(),
            displaced: Vec::new(),
            limits,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// Returns the number of nodes that can be reached, without FISCO nodes behind others.
    pub(super) fn reachable(&self) -> usize {
        self.reachable
    }

    /// Returns the bytes of records that neighbours made this node hold.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn get(&self, key: RoutingKey) -> Option<&NodeState> {
        self.states.get(&key)
    }

    /// Records that a node can be reached, or since when it cannot. Returns its state, if it is
    /// known.
    pub(super) fn set_away(
        &mut self,
        key: RoutingKey,
        since: Option<Instant>,
    ) -> Option<&NodeState> {
        let state = self.states.get_mut(&key)?;
        if state.border.is_none() {
            self.reachable -= usize::from(state.away_since.is_none());
            self.reachable += usize::from(since.is_none());
        }
        if let Some(before) = state.away_since {
            self.away.remove(&(before, key));
        }
        if let Some(since) = since {
            self.away.insert((since, key));
        }
        state.away_since = since;
        Some(state)
    }

    /// Returns the keys under which border nodes announce a FISCO node, in order.
    pub(super) fn stubs_for(&self, fisco: RoutingKey) -> &[RoutingKey] {
        self.stubs.get(&fisco).map_or(&[], |stubs| &stubs[..])
    }

    /// Returns whether some border node announces a FISCO node.
    pub(super) fn has_stubs(&self) -> bool {
        !self.announced.is_empty()
    }

    /// Returns whether a node announces the FISCO node with this key.
    pub(super) fn announces(&self, border: RoutingKey, fisco: RoutingKey) -> bool {
        self.announced.contains_key(&(border, fisco))
    }

    /// Returns the keys under which a node announces FISCO nodes.
    pub(super) fn stubs_of(&self, border: RoutingKey) -> impl Iterator<Item = RoutingKey> {
        let all = (border, RoutingKey(0))..=(border, RoutingKey(u64::MAX));
        self.announced.range(all).map(|(_, &key)| key)
    }

    /// Returns the states in the order of their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RoutingKey, &NodeState)> {
        self.states.iter().map(|(&key, state)| (key, state))
    }
}
