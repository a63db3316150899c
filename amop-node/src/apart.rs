//! Work that takes longer than a message: reading long texts and writing answers with lists. It is
//! done outside the tasks of the connections, and never while the machine is locked.

use std::panic::resume_unwind;

use tokio::task::spawn_blocking;

use crate::{
    gate::{Gate, WorkPermit},
    turns::Party,
};

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

    /// Waits for the turn to do such work in place: briefly, and without giving way.
    pub(crate) fn turn(&self, party: Party) -> impl Future<Output = WorkPermit> + Send + use<> {
        let gate = self.0.clone();
        async move { gate.turn(party).await }
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
mod tests;
