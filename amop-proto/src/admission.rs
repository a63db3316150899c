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
mod tests {
    use std::time::Duration;

    use super::*;

    fn source(n: u8) -> Source {
        Source::of(IpAddr::from([10, 0, 0, n]))
    }

    /// Lets in a connection that must be welcome.
    fn enter(admission: &mut Admission, now: Instant, n: u8) -> (Ticket, Option<Ticket>) {
        match admission.arrive(now, source(n)) {
            Arrival::Welcome {
                ticket, instead_of, ..
            } => (ticket, instead_of),
            Arrival::Refused => panic!("{n} is refused"),
        }
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn sources_are_addresses_or_networks() {
        let of = |text: &str| Source::of(text.parse().unwrap());
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
    }

    #[test]
    fn there_is_room_for_all_while_there_is_room() {
        let (mut admission, now) = (Admission::new(8, 8), Instant::now());
        for _ in 0..8 {
            assert_eq!(enter(&mut admission, now, 1).1, None);
        }
        assert_eq!(admission.len(), 8);
    }

    #[test]
    fn whoever_said_nothing_longest_goes_first() {
        let (mut admission, start) = (Admission::new(3, 3), Instant::now());
        let mut at = |n| {
            let now = start + millis(n);
            enter(&mut admission, now, 1)
        };
        let (first, second, third) = (at(0).0, at(1).0, at(2).0);
        admission.spoke(start + millis(3), first);
        let (fourth, gone) = enter(&mut admission, start + millis(4), 1);
        assert_eq!(gone, Some(second));
        let gone = [5, 6, 7].map(|n| enter(&mut admission, start + millis(n), 1).1.unwrap());
        assert_eq!(gone, [third, first, fourth]);
        assert_eq!(admission.len(), 3);
    }

    #[test]
    fn one_source_takes_places_from_itself_and_not_from_others() {
        let (mut admission, now) = (Admission::new(10, 10), Instant::now());
        let innocent = [2, 2, 3].map(|n| enter(&mut admission, now, n).0);
        for n in 0..1000 {
            // These are always younger than the innocent ones.
            let (_, gone) = enter(&mut admission, now + millis(n), 1);
            assert!(gone.is_none_or(|gone| !innocent.contains(&gone)));
        }
        assert_eq!(admission.len(), 10);
        // Another newcomer takes the place of one of those.
        let (_, gone) = enter(&mut admission, now + millis(1000), 4);
        assert!(gone.is_some_and(|gone| !innocent.contains(&gone)));
    }

    #[test]
    fn many_sources_with_a_place_each_give_up_the_longest_waiting_one() {
        let (mut admission, now) = (Admission::new(100, 100), Instant::now());
        let all: Vec<Ticket> = (0..100)
            .map(|n| enter(&mut admission, now + millis(n.into()), n).0)
            .collect();
        for n in 0..50u8 {
            let (_, gone) = enter(&mut admission, now + millis(200), 100 + n);
            assert_eq!(gone, Some(all[usize::from(n)]));
        }
    }

    #[test]
    fn time_in_which_the_node_is_busy_does_not_count() {
        let (mut admission, start) = (Admission::new(2, 2), Instant::now());
        let (first, _) = enter(&mut admission, start, 1);
        admission.queued(start + millis(1), first);
        let (second, _) = enter(&mut admission, start + millis(50), 1);
        admission.waiting(start + millis(100), first);
        // The first one has kept the node waiting from 99 ms on, the second from 50 ms.
        let (_, gone) = enter(&mut admission, start + millis(101), 1);
        assert_eq!(gone, Some(second));
    }

    #[test]
    fn those_the_node_is_busy_with_stay_unless_another_source_has_less() {
        let (mut admission, now) = (Admission::new(4, 4), Instant::now());
        let flood = [0, 1, 2, 3].map(|n| {
            let (ticket, _) = enter(&mut admission, now + millis(n), 1);
            admission.queued(now + millis(n), ticket);
            ticket
        });
        assert_eq!(admission.arrive(now, source(1)), Arrival::Refused);
        let (other, gone) = enter(&mut admission, now, 2);
        assert_eq!(gone, Some(flood[3]));
        admission.queued(now, other);
        let (_, gone) = enter(&mut admission, now, 2);
        assert_eq!(gone, Some(flood[2]));
        // Both sources have two places.
        assert_eq!(admission.arrive(now, source(1)), Arrival::Refused);
    }

    #[test]
    fn a_source_may_have_a_limit_of_its_own() {
        let (mut admission, now) = (Admission::new(100, 2), Instant::now());
        let (first, _) = enter(&mut admission, now, 1);
        let (second, _) = enter(&mut admission, now, 1);
        assert_eq!(enter(&mut admission, now, 1).1, Some(first));
        admission.queued(now, second);
        assert!(
            enter(&mut admission, now, 1)
                .1
                .is_some_and(|gone| gone != second)
        );
        assert_eq!(enter(&mut admission, now, 2).1, None);
    }

    #[test]
    fn expected_sources_have_places_that_nobody_takes() {
        let (mut admission, now) = (Admission::new(4, 4), Instant::now());
        admission.expect([source(9)].into());
        let kept: Vec<Ticket> = (0..KEPT).map(|_| enter(&mut admission, now, 9).0).collect();
        for n in 0..200 {
            let (_, gone) = enter(&mut admission, now + millis(n), (n % 7) as u8);
            assert!(gone.is_none_or(|gone| !kept.contains(&gone)));
        }
        assert_eq!(admission.len(), 4 + KEPT);
        // More connections from there are treated like others.
        let (_, gone) = enter(&mut admission, now + millis(300), 9);
        assert!(gone.is_some_and(|gone| !kept.contains(&gone)));
        // A place that became free is kept again.
        admission.leave(kept[0]);
        assert_eq!(enter(&mut admission, now + millis(301), 9).1, None);
    }

    #[test]
    fn somebody_gives_way_when_the_system_is_out_of_something() {
        let (mut admission, now) = (Admission::new(100, 100), Instant::now());
        assert_eq!(admission.relieve(), None);
        let (innocent, _) = enter(&mut admission, now, 2);
        let flood = [1, 2].map(|n| enter(&mut admission, now + millis(n), 1).0);
        assert_eq!(admission.relieve(), Some(flood[0]));
        assert_eq!(admission.relieve(), Some(innocent));
        assert_eq!(admission.relieve(), Some(flood[1]));
        assert_eq!(admission.len(), 0);
    }

    /// In any order of events, there are never more connections than places, and every count stays
    /// right.
    #[test]
    fn counts_hold_whatever_happens() {
        let (mut admission, start) = (Admission::new(20, 12), Instant::now());
        admission.expect([source(0), source(1)].into());
        let mut tickets = Vec::new();
        // A linear congruential generator, so that a failure is reproducible.
        let mut state = 7u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        for n in 0..20_000 {
            let now = start + millis(n);
            let pick = random(tickets.len().max(1) as u64) as usize;
            match (random(6), tickets.get(pick)) {
                (0, Some(&ticket)) => {
                    admission.leave(ticket);
                    tickets.swap_remove(pick);
                }
                (1, Some(&ticket)) => admission.queued(now, ticket),
                (2, Some(&ticket)) => admission.waiting(now, ticket),
                (3, Some(&ticket)) => admission.spoke(now, ticket),
                _ => {
                    if let Arrival::Welcome {
                        ticket, instead_of, ..
                    } = admission.arrive(now, source(random(6) as u8))
                    {
                        tickets.retain(|held| Some(*held) != instead_of);
                        tickets.push(ticket);
                    }
                }
            }
            assert_eq!(admission.len(), tickets.len());
            assert!(admission.taken <= 20);
            let shared = admission.held.values().map(|held| held.shared);
            assert!(shared.clone().all(|shared| shared <= 12));
            assert_eq!(shared.sum::<usize>(), admission.taken);
            let kept: usize = admission.held.values().map(|held| held.kept).sum();
            assert_eq!(kept + admission.taken, admission.len());
        }
        for ticket in tickets {
            admission.leave(ticket);
        }
        assert!(admission.held.is_empty());
    }
}
