//! The thread that checks the statements of neighbours, for all connections of a node: one record
//! at a time, and each agency in turn.
//!
//! Signature checks cost hundreds of microseconds each, and any holder of a node certificate can
//! send as many signatures as it likes. There is one such thread, however much arrives, and a
//! connection is not read from while its records wait here. The thread has normal priority:
//! messages that follow records wait for them.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use tokio::sync::oneshot;

use crate::{
    apart::Gone,
    supervise::keep_thread,
    turns::{Party, Turns},
};

/// The result of one turn.
pub(crate) enum Progress<T> {
    /// This much was done, and there is more to do.
    More(usize),
    /// The work is done, and its last part cost this much.
    Done(usize, T),
}

/// A handle to the thread. The thread ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Checking(Arc<CheckingGuard>);

/// The thread itself, to be joined.
#[derive(Debug)]
pub(crate) struct CheckingThread {
    thread: thread::JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

#[derive(Debug)]
struct CheckingGuard(Arc<CheckingInner>);

impl Drop for CheckingGuard {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.more.notify_all();
    }
}

#[derive(Debug, Default)]
struct CheckingInner {
    state: Mutex<CheckingState>,
    more: Condvar,
}

#[derive(Default)]
struct CheckingState {
    turns: Turns<CheckJob>,
    closed: bool,
}

impl std::fmt::Debug for CheckingState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let closed = &self.closed;
        f.debug_struct("CheckingState")
            .field("closed", closed)
            .finish_non_exhaustive()
    }
}

/// Does a part of some work. Returns its cost, and whether there is more to do.
type CheckJob = Box<dyn FnMut() -> (usize, bool) + Send>;

type JobResult<T> = Result<T, Box<dyn Any + Send>>;

impl CheckingInner {
    fn lock(&self) -> MutexGuard<'_, CheckingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the next turn; `None` if no handle is left that could ask for one.
    fn next(&self) -> Option<(Party, CheckJob)> {
        let mut state = self.lock();
        loop {
            if let Some(next) = state.turns.pop() {
                return Some(next);
            }
            if state.closed {
                return None;
            }
            state = self
                .more
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self) {
        while let Some((party, mut job)) = self.next() {
            let (cost, more) = job();
            let mut state = self.lock();
            let rest = match more {
                true => {
                    state.turns.push(party, job);
                    None
                }
                false => Some(job),
            };
            state.turns.done(party, cost);
            drop(state);
            // It may hold a lot of memory.
            drop(rest);
        }
    }
}

impl Checking {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<(Self, CheckingThread)> {
        let shared = Arc::new(CheckingInner::default());
        let (end, ended) = oneshot::channel();
        let of_thread = shared.clone();
        let thread = thread::Builder::new()
            .name("amop-checking".into())
            .spawn(move || {
                keep_thread("the thread that checks records", || of_thread.run());
                // Nothing may be waiting for the end of the thread.
                let _ = end.send(());
            })?;
        Ok((
            Self(Arc::new(CheckingGuard(shared))),
            CheckingThread { thread, ended },
        ))
    }

    /// Does some work in turns, each of which is one call. A panic is passed on to the caller. If
    /// the future is dropped, the work gets no further turns.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        party: Party,
        mut turn: impl FnMut() -> Progress<T> + Send + 'static,
    ) -> Result<T, Gone> {
        let (sender, receiver) = oneshot::channel::<JobResult<T>>();
        let mut sender = Some(sender);
        let job = move || {
            if sender.as_ref().is_none_or(oneshot::Sender::is_closed) {
                return (0, false);
            }
            let (cost, outcome) = match catch_unwind(AssertUnwindSafe(&mut turn)) {
                Ok(Progress::More(cost)) => return (cost, true),
                Ok(Progress::Done(cost, result)) => (cost, Ok(result)),
                Err(panic) => (0, Err(panic)),
            };
            if let Some(sender) = sender.take() {
                // The caller may be gone.
                let _ = sender.send(outcome);
            }
            (cost, false)
        };
        let shared = &self.0.0;
        shared.lock().turns.push(party, Box::new(job));
        shared.more.notify_one();
        match receiver.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(Gone),
        }
    }
}

impl CheckingThread {
    /// Waits until the thread has ended.
    pub(crate) async fn join(self) {
        // An error means that the thread panicked, which the join reports.
        let _ = self.ended.await;
        if self.thread.join().is_err() {
            tracing::error!("the thread that checks records panicked");
        }
    }
}

#[cfg(test)]
mod tests;
