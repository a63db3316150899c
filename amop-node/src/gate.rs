//! A few places for work; callers take turns to get them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::turns::{Party, Turns};

/// Lets a fixed number of callers work at once. Agencies take turns, then the keys of each, then
/// their connections; a caller that has cost more waits until the others have cost as much.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Mutex<GateQueue>>);

#[derive(Debug)]
struct GateQueue {
    /// Places that are free.
    free: usize,
    waiting: usize,
    turns: Turns<oneshot::Sender<WorkPermit>>,
}

/// The right to work now. Dropping it lets the next one work.
#[derive(Debug)]
pub(crate) struct WorkPermit {
    gate: Option<Gate>,
    party: Party,
    cost: usize,
    /// Whether others waited for a place, too, when this one was given.
    crowded: bool,
}

impl Gate {
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(GateQueue {
            free: places.max(1),
            waiting: 0,
            turns: Turns::default(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, GateQueue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place. If the caller stops waiting, it gets none.
    pub(crate) async fn turn(&self, party: Party) -> WorkPermit {
        match self.ask(party).await {
            Ok(turn) => turn,
            // Never happens: `self` holds the queue, and the queue keeps the sender until it is
            // used.
            Err(_) => std::future::pending().await,
        }
    }

    fn ask(&self, party: Party) -> oneshot::Receiver<WorkPermit> {
        let (sender, receiver) = oneshot::channel();
        let mut queue = self.lock();
        queue.turns.push(party, sender);
        queue.waiting += 1;
        let free = queue.free > 0;
        queue.free -= usize::from(free);
        drop(queue);
        if free {
            self.next();
        }
        receiver
    }

    /// Gives a place, which is free, to the next caller that still wants it.
    fn next(&self) {
        loop {
            let mut queue = self.lock();
            let Some((party, sender)) = queue.turns.pop() else {
                queue.free += 1;
                return;
            };
            queue.waiting -= 1;
            let crowded = queue.waiting > 0;
            drop(queue);
            let gate = Some(self.clone());
            let turn = WorkPermit {
                gate,
                party,
                cost: 0,
                crowded,
            };
            match sender.send(turn) {
                Ok(()) => return,
                // This caller is gone. Do not use the turn's drop here: it would call this function
                // again.
                Err(mut turn) => {
                    turn.gate = None;
                    self.lock().turns.done(party, 0);
                }
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting
    }
}

impl WorkPermit {
    /// Returns whether others waited for a place when this one was given.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// Records the cost of the work, which decides the order of later turns.
    pub(crate) fn costs(&mut self, cost: usize) {
        self.cost = cost;
    }
}

impl Drop for WorkPermit {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.lock().turns.done(self.party, self.cost);
            gate.next();
        }
    }
}

#[cfg(test)]
mod tests;
