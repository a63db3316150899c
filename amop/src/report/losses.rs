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
mod tests {
    use super::*;

    /// The reports so far: the counts in events, and the totals in log lines.
    type Told = Arc<Mutex<(Vec<u64>, Vec<u64>)>>;

    fn losses(later: &Arc<Later>) -> (Arc<Losses<()>>, Told) {
        let told = Told::default();
        let (by_event, by_line) = (Arc::clone(&told), Arc::clone(&told));
        let losses = Losses::new(
            later,
            move |count, ()| by_event.lock().unwrap().0.push(count),
            move |total, ()| by_line.lock().unwrap().1.push(total),
        );
        (losses, told)
    }

    #[tokio::test(start_paused = true)]
    async fn the_tail_of_a_burst_is_told_though_nothing_follows() {
        let later = Arc::new(Later::default());
        let (losses, told) = losses(&later);
        for _ in 0..3976 {
            losses.count(());
        }
        assert_eq!(*told.lock().unwrap(), (vec![1], vec![1]));
        let run = async { later.run().await };
        assert!(tokio::time::timeout(EVENTS * 2, run).await.is_err());
        assert_eq!(*told.lock().unwrap(), (vec![1, 3975], vec![1]));
        let run = async { later.run().await };
        assert!(tokio::time::timeout(LINES, run).await.is_err());
        assert_eq!(*told.lock().unwrap(), (vec![1, 3975], vec![1, 3976]));
        assert!(later.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn losses_without_end_are_told_of_once_a_second() {
        let later = Arc::new(Later::default());
        let (losses, told) = losses(&later);
        let lose = async {
            for _ in 0..100 {
                losses.count(());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            _ = later.run() => {}
            () = lose => {}
        }
        later.finish();
        let (events, lines) = told.lock().unwrap().clone();
        assert_eq!(events.iter().sum::<u64>(), 100);
        assert!((10..=12).contains(&events.len()), "{events:?}");
        assert!((2..=3).contains(&lines.len()), "{lines:?}");
        assert_eq!(lines.last(), Some(&100));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_tells_everything_and_who_is_gone_is_forgotten() {
        let later = Arc::new(Later::default());
        let (losses, told) = losses(&later);
        for _ in 0..5 {
            losses.count(());
        }
        losses.finish();
        assert_eq!(*told.lock().unwrap(), (vec![1, 4], vec![1, 5]));
        drop(losses);
        later.finish();
        assert_eq!(*told.lock().unwrap(), (vec![1, 4], vec![1, 5]));
        assert!(later.lock().is_empty());
    }
}
