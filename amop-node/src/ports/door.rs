//! A port's door: accepts connections and gives out places.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use amop_proto::admission::{Admission, Arrival, Source, Ticket};
use tokio::{
    net::{TcpListener, TcpStream},
    task::yield_now,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::PeerAddr,
    core::Core,
    journal::{Cause, Kind},
    stats::Refusals,
    turns::Party,
};

/// After a failed accept (no file descriptor left, say) the next try waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// After so many newcomers those who lost their places get the time to leave.
const IN_A_ROW: usize = 32;

/// Addresses of one configured peer that places are kept for.
const ADDRESSES: usize = 4;

/// The door of one port.
#[derive(Debug)]
pub(crate) struct Door {
    /// Who connects, for the log.
    who: &'static str,
    core: Arc<Core>,
    /// Counts connections that lost their place, or found none.
    displaced: fn(&Refusals) -> &AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    admission: Admission,
    /// How those are told that they have lost their place.
    holders: HashMap<Ticket, CancellationToken>,
    /// Where configured peers are, as far as that is known.
    peers: HashMap<PeerAddr, Vec<Source>>,
}

/// A place at a door. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    door: Arc<Door>,
    ticket: Ticket,
    source: Source,
    expected: bool,
    lost: CancellationToken,
}

impl Door {
    /// A door with so many places, `per_source` at most for one source.
    pub(crate) fn new(
        who: &'static str,
        places: usize,
        per_source: usize,
        core: Arc<Core>,
        displaced: fn(&Refusals) -> &AtomicU64,
    ) -> Arc<Self> {
        Arc::new(Self {
            who,
            core,
            displaced,
            state: Mutex::new(State {
                admission: Admission::new(places, per_source),
                holders: HashMap::new(),
                peers: HashMap::new(),
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who connects, for the log.
    pub(crate) fn who(&self) -> &'static str {
        self.who
    }

    fn count_displaced(&self) {
        (self.displaced)(&self.core.refusals).fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps places for a configured peer, which is at these addresses.
    pub(crate) fn expect(&self, peer: &PeerAddr, addresses: impl IntoIterator<Item = IpAddr>) {
        let addresses = addresses.into_iter().map(Source::of).take(ADDRESSES);
        let mut state = self.lock();
        state.peers.insert(peer.clone(), addresses.collect());
        let all: HashSet<Source> = state.peers.values().flatten().copied().collect();
        state.admission.expect(all);
    }

    /// The next connection that has a place; `None` once the node stops.
    pub(crate) async fn next(
        self: &Arc<Self>,
        listener: &TcpListener,
        stop: &CancellationToken,
    ) -> Option<(TcpStream, SocketAddr, Place)> {
        let mut in_a_row = 0;
        loop {
            in_a_row += 1;
            if in_a_row % IN_A_ROW == 0 {
                yield_now().await;
            }
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return None,
            };
            match accepted {
                Ok((stream, address)) => {
                    if let Some(place) = self.admit(address) {
                        return Some((stream, address, place));
                    }
                }
                Err(error) => {
                    // File descriptors are what connections take most of.
                    self.relieve();
                    self.core.journal.warn(
                        Kind::CannotAccept,
                        Cause::Node,
                        format_args!("cannot accept {} connections: {error}", self.who),
                    );
                    tokio::select! {
                        () = sleep(ACCEPT_PAUSE) => {}
                        () = stop.cancelled() => return None,
                    }
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, address: SocketAddr) -> Option<Place> {
        let source = Source::of(address.ip());
        let mut state = self.lock();
        let arrival = state.admission.arrive(Instant::now(), source);
        let place = match arrival {
            Arrival::Refused => None,
            Arrival::Welcome {
                ticket,
                expected,
                instead_of,
            } => {
                let lost = CancellationToken::new();
                state.holders.insert(ticket, lost.clone());
                if let Some(victim) = instead_of.and_then(|victim| state.holders.remove(&victim)) {
                    self.count_displaced();
                    victim.cancel();
                }
                Some(Place {
                    door: self.clone(),
                    ticket,
                    source,
                    expected,
                    lost,
                })
            }
        };
        drop(state);
        if place.is_none() {
            self.count_displaced();
            self.core.journal.warn(
                Kind::Displaced(self.who),
                Cause::Address(source),
                format_args!(
                    "{} at {address} was refused: all places are taken, its address has the most, \
                     and the node is working on all of these",
                    self.who
                ),
            );
        }
        place
    }

    fn relieve(&self) {
        let mut state = self.lock();
        let victim = state.admission.relieve();
        if let Some(victim) = victim.and_then(|victim| state.holders.remove(&victim)) {
            self.count_displaced();
            victim.cancel();
        }
    }
}

impl Place {
    pub(crate) fn source(&self) -> Source {
        self.source
    }

    /// Whose turn it is when something is done for it beside the thread of the ports.
    pub(crate) fn party(&self) -> Party {
        let mut address = DefaultHasher::new();
        self.source.hash(&mut address);
        Party::stranger(address.finish())
    }

    /// Whether it is one of those kept for the address.
    pub(crate) fn expected(&self) -> bool {
        self.expected
    }

    /// The other side has said something that counts.
    pub(crate) fn spoke(&self) {
        let door = &mut self.door.lock().admission;
        door.spoke(Instant::now(), self.ticket);
    }

    /// The connection waits for the node.
    pub(crate) fn queued(&self) {
        let door = &mut self.door.lock().admission;
        door.queued(Instant::now(), self.ticket);
    }

    /// The node waits for the connection.
    pub(crate) fn waiting(&self) {
        let door = &mut self.door.lock().admission;
        door.waiting(Instant::now(), self.ticket);
    }

    /// Returns once the place is lost to somebody else.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Logs what became of the connection, which came from `address`.
    pub(crate) fn log_loss(&self, address: SocketAddr) {
        let who = self.door.who;
        self.door.core.journal.warn(
            Kind::Displaced(who),
            Cause::Address(self.source),
            format_args!(
                "{who} at {address} was disconnected: all places are taken, its address has the \
                 most, and this connection kept the node waiting longest"
            ),
        );
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.door.lock();
        state.admission.leave(self.ticket);
        state.holders.remove(&self.ticket);
    }
}
