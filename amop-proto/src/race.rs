//! When to try each address of a host name: Happy Eyeballs (RFC 8305, sections 4 and 5).

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// How long only one address is tried before the next one is tried as well (RFC 8305 section 5).
const PAUSE: Duration = Duration::from_millis(250);

/// How long to wait after an address accepted the connection: the handshakes that follow need
/// several more round trips, and some calculation.
const CONNECTED: Duration = Duration::from_secs(2);

/// Decides in which order, and when, to try the addresses of a host name. Each address is tried
/// some time after the one before it, or as soon as an earlier one fails. Earlier attempts continue
/// meanwhile; the first one that succeeds is used.
///
/// ```
/// use std::time::{Duration, Instant};
/// use amop_proto::race::AddressRace;
///
/// let now = Instant::now();
/// let addresses = ["[::1]:1", "[::2]:1", "127.0.0.1:1"].map(|text| text.parse().unwrap());
/// let mut race = AddressRace::new(addresses);
/// // The families take turns.
/// assert_eq!(race.poll(now), Some(addresses[0]));
/// assert_eq!(race.poll(now), None);
/// assert_eq!(race.next_timeout(), Some(now + Duration::from_millis(250)));
/// race.failed();
/// assert_eq!(race.poll(now), Some(addresses[2]));
/// ```
#[derive(Debug, Clone)]
pub struct AddressRace {
    waiting: VecDeque<SocketAddr>,
    /// When the next address is tried; `None` if at once.
    due: Option<Instant>,
}

impl AddressRace {
    /// Creates a race. The address families alternate, beginning with the family of the first
    /// address.
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            waiting: interleave(addresses),
            due: None,
        }
    }

    /// Returns the next address if its time has come. Call it again until it returns `None`.
    pub fn poll(&mut self, now: Instant) -> Option<SocketAddr> {
        if self.due.is_some_and(|due| now < due) {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.due = Some(now + PAUSE);
        Some(next)
    }

    /// Returns when to [poll](Self::poll) again; `None` if all have been tried, or the next one is
    /// due now.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.due.filter(|_| !self.waiting.is_empty())
    }

    /// Records that an address accepted the connection, which gives that attempt more time.
    pub fn connected(&mut self, now: Instant) {
        self.due = Some(now + CONNECTED);
    }

    /// Records that an attempt failed: the next address is due.
    pub fn failed(&mut self) {
        self.due = None;
    }
}

/// Remembers which addresses of a host name were not usable although they accepted connections, so
/// that the next attempt begins with another address.
///
/// ```
/// use amop_proto::race::AddressOrder;
///
/// let [first, second] = ["127.0.0.1:1", "127.0.0.2:1"].map(|text| text.parse().unwrap());
/// let mut order = AddressOrder::default();
/// order.unusable(first);
/// assert_eq!(order.sorted([first, second]), [second, first]);
/// order.usable(first);
/// assert_eq!(order.sorted([first, second]), [first, second]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct AddressOrder {
    /// The latest one last.
    unusable: VecDeque<SocketAddr>,
}

/// The number of unusable addresses that are remembered for each name.
const MAX_UNUSABLE: usize = 16;

impl AddressOrder {
    /// Records that a connection to an address ended before it could be used.
    pub fn unusable(&mut self, address: SocketAddr) {
        self.usable(address);
        if self.unusable.len() == MAX_UNUSABLE {
            self.unusable.pop_front();
        }
        self.unusable.push_back(address);
    }

    /// Records that a connection to an address could be used.
    pub fn usable(&mut self, address: SocketAddr) {
        self.unusable.retain(|&unusable| unusable != address);
    }

    /// Returns the addresses in the order in which to try them: unusable ones last, and among these
    /// the latest one last.
    pub fn sorted(&self, addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
        let mut sorted: Vec<SocketAddr> = addresses.into_iter().collect();
        sorted.sort_by_key(|address| self.unusable.iter().position(|other| other == address));
        sorted
    }
}

fn interleave(addresses: impl IntoIterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let addresses: Vec<SocketAddr> = addresses.into_iter().collect();
    let v6_first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (VecDeque<_>, VecDeque<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == v6_first);
    let mut queues = [first, second];
    let mut turns = VecDeque::new();
    while let Some(address) = queues[0].pop_front() {
        turns.push_back(address);
        let next = usize::from(!queues[1].is_empty());
        queues.swap(0, next);
    }
    turns
}

#[cfg(test)]
mod tests;
