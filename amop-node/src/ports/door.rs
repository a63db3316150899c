//! The door of a port: accepts connections and gives them places.

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
    journal::{Cause, LineKind},
    stats::Refusals,
    turns::Party,
};

/// The pause after a failed accept, for example because no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// After this number of newcomers in a row, connections that lost their places get time to leave.
const IN_A_ROW: usize = 32;

/// The number of addresses of one configured peer that places are kept for.
const ADDRESSES: usize = 4;

/// The door of one port.
#[derive(Debug)]
pub(crate) struct Door {
    /// The kind of client, for the log.
    who: &'static str,
    core: Arc<Core>,
    /// The counter of connections that lost their place or found none.
    displaced: fn(&Refusals) -> &AtomicU64,
    state: Mutex<DoorState>,
}

#[derive(Debug)]
struct DoorState {
    admission: Admission,
    /// The signals that tell connections that they have lost their place.
    holders: HashMap<Ticket, CancellationToken>,
    /// The known addresses of configured peers.
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
    /// Creates a door with `places` places, and at most `per_source` of them for one source.
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
            state: Mutex::new(DoorState {
                admission: Admission::new(places, per_source),
                holders: HashMap::new(),
                peers: HashMap::new(),
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, DoorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the kind of client, for the log.
    pub(crate) fn who(&self) -> &'static str {
        self.who
    }

    fn count_displaced(&self) {
        (self.displaced)(&self.core.refusals).fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps places for a configured peer, which has these addresses.
    pub(crate) fn expect(&self, peer: &PeerAddr, addresses: impl IntoIterator<Item = IpAddr>) {
        let addresses = addresses.into_iter().map(Source::of).take(ADDRESSES);
        let mut state = self.lock();
        state.peers.insert(peer.clone(), addresses.collect());
        let all: HashSet<Source> = state.peers.values().flatten().copied().collect();
        state.admission.expect(all);
    }

    /// Returns the next connection that has a place; `None` once the node stops.
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
                    // The error probably means that there are no file descriptors left, and most of
                    // them belong to connections.
                    self.relieve();
                    self.core.journal.warn(
                        LineKind::CannotAccept,
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
                LineKind::Displaced(self.who),
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

    /// Returns the party whose turn is used when work for this connection is done on another thread
    /// than that of the ports.
    pub(crate) fn party(&self) -> Party {
        let mut address = DefaultHasher::new();
        self.source.hash(&mut address);
        Party::stranger(address.finish())
    }

    /// Returns whether this is a place kept for its address.
    pub(crate) fn expected(&self) -> bool {
        self.expected
    }

    /// Records that the other side has sent something useful.
    pub(crate) fn spoke(&self) {
        let door = &mut self.door.lock().admission;
        door.spoke(Instant::now(), self.ticket);
    }

    /// Records that the connection waits for the node.
    pub(crate) fn queued(&self) {
        let door = &mut self.door.lock().admission;
        door.queued(Instant::now(), self.ticket);
    }

    /// Records that the node waits for the connection.
    pub(crate) fn waiting(&self) {
        let door = &mut self.door.lock().admission;
        door.waiting(Instant::now(), self.ticket);
    }

    /// Returns once the place is lost to another connection.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Logs that the connection from `address` lost its place.
    pub(crate) fn log_loss(&self, address: SocketAddr) {
        let who = self.door.who;
        self.door.core.journal.warn(
            LineKind::Displaced(who),
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
