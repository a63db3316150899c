//! A few places for work, for which those who want one take turns.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::turns::{Party, Turns};

/// Lets so many work at once. Agencies take turns, then the keys of each, then their connections; who has
/// cost more waits until the others have cost as much.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Mutex<Queue>>);

#[derive(Debug)]
struct Queue {
    /// Places that nobody has.
    free: usize,
    waiting: usize,
    turns: Turns<oneshot::Sender<Turn>>,
}

/// The right to work now. Dropping it lets the next one work.
#[derive(Debug)]
pub(crate) struct Turn {
    gate: Option<Gate>,
    party: Party,
    cost: usize,
    /// Others want one, too.
    crowded: bool,
}

impl Gate {
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue {
            free: places.max(1),
            waiting: 0,
            turns: Turns::default(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place. A caller that stops waiting has none.
    pub(crate) async fn turn(&self, party: Party) -> Turn {
        match self.ask(party).await {
            Ok(turn) => turn,
            // The sender is in the queue, which this holds, until it is used.
            Err(_) => std::future::pending().await,
        }
    }

    fn ask(&self, party: Party) -> oneshot::Receiver<Turn> {
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

    /// Gives a place, which nobody has, to the next one that still wants it.
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
            let turn = Turn {
                gate,
                party,
                cost: 0,
                crowded,
            };
            match sender.send(turn) {
                Ok(()) => return,
                // It is gone. Not by its drop, which would come back here.
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

impl Turn {
    /// Whether others waited for one when this one was given.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// Says what the work has cost, for the order of later turns.
    pub(crate) fn costs(&mut self, cost: usize) {
        self.cost = cost;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.lock().turns.done(self.party, self.cost);
            gate.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn party(agency: u64, key: u64, one: u64) -> Party {
        Party { agency, key, one }
    }

    fn poll<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[test]
    fn turns_of_those_who_are_gone_are_passed_over() {
        let gate = Gate::new(1);
        let mut first = gate.ask(party(1, 1, 1));
        let second = gate.ask(party(1, 1, 2));
        let mut third = gate.ask(party(2, 1, 1));
        let turn = poll(&mut first).unwrap().unwrap();
        assert!(poll(&mut third).is_none());
        drop((second, turn));
        // Given a turn that it does not take: dropping it lets the next one work.
        drop(third);
        assert_eq!(gate.lock().free, 1);
        assert!(poll(gate.turn(party(1, 1, 3))).is_some());
    }

    #[test]
    fn so_many_work_at_once_as_there_are_places() {
        let gate = Gate::new(2);
        let mut turns: Vec<_> = (0..5).map(|n| gate.ask(party(n, 1, 1))).collect();
        let mut done = Vec::new();
        while !turns.is_empty() {
            let polled: Vec<_> = turns.iter_mut().map(poll).collect();
            let working: Vec<Turn> = polled.into_iter().flatten().flatten().collect();
            assert_eq!(working.len(), 2.min(turns.len()));
            done.extend(working.iter().map(|turn| turn.party.agency));
            turns.drain(..working.len());
        }
        assert_eq!(done, [0, 1, 2, 3, 4]);
        assert_eq!(gate.lock().free, 2);
    }
}
