//! Fair shares of a node's resources.
//!
//! Up to half of a limit is free for all. Above that, the holder of a certificate's key may take no
//! more than its fair share: the limit divided by the agencies that use some of it, divided by the
//! keys of its agency that do. So the applications of one institution, which often share a key, can
//! use everything as long as no others need it; and when everything is in use, holders above their
//! share lose some of it.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use super::Group;
use crate::{hash::HashMap, log::ShortId, p2p::mesh::RoutingKey};

/// The key and agency behind a session. Applications that share a certificate count as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionIdentity {
    /// A digest of its certificate's public key.
    pub key: [u8; 32],
    /// A digest that identifies the agency.
    pub agency: [u8; 32],
}

/// The resources that are shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource {
    Sessions,
    Subscriptions,
    Topics,
    InFlight,
    InFlightBytes,
    Queued,
    /// Bytes of topic sets that are not in force yet.
    Sets,
    /// Connections accepted from nodes.
    Peers,
}

pub(super) const POOLS: usize = 8;

impl Resource {
    /// Returns the name shown to operators.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sessions => "connections",
            Self::Subscriptions => "subscriptions",
            Self::Topics => "topics",
            Self::InFlight => "unicasts in flight",
            Self::InFlightBytes => "bytes in flight",
            Self::Queued => "bytes that wait to be written",
            Self::Sets => "bytes of topic sets that wait",
            Self::Peers => "connections of nodes",
        }
    }
}

impl SessionIdentity {
    /// Returns the identity of another node, of the agency with this digest. An agency's nodes and
    /// its sessions at this node are counted separately.
    pub(super) fn of_node(key: RoutingKey, authority: [u8; 32]) -> Self {
        let mut identity = Self {
            key: [0; 32],
            agency: authority.map(|byte| !byte),
        };
        identity.key[..8].copy_from_slice(&key.0.to_be_bytes());
        identity
    }

    /// Returns the group in which its messages take turns.
    pub(super) fn group(&self) -> Group {
        let first = |digest: &[u8; 32]| {
            let first = digest.iter().take(8);
            first.fold(0, |number, &byte| number << 8 | u64::from(byte))
        };
        Group {
            agency: first(&self.agency),
            key: first(&self.key),
        }
    }
}

/// Half of the key's digest is enough to tell keys apart; this hash is needed for each message of
/// another node.
impl Hash for SessionIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(half) = self.key.first_chunk() {
            state.write_u128(u128::from_ne_bytes(*half));
        }
    }
}

/// Shows the beginning of the key's digest, which is enough to tell keys apart in a log.
impl fmt::Display for SessionIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ShortId(&self.key).fmt(f)
    }
}

/// The place of an identity that uses some resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct HolderId(usize);

impl HolderId {
    /// Returns a small number that no other holder has at the same time.
    pub(super) fn place(self) -> usize {
        self.0
    }
}

/// Whether some of a resource may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    Take,
    /// It may be taken if a holder above its fair share gives some up; there is at least one.
    TakeFromOthers,
    /// The holder is over its fair share, or it alone has reached the limit.
    Not,
}

#[derive(Debug, Clone)]
struct KeyShare {
    identity: SessionIdentity,
    agency: usize,
    /// The number of its sessions.
    refs: usize,
    used: [usize; POOLS],
}

impl KeyShare {
    fn is_idle(&self) -> bool {
        self.refs == 0 && self.used == [0; POOLS]
    }
}

#[derive(Debug, Clone, Default)]
struct AgencyShare {
    used: [usize; POOLS],
    /// The number of its keys that use some.
    active: [usize; POOLS],
    holders: usize,
}

/// How much of each resource each holder uses.
#[derive(Debug, Clone)]
pub(super) struct Shares {
    limits: [usize; POOLS],
    used: [usize; POOLS],
    /// The number of agencies that use some.
    active: [usize; POOLS],
    holders: Vec<Option<KeyShare>>,
    free: Vec<usize>,
    agencies: Vec<AgencyShare>,
    free_agencies: Vec<usize>,
    by_identity: HashMap<SessionIdentity, usize>,
    by_agency: HashMap<[u8; 32], usize>,
    /// Idle holders are removed once there are this many identities.
    sweep_at: usize,
}

/// The number of idle holders that may be kept, so that identities that come and go need no new
/// place each time.
const IDLE: usize = 1024;

impl Shares {
    /// Creates an empty table. The limits are in the order of [`Resource`].
    pub(super) fn new(limits: [usize; POOLS]) -> Self {
        Self {
            limits,
            used: [0; POOLS],
            active: [0; POOLS],
            holders: Vec::new(),
            free: Vec::new(),
            agencies: Vec::new(),
            free_agencies: Vec::new(),
            by_identity: HashMap::default(),
            by_agency: HashMap::default(),
            sweep_at: IDLE,
        }
    }

    /// Returns whether nothing is in use.
    pub(super) fn is_empty(&self) -> bool {
        self.used == [0; POOLS] && self.holders.iter().flatten().all(KeyShare::is_idle)
    }

    /// Returns the place of an identity; creates the place if the identity has none.
    pub(super) fn holder(&mut self, identity: SessionIdentity) -> HolderId {
        if let Some(&at) = self.by_identity.get(&identity) {
            return HolderId(at);
        }
        if self.by_identity.len() >= self.sweep_at {
            self.sweep();
        }
        let (agencies, free) = (&mut self.agencies, &mut self.free_agencies);
        let agency = *self.by_agency.entry(identity.agency).or_insert_with(|| {
            free.pop().unwrap_or_else(|| {
                agencies.push(AgencyShare::default());
                agencies.len() - 1
            })
        });
        agencies[agency].holders += 1;
        let holder = KeyShare {
            identity,
            agency,
            refs: 0,
            used: [0; POOLS],
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.holders[at] = Some(holder);
                at
            }
            None => {
                self.holders.push(Some(holder));
                self.holders.len() - 1
            }
        };
        self.by_identity.insert(identity, at);
        HolderId(at)
    }

    /// Forgets idle holders.
    fn sweep(&mut self) {
        for (at, place) in self.holders.iter_mut().enumerate() {
            let Some(holder) = place.take_if(|holder| holder.is_idle()) else {
                continue;
            };
            self.free.push(at);
            self.by_identity.remove(&holder.identity);
            let agency = &mut self.agencies[holder.agency];
            agency.holders -= 1;
            if agency.holders == 0 {
                self.free_agencies.push(holder.agency);
                self.by_agency.remove(&holder.identity.agency);
            }
        }
        self.sweep_at = 2 * self.by_identity.len() + IDLE;
    }

    /// Adds a session of an identity: its place is kept until it [leaves](Self::leave).
    pub(super) fn join(&mut self, identity: SessionIdentity) -> HolderId {
        let id = self.holder(identity);
        if let Some(Some(holder)) = self.holders.get_mut(id.0) {
            holder.refs += 1;
        }
        id
    }

    pub(super) fn leave(&mut self, id: HolderId) {
        if let Some(Some(holder)) = self.holders.get_mut(id.0) {
            holder.refs -= 1;
        }
    }

    pub(super) fn identity(&self, id: HolderId) -> SessionIdentity {
        let holder = self.holders.get(id.0).and_then(Option::as_ref);
        holder.map(|holder| holder.identity).unwrap_or_default()
    }

    pub(super) fn used_by(&self, id: HolderId, pool: Resource) -> usize {
        self.get(id).map_or(0, |holder| holder.used[pool as usize])
    }

    /// Returns the place of a holder's agency.
    pub(super) fn agency(&self, id: HolderId) -> usize {
        self.get(id).map_or(0, |holder| holder.agency)
    }

    /// Returns the number of agencies that use some.
    pub(super) fn agencies(&self, pool: Resource) -> usize {
        self.active[pool as usize]
    }

    /// Returns the number of keys of a holder's agency that use some.
    pub(super) fn keys(&self, id: HolderId, pool: Resource) -> usize {
        let agency = self
            .get(id)
            .and_then(|holder| self.agencies.get(holder.agency));
        agency.map_or(0, |agency| agency.active[pool as usize])
    }

    pub(super) fn used(&self, pool: Resource) -> usize {
        self.used[pool as usize]
    }

    /// Takes an amount, without checking whether it [may](Self::may) be taken.
    pub(super) fn take(&mut self, id: HolderId, pool: Resource, amount: usize) {
        self.take_each(id, [(pool, amount)]);
    }

    /// Like [`take`](Self::take), for several resources at once.
    #[inline]
    pub(super) fn take_each<const N: usize>(
        &mut self,
        id: HolderId,
        amounts: [(Resource, usize); N],
    ) {
        let Some(Some(holder)) = self.holders.get_mut(id.0) else {
            return;
        };
        let agency = &mut self.agencies[holder.agency];
        for (pool, amount) in amounts {
            let pool = pool as usize;
            self.used[pool] += amount;
            if holder.used[pool] == 0 && amount > 0 {
                self.active[pool] += usize::from(agency.used[pool] == 0);
                agency.active[pool] += 1;
            }
            holder.used[pool] += amount;
            agency.used[pool] += amount;
        }
    }

    /// Gives back an amount that was taken.
    pub(super) fn give(&mut self, id: HolderId, pool: Resource, amount: usize) {
        self.give_each(id, [(pool, amount)]);
    }

    /// Like [`give`](Self::give), for several resources at once.
    #[inline]
    pub(super) fn give_each<const N: usize>(
        &mut self,
        id: HolderId,
        amounts: [(Resource, usize); N],
    ) {
        let Some(Some(holder)) = self.holders.get_mut(id.0) else {
            return;
        };
        let agency = &mut self.agencies[holder.agency];
        for (pool, amount) in amounts {
            let pool = pool as usize;
            debug_assert!(holder.used[pool] >= amount, "more than was taken");
            let amount = amount.min(holder.used[pool]);
            self.used[pool] -= amount;
            holder.used[pool] -= amount;
            agency.used[pool] -= amount;
            if holder.used[pool] == 0 && amount > 0 {
                agency.active[pool] -= 1;
                self.active[pool] -= usize::from(agency.used[pool] == 0);
            }
        }
    }

    /// Returns whether a holder may take an amount.
    pub(super) fn may(&self, id: HolderId, pool: Resource, amount: usize) -> Permission {
        let (limit, used) = (self.limits[pool as usize], self.used[pool as usize]);
        let wanted = used.saturating_add(amount);
        // The usual case.
        if wanted <= limit / 2 {
            return Permission::Take;
        }
        let Some(Some(holder)) = self.holders.get(id.0) else {
            return Permission::Not;
        };
        let own = holder.used[pool as usize];
        // A holder that uses nothing may take one thing of any size.
        if own > 0 && own.saturating_add(amount) > self.share(holder, pool, None) {
            return Permission::Not;
        }
        match wanted <= limit {
            true => Permission::Take,
            false if own < used => Permission::TakeFromOthers,
            false => Permission::Not,
        }
    }

    /// Returns whether a holder's agency stays within its fair share with this amount added.
    pub(super) fn agency_may(&self, id: HolderId, pool: Resource, amount: usize) -> bool {
        let at = pool as usize;
        let agency = self.get(id).map(|holder| &self.agencies[holder.agency]);
        agency.is_some_and(|agency| {
            let agencies = self.active[at] + usize::from(agency.used[at] == 0);
            agency.used[at].saturating_add(amount) <= self.limits[at] / agencies.max(1)
        })
    }

    /// Returns the fair share of a holder, if `other` also starts to use some.
    fn share(&self, holder: &KeyShare, pool: Resource, other: Option<&KeyShare>) -> usize {
        let at = pool as usize;
        let agency = &self.agencies[holder.agency];
        let mut agencies = self.active[at] + usize::from(agency.used[at] == 0);
        let mut keys = agency.active[at] + usize::from(holder.used[at] == 0);
        if let Some(other) = other.filter(|other| other.used[at] == 0) {
            let joins = other.agency == holder.agency;
            keys += usize::from(joins && other.identity != holder.identity);
            agencies += usize::from(!joins && self.agencies[other.agency].used[at] == 0);
        }
        self.limits[at] / agencies.max(1) / keys.max(1)
    }

    fn get(&self, id: HolderId) -> Option<&KeyShare> {
        self.holders.get(id.0)?.as_ref()
    }

    /// Returns by how much a holder exceeds its fair share while more than half of the limit is in
    /// use and `other` needs some.
    pub(super) fn excess(&self, id: HolderId, pool: Resource, other: Option<HolderId>) -> usize {
        if self.used[pool as usize] <= self.limits[pool as usize] / 2 {
            return 0;
        }
        let other = other.and_then(|other| self.get(other));
        let excess = |holder| self.excess_of(holder, pool, other);
        self.get(id).map_or(0, excess)
    }

    fn excess_of(&self, holder: &KeyShare, pool: Resource, other: Option<&KeyShare>) -> usize {
        let share = self.share(holder, pool, other);
        holder.used[pool as usize].saturating_sub(share)
    }

    /// Returns the holder that is furthest above its fair share when `other` needs some; of equal
    /// ones, the one with the smallest identity.
    pub(super) fn most_over(&self, pool: Resource, other: Option<HolderId>) -> Option<HolderId> {
        let other = other.and_then(|other| self.get(other));
        let holders = self.holders.iter().enumerate();
        let over = holders.filter_map(|(at, holder)| {
            let holder = holder.as_ref()?;
            let excess = self.excess_of(holder, pool, other);
            (excess > 0).then_some((excess, std::cmp::Reverse(holder.identity), at))
        });
        over.max().map(|(_, _, at)| HolderId(at))
    }
}

#[cfg(test)]
mod tests;
