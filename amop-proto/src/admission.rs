//! Decides which connections may hold a place at a port before they are identified. No socket, no
//! clock: addresses and instants are passed in.
//!
//! A newcomer always gets a place, unless its own address has more than its share. When all places
//! are taken, the address with the most places loses one: that of its connection that has kept the
//! node waiting longest. So an address that floods takes places from itself. Quick connections from
//! the same address still succeed, because silent ones are closed first. Time in which the node
//! itself is busy does not count against a connection.
//!
//! Expected addresses, those of configured peers, have some places of their own, which no other
//! address can take.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv6Addr},
    time::Instant,
};

/// Places kept for each expected address: two nodes behind one address need one each, and retries
/// need some.
pub const KEPT: usize = 16;

/// The origin of connections that are counted together: an IPv4 address, or the first 64 bits of an
/// IPv6 address, which is the part that one network is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(IpAddr);

impl Source {
    /// Returns the source of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 => v4,
        })
    }
}

/// The name of one connection that holds a place. It is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// The decision about a newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It has a place.
    Welcome {
        /// The name of the connection.
        ticket: Ticket,
        /// The place is one of those kept for its address.
        expected: bool,
        /// The connection that loses its place to the newcomer.
        instead_of: Option<Ticket>,
    },
    /// It has no place: its own address has too many, and the node is busy with all of them.
    Refused,
}

/// The places of one port.
#[derive(Debug)]
pub struct Admission {
    places: usize,
    per_source: usize,
    expected: HashSet<Source>,
    holders: HashMap<Ticket, PlaceHolder>,
    /// The number of places that each source holds.
    held: HashMap<Source, PlacesHeld>,
    /// The number of places in use that are not kept for expected addresses.
    taken: usize,
    next: u64,
}

#[derive(Debug, Default)]
struct PlacesHeld {
    shared: usize,
    kept: usize,
}

#[derive(Debug)]
struct PlaceHolder {
    source: Source,
    kept: bool,
    /// Since when it has kept the node waiting.
    since: Instant,
    /// Since when it waits for the node; `None` if it does not.
    queued: Option<Instant>,
}

impl Admission {
    /// Creates an admission with this number of `places`, at most `per_source` of them for one
    /// source.
    #[must_use]
    pub fn new(places: usize, per_source: usize) -> Self {
        Self {
            places,
            per_source,
            expected: HashSet::new(),
            holders: HashMap::new(),
            held: HashMap::new(),
            taken: 0,
            next: 0,
        }
    }

    /// Sets the sources that places are kept for.
    pub fn expect(&mut self, sources: HashSet<Source>) {
        self.expected = sources;
    }

    /// Decides about a new connection. If it takes another connection's place, that one has no
    /// place any more.
    pub fn arrive(&mut self, now: Instant, source: Source) -> Arrival {
        let held = self.held.get(&source);
        let (shared, kept) = held.map_or((0, 0), |held| (held.shared, held.kept));
        let expected = kept < KEPT && self.expected.contains(&source);
        let mut instead_of = None;
        if !expected && (self.taken >= self.places || shared >= self.per_source) {
            instead_of = if shared >= self.per_source {
                self.longest_waiting(|holder| holder == source)
            } else {
                self.place_for(source, shared + 1)
            };
            let Some(victim) = instead_of else {
                return Arrival::Refused;
            };
            self.leave(victim);
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        let holder = PlaceHolder {
            source,
            kept: expected,
            since: now,
            queued: None,
        };
        self.holders.insert(ticket, holder);
        let held = self.held.entry(source).or_default();
        if expected {
            held.kept += 1;
        } else {
            held.shared += 1;
            self.taken += 1;
        }
        Arrival::Welcome {
            ticket,
            expected,
            instead_of,
        }
    }

    /// Records that a connection sent something that counts; its waiting time starts again.
    pub fn spoke(&mut self, now: Instant, ticket: Ticket) {
        if let Some(holder) = self.holders.get_mut(&ticket) {
            holder.since = now;
        }
    }

    /// Records that a connection waits for the node.
    pub fn queued(&mut self, now: Instant, ticket: Ticket) {
        if let Some(holder) = self.holders.get_mut(&ticket) {
            holder.queued.get_or_insert(now);
        }
    }

    /// Records that the node waits for a connection.
    pub fn waiting(&mut self, now: Instant, ticket: Ticket) {
        if let Some(holder) = self.holders.get_mut(&ticket)
            && let Some(queued) = holder.queued.take()
        {
            holder.since += now.saturating_duration_since(queued);
        }
    }

    /// Records that a connection needs no place any more, or has ended.
    pub fn leave(&mut self, ticket: Ticket) {
        let Some(holder) = self.holders.remove(&ticket) else {
            return;
        };
        let Some(held) = self.held.get_mut(&holder.source) else {
            return;
        };
        if holder.kept {
            held.kept -= 1;
        } else {
            held.shared -= 1;
            self.taken -= 1;
        }
        if held.shared + held.kept == 0 {
            self.held.remove(&holder.source);
        }
    }

    /// Takes a place from a connection, as for a newcomer from an address that has none. Call it
    /// when the system runs out of a resource that connections use.
    pub fn relieve(&mut self) -> Option<Ticket> {
        let victim = self.place_of_heaviest(1)?;
        self.leave(victim);
        Some(victim)
    }

    /// Returns the number of connections that hold a place.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.holders.len()
    }

    /// Returns the connection whose place a newcomer gets, if it would be connection number `count`
    /// of its source.
    fn place_for(&self, source: Source, count: usize) -> Option<Ticket> {
        let heaviest = self.held.values().map(|held| held.shared).max()?;
        if count > heaviest {
            // This source has the most places itself.
            return self.longest_waiting(|holder| holder == source);
        }
        self.place_of_heaviest(count)
    }

    /// Returns the place to give up, among those of the sources with the most places, for a source
    /// that would then have `count`.
    fn place_of_heaviest(&self, count: usize) -> Option<Ticket> {
        let heaviest = self.held.values().map(|held| held.shared).max()?;
        let heaviest =
            |source: Source| self.held.get(&source).is_some_and(|h| h.shared == heaviest);
        let waiting = self.longest_waiting(heaviest);
        // The node is busy with all of them. The connections that came last have cost the least so
        // far.
        waiting.or_else(|| {
            let most = self.held.values().map(|held| held.shared).max()?;
            (count < most).then(|| self.last_queued(heaviest)).flatten()
        })
    }

    fn longest_waiting(&self, of: impl Fn(Source) -> bool) -> Option<Ticket> {
        let waiting = self
            .holders
            .iter()
            .filter(|(_, holder)| !holder.kept && holder.queued.is_none() && of(holder.source));
        let (ticket, _) = waiting.min_by_key(|(ticket, holder)| (holder.since, ticket.0))?;
        Some(*ticket)
    }

    fn last_queued(&self, of: impl Fn(Source) -> bool) -> Option<Ticket> {
        let holders = self.holders.iter();
        let all = holders.filter(|(_, holder)| !holder.kept && of(holder.source));
        let (ticket, _) = all.max_by_key(|(ticket, holder)| (holder.queued, ticket.0))?;
        Some(*ticket)
    }
}

#[cfg(test)]
mod tests;
