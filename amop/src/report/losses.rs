//! Reports of losses, which may be frequent.
//!
//! The first loss of a burst is reported at once, and the others together after a pause, even if no
//! more losses follow.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::time::Instant;

use super::later::{Later, Tell};

/// The time between two events about one subscription.
const EVENTS: Duration = Duration::from_secs(1);

/// The time between two log lines about one subscription.
const LINES: Duration = Duration::from_secs(10);

/// The messages that one subscription lost or refused, with details of the last one.
pub(crate) struct Losses<L> {
    me: Weak<Self>,
    later: Arc<Later>,
    state: Mutex<LossState<L>>,
    event: Box<dyn Fn(u64, L) + Send + Sync>,
    line: Box<dyn Fn(u64, L) + Send + Sync>,
}

#[derive(Debug)]
struct LossState<L> {
    total: u64,
    last: Option<L>,
    /// The number of losses that no event has reported yet.
    unreported: u64,
    /// The number of losses that no log line has reported yet.
    unlogged: u64,
    next_event: Option<Instant>,
    next_line: Option<Instant>,
    /// Whether `later` has an entry for this.
    waits: bool,
}

impl<L> fmt::Debug for Losses<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Losses").finish_non_exhaustive()
    }
}

impl<L: Clone + Send + 'static> Losses<L> {
    /// Creates a counter of losses. `event` gets the number of losses since its last call, `line`
    /// the total.
    pub(crate) fn new(
        later: &Arc<Later>,
        event: impl Fn(u64, L) + Send + Sync + 'static,
        line: impl Fn(u64, L) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            later: Arc::clone(later),
            state: Mutex::new(LossState {
                total: 0,
                last: None,
                unreported: 0,
                unlogged: 0,
                next_event: None,
                next_line: None,
                waits: false,
            }),
            event: Box::new(event),
            line: Box::new(line),
        })
    }

    fn lock(&self) -> MutexGuard<'_, LossState<L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a loss. It is reported at once, or later if there was a report just before.
    pub(crate) fn count(&self, last: L) {
        let mut state = self.lock();
        state.total += 1;
        state.unreported += 1;
        state.unlogged += 1;
        state.last = Some(last);
        drop(state);
        let again = self.look(Instant::now(), false);
        if let Some(again) = again
            && !std::mem::replace(&mut self.lock().waits, true)
        {
            let me: Weak<dyn Tell> = Weak::<Self>::clone(&self.me);
            self.later.at(again, me);
        }
    }

    /// Reports everything: no more losses will be counted.
    pub(crate) fn finish(&self) {
        self.look(Instant::now(), true);
    }

    fn look(&self, now: Instant, end: bool) -> Option<Instant> {
        let mut state = self.lock();
        let last = state.last.clone()?;
        let may = |next: Option<Instant>| end || next.is_none_or(|next| next <= now);
        let mut event = None;
        if state.unreported > 0 && may(state.next_event) {
            state.next_event = Some(now + EVENTS);
            event = Some(std::mem::take(&mut state.unreported));
        }
        let mut line = None;
        if state.unlogged > 0 && may(state.next_line) {
            state.next_line = Some(now + LINES);
            state.unlogged = 0;
            line = Some(state.total);
        }
        let next_event = state.next_event.filter(|_| state.unreported > 0);
        let next_line = state.next_line.filter(|_| state.unlogged > 0);
        drop(state);
        if let Some(count) = event {
            (self.event)(count, last.clone());
        }
        if let Some(total) = line {
            (self.line)(total, last);
        }
        next_event.into_iter().chain(next_line).min()
    }
}

impl<L: Clone + Send + 'static> Tell for Losses<L> {
    fn tell(&self, now: Instant, end: bool) -> Option<Instant> {
        // Losses that are counted after this and not reported at once register themselves again.
        self.lock().waits = false;
        let again = self.look(now, end);
        if again.is_some() && std::mem::replace(&mut self.lock().waits, true) {
            return None;
        }
        again
    }
}

#[cfg(test)]
mod tests;
