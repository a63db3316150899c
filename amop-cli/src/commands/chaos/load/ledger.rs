//! The books of a run.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use amop::MessageKind;

use super::{super::books::Books, traffic::Traffic};

/// The books of a run.
#[derive(Debug)]
pub(crate) struct Ledger {
    unicasts: Mutex<Books>,
    multicasts: Mutex<Books>,
    pub(super) deliveries: AtomicU64,
    /// For each subscriber, the number of multicasts that its full queue dropped.
    pub(super) dropped: Vec<AtomicU64>,
}

impl Ledger {
    pub(crate) fn new(traffic: &Traffic) -> Self {
        let books = |messages| Mutex::new(Books::new(messages, traffic.subscribers));
        Self {
            unicasts: books(traffic.unicasts),
            multicasts: books(traffic.multicasts),
            deliveries: AtomicU64::new(0),
            dropped: (0..traffic.subscribers)
                .map(|_| AtomicU64::new(0))
                .collect(),
        }
    }

    pub(crate) fn dropped(&self) -> Vec<u64> {
        let dropped = self.dropped.iter();
        dropped.map(|count| count.load(Ordering::Relaxed)).collect()
    }

    pub(crate) fn unicasts(&self) -> MutexGuard<'_, Books> {
        self.unicasts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn multicasts(&self) -> MutexGuard<'_, Books> {
        self.multicasts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn of(&self, kind: MessageKind) -> MutexGuard<'_, Books> {
        match kind {
            MessageKind::Unicast => self.unicasts(),
            MessageKind::Multicast => self.multicasts(),
        }
    }

    /// Returns the number of deliveries to all subscribers.
    pub(crate) fn deliveries(&self) -> u64 {
        self.deliveries.load(Ordering::Relaxed)
    }
}
