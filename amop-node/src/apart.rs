//! Work that takes longer than a message: reading long texts and writing answers with lists. It is
//! done outside the tasks of the connections, and never while the machine is locked.

use std::panic::resume_unwind;

use tokio::task::spawn_blocking;

use crate::{gate::Gate, turns::Party};

/// Texts up to this length are read in place: this takes about 10 microseconds.
pub(crate) const SHORT: usize = 4 * 1024;

/// Does such work on one blocking thread at a time, where no connection waits behind it. However
/// many ask, the other processors stay free. Callers take turns; all unauthenticated callers
/// together count as one agency.
#[derive(Debug, Clone)]
pub(crate) struct Apart(Gate);

impl Default for Apart {
    fn default() -> Self {
        Self(Gate::new(1))
    }
}

/// Says that the runtime is about to end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gone;

impl Apart {
    /// Does some work when its turn comes; the work costs as much as `cost` bytes of text. If the
    /// caller stops waiting, work that has begun ends in the background, within milliseconds.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        party: Party,
        cost: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Gone> {
        self.run_costing(party, move || (work(), cost)).await
    }

    /// Like [`run`](Self::run), for work whose cost is known only after it is done.
    pub(crate) async fn run_costing<T: Send + 'static>(
        &self,
        party: Party,
        work: impl FnOnce() -> (T, usize) + Send + 'static,
    ) -> Result<T, Gone> {
        // The turn moves with the work, so that the next turn waits for the end of the work, not
        // for this caller.
        let turn = self.0.turn(party).await;
        let working = spawn_blocking(move || {
            let mut turn = turn;
            let (done, cost) = work();
            turn.costs(cost);
            done
        });
        match working.await {
            Ok(result) => Ok(result),
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_) => Err(Gone),
        }
    }
}

/// Does some work on a blocking thread, because other connections must not wait for it. A panic of
/// the work is passed on to the caller. If the runtime ends first, the future never completes: it
/// is dropped with the runtime.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::mpsc,
        task::{Context, Waker},
    };

    use super::*;

    fn party(agency: u64, key: u64, one: u64) -> Party {
        Party { agency, key, one }
    }

    #[tokio::test]
    async fn strangers_and_many_sessions_of_one_key_leave_the_next_turn_to_another() {
        let apart = Apart::default();
        let (begin, begun) = mpsc::channel::<()>();
        let (notes, noted) = mpsc::channel();
        let mut tasks = tokio::task::JoinSet::new();
        let mut ask = |party: Party, cost: usize| {
            let (apart, notes) = (apart.clone(), notes.clone());
            tasks.spawn(async move {
                let work = move || notes.send(party).unwrap();
                apart.run(party, cost, work).await.unwrap();
            });
        };
        let busy = {
            let apart = apart.clone();
            async move {
                let work = move || begun.recv().unwrap();
                apart.run(party(9, 9, 9), 1, work).await.unwrap();
            }
        };
        let mut busy = std::pin::pin!(busy);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(busy.as_mut().poll(&mut cx).is_pending());
        for n in 0..300 {
            ask(party(1, 1, n), 1_000_000);
            ask(Party::stranger(n % 5), 1_000_000);
        }
        // So that all of them wait before the innocent one does.
        while apart.0.waiting() < 600 {
            tokio::task::yield_now().await;
        }
        let innocent = party(2, 1, 0);
        ask(innocent, 1000);
        ask(party(1, 2, 0), 1000);
        while apart.0.waiting() < 602 {
            tokio::task::yield_now().await;
        }
        begin.send(()).unwrap();
        busy.await;
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        drop(notes);
        let order: Vec<Party> = noted.iter().collect();
        let place = |party: Party| order.iter().position(|&other| other == party).unwrap();
        // At most one of each agency, and one more of its own, come first.
        assert!(place(innocent) <= 2, "{}", place(innocent));
        assert!(place(party(1, 2, 0)) <= 5, "{}", place(party(1, 2, 0)));
    }
}
