//! Forgets nodes, and remembers for a while that they were there.

use std::time::{Duration, Instant};

use super::{
    Database,
    state::{ForgottenNode, NodeState},
};
use crate::{
    node::{mesh::speaker::REFRESH, sooner},
    p2p::mesh::RoutingKey,
};

/// Records of nodes that cannot be reached are dropped after this long.
pub(super) const UNREACHABLE_FOR: Duration = Duration::from_secs(60);

/// A node that states nothing for this long is gone, whatever its neighbours say: its records may
/// be old ones that another node repeats.
pub(super) const STALE: Duration = REFRESH.saturating_mul(4);

impl Database {
    pub(super) fn grave(
        &self,
        border: Option<RoutingKey>,
        key: RoutingKey,
    ) -> Option<ForgottenNode> {
        let Some(border) = border else {
            return self.graves.get(&key).copied();
        };
        let graves = self.stub_graves.get(&border)?;
        let grave = graves.iter().find(|&&(stub, _)| stub == key);
        grave.map(|&(_, grave)| grave)
    }

    /// Forgets the records of FISCO nodes with the ID of a node that has just spoken for itself. It
    /// does not matter which border node announced them.
    pub(super) fn displace_stubs(&mut self, node: RoutingKey) {
        for key in self.stubs_for(node).to_vec() {
            let displaced = self.forget(key, false);
            self.displaced.extend(displaced);
        }
    }

    /// Returns the FISCO nodes forgotten since the last call because they speak for themselves.
    pub(in crate::node::mesh) fn take_displaced(&mut self) -> Vec<(RoutingKey, NodeState)> {
        std::mem::take(&mut self.displaced)
    }

    /// Returns the nodes forgotten since the last call to make room.
    pub(in crate::node::mesh) fn take_evicted(&mut self) -> Vec<(RoutingKey, NodeState)> {
        std::mem::take(&mut self.evicted)
    }

    /// Forgets a node and those behind it. If `stale`, even its last record no longer counts.
    pub(in crate::node::mesh) fn forget(
        &mut self,
        key: RoutingKey,
        stale: bool,
    ) -> Vec<(RoutingKey, NodeState)> {
        let stubs: Vec<RoutingKey> = self.stubs_of(key).collect();
        let mut forgotten = Vec::new();
        for key in stubs.into_iter().chain([key]) {
            self.set_charge(key, None);
            let Some(state) = self.states.remove(&key) else {
                continue;
            };
            if state.is_reachable() && state.border.is_none() {
                self.reachable -= 1;
            }
            if let Some(since) = state.away_since {
                self.away.remove(&(since, key));
            }
            self.advanced.remove(&(state.advanced, key));
            if let Some(border) = state.border {
                let fisco = RoutingKey::from(&state.node);
                self.announced.remove(&(border, fisco));
                if let Some(stubs) = self.stubs.get_mut(&fisco) {
                    stubs.retain(|&stub| stub != key);
                    if stubs.is_empty() {
                        self.stubs.remove(&fisco);
                    }
                }
            }
            self.bury(key, &state, stale);
            forgotten.push((key, state));
        }
        forgotten
    }

    pub(super) fn bury(&mut self, key: RoutingKey, state: &NodeState, stale: bool) {
        let grave = ForgottenNode {
            version: state.version,
            stale,
            bucket: state.bucket,
        };
        if let Some(border) = state.border {
            let graves = self.stub_graves.entry(border).or_default();
            graves.retain(|&(stub, _)| stub != key);
            graves.push_back((key, grave));
            if graves.len() > 2 * self.limits.stubs {
                graves.pop_front();
            }
            return;
        }
        if self.graves.insert(key, grave).is_none() {
            self.graves_order.push_back(key);
        }
        if self.graves_order.len() > self.limits.nodes
            && let Some(oldest) = self.graves_order.pop_front()
        {
            self.graves.remove(&oldest);
            if !self.states.contains_key(&oldest) {
                self.stub_graves.remove(&oldest);
            }
        }
    }

    /// Forgets nodes that have been out of reach for long, or silent for longer.
    pub(in crate::node::mesh) fn age(&mut self, now: Instant) -> Vec<(RoutingKey, NodeState)> {
        let mut forgotten = Vec::new();
        while let Some(&(since, key)) = self.away.first()
            && since + UNREACHABLE_FOR <= now
        {
            forgotten.extend(self.forget(key, false));
        }
        while let Some(&(since, key)) = self.advanced.first()
            && since + STALE <= now
        {
            forgotten.extend(self.forget(key, true));
        }
        forgotten
    }

    /// Returns when [`age`](Self::age) has something to do next.
    pub(in crate::node::mesh) fn next_age(&self) -> Option<Instant> {
        let away = self.away.first().map(|&(since, _)| since + UNREACHABLE_FOR);
        let stale = self.advanced.first().map(|&(since, _)| since + STALE);
        sooner(away, stale)
    }
}
