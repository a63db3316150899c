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
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn party(agency: u64, one: u64) -> Party {
        Party {
            agency,
            key: 1,
            one,
        }
    }

    /// Does work that takes `turns` turns, and notes whose they were.
    async fn note(checking: Checking, turns: usize, party: Party, notes: mpsc::Sender<u64>) {
        let mut left = turns;
        let turn = move || {
            notes.send(party.agency).unwrap();
            left -= 1;
            match left {
                0 => Progress::Done(1, ()),
                _ => Progress::More(1),
            }
        };
        checking.run(party, turn).await.unwrap();
    }

    #[tokio::test]
    async fn long_packets_of_one_agency_leave_every_second_turn_to_another() {
        let (checking, thread) = Checking::start().unwrap();
        // Keeps the thread busy until all of them wait.
        let (begin, begun) = mpsc::channel::<()>();
        let first = checking.run(party(9, 0), move || {
            begun.recv().unwrap();
            Progress::Done(1, ())
        });
        let (notes, noted) = mpsc::channel();
        let mut tasks = tokio::task::JoinSet::new();
        for one in 0..20 {
            tasks.spawn(note(checking.clone(), 100, party(1, one), notes.clone()));
        }
        tasks.spawn(note(checking.clone(), 10, party(2, 0), notes));
        let all = async {
            // Each of them is polled once before this test goes on.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            begin.send(()).unwrap();
            while tasks.join_next().await.is_some() {}
        };
        let (first, ()) = tokio::join!(first, all);
        first.unwrap();
        let order: Vec<u64> = noted.iter().collect();
        assert_eq!(order.len(), 20 * 100 + 10);
        let last = order.iter().rposition(|&agency| agency == 2).unwrap();
        assert!(last < 25, "{last}");
        drop(checking);
        thread.join().await;
    }

    #[tokio::test]
    async fn a_panic_is_its_caller_s_and_the_thread_goes_on() {
        let (checking, thread) = Checking::start().unwrap();
        let other = checking.clone();
        let broken = tokio::spawn(async move {
            let turn = || -> Progress<()> { panic!("a fault in the check") };
            other.run(party(1, 1), turn).await
        });
        assert!(broken.await.unwrap_err().is_panic());
        let done = checking.run(party(1, 1), || Progress::Done(1, 7)).await;
        assert_eq!(done.unwrap(), 7);
        drop(checking);
        thread.join().await;
    }

    #[tokio::test]
    async fn nothing_more_is_done_for_one_that_is_gone() {
        let (checking, thread) = Checking::start().unwrap();
        let (notes, noted) = mpsc::channel();
        let endless = tokio::spawn({
            let checking = checking.clone();
            async move {
                let turn = move || -> Progress<()> {
                    let _ = notes.send(());
                    Progress::More(1)
                };
                checking.run(party(1, 1), turn).await
            }
        });
        tokio::task::yield_now().await;
        endless.abort();
        assert!(endless.await.unwrap_err().is_cancelled());
        drop(checking);
        thread.join().await;
        // The thread has ended, although the work was never finished.
        drop(noted);
    }
}
