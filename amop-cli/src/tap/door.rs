//! Admission of connections before TLS identifies them, with the rules of a node's ports.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use amop_proto::admission::{Admission, Arrival, Source, Ticket};
use tokio_util::sync::CancellationToken;

/// Gives out places.
#[derive(Debug)]
pub(super) struct TapDoor(Mutex<TapDoorState>);

#[derive(Debug)]
struct TapDoorState {
    admission: Admission,
    /// Signals a holder that it has lost its place.
    holders: HashMap<Ticket, CancellationToken>,
}

/// A place for a connection. Dropping it frees the place.
#[derive(Debug)]
pub(super) struct TapPlace {
    door: Arc<TapDoor>,
    ticket: Ticket,
    lost: CancellationToken,
}

impl TapDoor {
    pub(super) fn new(places: usize) -> Self {
        Self(Mutex::new(TapDoorState {
            admission: Admission::new(places, places),
            holders: HashMap::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, TapDoorState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a new connection a place. Returns `None` if all are taken and no holder has to give
    /// one up.
    pub(super) fn admit(self: &Arc<Self>, address: SocketAddr) -> Option<TapPlace> {
        let mut state = self.lock();
        let source = Source::of(address.ip());
        let Arrival::Welcome {
            ticket, instead_of, ..
        } = state.admission.arrive(Instant::now(), source)
        else {
            return None;
        };
        if let Some(lost) = instead_of.and_then(|victim| state.holders.remove(&victim)) {
            lost.cancel();
        }
        let lost = CancellationToken::new();
        state.holders.insert(ticket, lost.clone());
        Some(TapPlace {
            door: self.clone(),
            ticket,
            lost,
        })
    }
}

impl TapPlace {
    /// Waits until a new connection takes this place.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

impl Drop for TapPlace {
    fn drop(&mut self) {
        let mut state = self.door.lock();
        state.admission.leave(self.ticket);
        state.holders.remove(&self.ticket);
    }
}
