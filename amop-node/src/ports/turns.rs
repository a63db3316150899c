//! Whose handshake is worked on next: a few at a time, and each source in turn.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::sync::oneshot;

use amop_proto::admission::Source;

/// The origin of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    /// A handshake of a connection that this node dialled.
    Here,
    /// A handshake from the address of a configured peer: it is expected, but not authenticated
    /// until it completes.
    Peer(Source),
    Stranger(Source),
}

impl Caller {
    fn is_expected(self) -> bool {
        !matches!(self, Self::Stranger(_))
    }
}

/// Waiting items; the sources take turns.
#[derive(Debug)]
struct SourceRound<T> {
    sources: HashMap<Caller, VecDeque<T>>,
    /// The sources with waiting items, each once.
    order: VecDeque<Caller>,
}

impl<T> SourceRound<T> {
    fn new() -> Self {
        Self {
            sources: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    fn push(&mut self, source: Caller, item: T) {
        let waiting = self.sources.entry(source).or_default();
        if waiting.is_empty() {
            self.order.push_back(source);
        }
        waiting.push_back(item);
    }

    fn pop(&mut self) -> Option<T> {
        let source = self.order.pop_front()?;
        let waiting = self.sources.get_mut(&source)?;
        let item = waiting.pop_front();
        if waiting.is_empty() {
            self.sources.remove(&source);
        } else {
            self.order.push_back(source);
        }
        item
    }
}

/// The waiting items in the order of their turns: expected and unexpected ones alternate.
#[derive(Debug)]
struct HandshakeQueue<T> {
    expected: SourceRound<T>,
    strangers: SourceRound<T>,
    /// Whether the last turn was for an expected one.
    last_expected: bool,
}

impl<T> HandshakeQueue<T> {
    fn new() -> Self {
        Self {
            expected: SourceRound::new(),
            strangers: SourceRound::new(),
            last_expected: false,
        }
    }

    fn push(&mut self, source: Caller, item: T) {
        match source.is_expected() {
            true => self.expected.push(source, item),
            false => self.strangers.push(source, item),
        }
    }

    fn pop(&mut self) -> Option<T> {
        let (expected, strangers) = (&mut self.expected, &mut self.strangers);
        let (first, second) = match self.last_expected {
            true => (strangers, expected),
            false => (expected, strangers),
        };
        if let Some(item) = first.pop() {
            self.last_expected = !self.last_expected;
            return Some(item);
        }
        second.pop()
    }
}

/// Hands out turns.
#[derive(Debug, Clone)]
pub(crate) struct HandshakeTurns(Arc<Mutex<TurnsState>>);

#[derive(Debug)]
struct TurnsState {
    free: usize,
    queue: HandshakeQueue<oneshot::Sender<HandshakeTurn>>,
}

/// The right to work now. Dropping it lets the next one work.
#[derive(Debug)]
struct HandshakeTurn(Option<HandshakeTurns>);

impl HandshakeTurns {
    /// Creates turns for `at_a_time` handshakes at once. This should be enough that the runtime's
    /// delay between two of them does not matter, and few enough that the order is that of the
    /// queue.
    pub(crate) fn new(at_a_time: usize) -> Self {
        Self(Arc::new(Mutex::new(TurnsState {
            free: at_a_time,
            queue: HandshakeQueue::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, TurnsState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, source: Caller) -> oneshot::Receiver<HandshakeTurn> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        state.queue.push(source, sender);
        let free = state.free.checked_sub(1);
        state.free = free.unwrap_or(0);
        drop(state);
        if free.is_some() {
            self.next();
        }
        receiver
    }

    /// Gives a turn that was taken back or has ended to the next caller that still wants it.
    fn next(&self) {
        loop {
            let mut state = self.lock();
            let Some(sender) = state.queue.pop() else {
                state.free += 1;
                return;
            };
            drop(state);
            match sender.send(HandshakeTurn(Some(self.clone()))) {
                Ok(()) => return,
                // This caller is gone. Do not use the turn's drop here: it would call this function
                // again.
                Err(mut turn) => drop(turn.0.take()),
            }
        }
    }

    /// Polls a future only in turns of a source. Calls `told` when it starts to wait for a turn,
    /// and when it waits for something else.
    pub(crate) fn take<F>(
        &self,
        source: Caller,
        told: impl FnMut(Waits) + Unpin,
        future: F,
    ) -> impl Future<Output = F::Output>
    where
        F: Future,
    {
        InTurns {
            turns: self.clone(),
            source,
            told,
            asked: None,
            future: Box::pin(future),
        }
    }
}

impl Drop for HandshakeTurn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.next();
        }
    }
}

/// The thing that a future waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// Its turn.
    Turn,
    /// The other side.
    Other,
}

struct InTurns<F, T> {
    turns: HandshakeTurns,
    source: Caller,
    told: T,
    asked: Option<oneshot::Receiver<HandshakeTurn>>,
    future: Pin<Box<F>>,
}

impl<F: Future, T: FnMut(Waits) + Unpin> Future for InTurns<F, T> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        if this.asked.is_none() {
            (this.told)(Waits::Turn);
        }
        let asked = this
            .asked
            .get_or_insert_with(|| this.turns.ask(this.source));
        // The sender is never dropped before it gives a turn.
        let turn = ready!(Pin::new(asked).poll(cx));
        this.asked = None;
        let polled = this.future.as_mut().poll(cx);
        drop(turn);
        (this.told)(Waits::Other);
        polled
    }
}

#[cfg(test)]
mod tests;
