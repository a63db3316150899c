//! The bounded queue between the connections and one subscription.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use amop_proto::{
    TopicName,
    channel::Seq,
    client::{Kind, Push},
};
use bytes::Bytes;
use tokio::sync::watch;

use crate::{Overflow, connection::Connection, later::Losses};

/// Bytes of payload in one queue. An empty queue takes any message.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// A message that waits for the program.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) kind: Kind,
    pub(crate) seq: Seq,
    pub(crate) topic: TopicName,
    pub(crate) payload: Bytes,
    /// Where it came from and where its answer goes.
    pub(crate) connection: Connection,
    /// When it came.
    pub(crate) at: Instant,
    /// How long its node waits for an answer.
    pub(crate) answer_within: Duration,
}

impl Incoming {
    pub(crate) fn new(
        push: Push,
        connection: Connection,
        at: Instant,
        answer_within: Duration,
    ) -> Self {
        Self {
            kind: push.kind,
            seq: push.seq,
            topic: push.topic,
            payload: push.payload,
            connection,
            at,
            answer_within,
        }
    }
}

/// What a subscription's queue has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SubscriptionStats {
    /// Messages that were put into the queue.
    pub received: u64,
    /// Multicasts that are lost because the queue was full.
    pub dropped: u64,
    /// Unicasts that were refused because the queue was full, or because what was in it had not been read for
    /// as long as a node waits (5 s); the node tried another subscriber.
    pub refused: u64,
    /// Messages that a connection held back until there was room ([`Overflow::Block`]).
    pub blocked: u64,
    /// Messages in the queue now.
    pub waiting: usize,
}

#[derive(Debug)]
pub(crate) struct Queue {
    capacity: usize,
    overflow: Overflow,
    inner: Mutex<Inner>,
    /// Counts what is taken out, for those who wait for the queue to be empty.
    taken: watch::Sender<()>,
    /// What is told of messages that were turned away.
    losses: Arc<Losses<(Kind, Seq)>>,
}

#[derive(Debug, Default)]
struct Inner {
    items: VecDeque<Incoming>,
    bytes: usize,
    waker: Option<Waker>,
    closed: bool,
    /// It is being unsubscribed: nothing is held back for it any more.
    leaving: bool,
    /// Connections that wait for room.
    blocked: Vec<Connection>,
    stats: SubscriptionStats,
}

impl Inner {
    fn has_room(&self, capacity: usize, len: usize) -> bool {
        self.items.is_empty()
            || (self.items.len() < capacity && self.bytes.saturating_add(len) <= MAX_BYTES)
    }

    fn block(&mut self, connection: &Connection, held: bool) {
        if !held {
            self.stats.blocked += 1;
        }
        if !self.blocked.contains(connection) {
            self.blocked.push(connection.clone());
        }
    }

    /// Whether a unicast would find nobody: what has waited longest has waited for as long as a node does.
    /// Another subscriber may be there for it.
    fn is_unread(&self, incoming: &Incoming) -> bool {
        let oldest = self.items.front();
        incoming.kind == Kind::Unicast
            && oldest.is_some_and(|oldest| oldest.at + oldest.answer_within <= incoming.at)
    }

    fn pop(&mut self) -> Option<Incoming> {
        let incoming = self.items.pop_front()?;
        self.bytes -= incoming.payload.len();
        Some(incoming)
    }

    fn put(&mut self, incoming: Incoming) {
        self.stats.received += 1;
        self.bytes += incoming.payload.len();
        self.items.push_back(incoming);
    }
}

/// What became of a message that was put into a queue.
#[derive(Debug)]
pub(crate) enum Pushed {
    /// The queue has it. These made room for it.
    Taken(Vec<Incoming>),
    /// It does not.
    Left(Incoming, Why),
}

/// Why a queue did not take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It is turned away.
    Full,
    /// Its connection must wait.
    Blocked,
    /// The queue is closed.
    Closed,
}

impl Queue {
    pub(crate) fn new(
        capacity: usize,
        overflow: Overflow,
        losses: Arc<Losses<(Kind, Seq)>>,
    ) -> Self {
        Self {
            capacity,
            overflow,
            inner: Mutex::default(),
            taken: watch::Sender::new(()),
            losses,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is no room for a message.
    pub(crate) fn is_full(&self, incoming: &Incoming) -> bool {
        !self.lock().has_room(self.capacity, incoming.payload.len())
    }

    /// Whether a message must wait for room, its connection with it. Until that thread comes again,
    /// a queue that does not block has room: others only take from it.
    pub(crate) fn blocks(&self, incoming: &Incoming, held: bool) -> bool {
        let mut inner = self.lock();
        if self.overflow != Overflow::Block
            || inner.leaving
            || inner.closed
            || inner.has_room(self.capacity, incoming.payload.len())
        {
            return false;
        }
        inner.block(&incoming.connection, held);
        true
    }

    /// Queues a message. One that was `held` back once is taken in any case when the queue is about to
    /// be unsubscribed, because it had arrived before.
    pub(crate) fn push(&self, incoming: Incoming, held: bool) -> Pushed {
        let mut inner = self.lock();
        if inner.closed {
            return Pushed::Left(incoming, Why::Closed);
        }
        // A queue that blocks turns nothing away.
        if self.overflow != Overflow::Block && inner.is_unread(&incoming) {
            return Pushed::Left(incoming, Why::Full);
        }
        let mut evicted = Vec::new();
        let len = incoming.payload.len();
        while !(inner.has_room(self.capacity, len) || held && inner.leaving) {
            match self.overflow {
                Overflow::DropOldest => evicted.extend(inner.pop()),
                Overflow::Block if !inner.leaving => {
                    inner.block(&incoming.connection, held);
                    return Pushed::Left(incoming, Why::Blocked);
                }
                Overflow::DropNewest | Overflow::Block => {
                    return Pushed::Left(incoming, Why::Full);
                }
            }
        }
        inner.put(incoming);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        Pushed::Taken(evicted)
    }

    /// Counts a message that was turned away, and tells of it.
    pub(crate) fn count_loss(&self, kind: Kind, seq: Seq) {
        let mut inner = self.lock();
        match kind {
            Kind::Unicast => inner.stats.refused += 1,
            Kind::Multicast => inner.stats.dropped += 1,
        }
        drop(inner);
        self.losses.count((kind, seq));
    }

    /// Tells of all losses: there will be no more.
    pub(crate) fn tell_losses(&self) {
        self.losses.finish();
    }

    /// Whether the program waits for the next message.
    pub(crate) fn is_awaited(&self) -> bool {
        self.lock().waker.is_some()
    }

    pub(crate) fn stats(&self) -> SubscriptionStats {
        let inner = self.lock();
        SubscriptionStats {
            waiting: inner.items.len(),
            ..inner.stats
        }
    }

    pub(crate) fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        // A subscriber that always finds a message would otherwise never let other tasks run.
        let budget = ready!(tokio::task::coop::poll_proceed(cx));
        let mut inner = self.lock();
        if let Some(incoming) = inner.pop() {
            let blocked = std::mem::take(&mut inner.blocked);
            drop(inner);
            budget.made_progress();
            self.tell_taken();
            Connection::wake_all(blocked);
            return Poll::Ready(Some(incoming));
        }
        if inner.closed {
            budget.made_progress();
            return Poll::Ready(None);
        }
        if !inner
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            inner.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Whoever waits looked at the queue after asking to be told, so nobody misses anything.
    fn tell_taken(&self) {
        if self.taken.receiver_count() > 0 {
            self.taken.send_replace(());
        }
    }

    /// Waits until everything is taken out.
    pub(crate) async fn emptied(&self) {
        let mut taken = self.taken.subscribe();
        while !self.lock().items.is_empty() {
            // The sender lives in `self`.
            let _ = taken.changed().await;
        }
    }

    /// Holds nothing back any more. Returns the connections that must be woken, outside of locks.
    pub(crate) fn leave(&self) -> Vec<Connection> {
        let mut inner = self.lock();
        inner.leaving = true;
        std::mem::take(&mut inner.blocked)
    }

    /// Takes no more messages; those that are there can still be taken.
    pub(crate) fn close(&self) -> Vec<Connection> {
        self.close_and_retain(|_| true).1
    }

    /// As [`close`](Self::close), and takes out the unicasts: their answers could not be sent.
    pub(crate) fn close_without_unicasts(&self) {
        self.close_and_retain(|incoming| incoming.kind == Kind::Multicast);
    }

    /// As [`close`](Self::close), and takes everything out.
    pub(crate) fn close_and_drain(&self) -> (Vec<Incoming>, Vec<Connection>) {
        self.close_and_retain(|_| false)
    }

    /// Takes out what `keep` does not want, in order.
    pub(crate) fn retain(&self, keep: impl FnMut(&Incoming) -> bool) -> Vec<Incoming> {
        let taken = retain(&mut self.lock(), keep);
        self.tell_taken();
        taken
    }

    fn close_and_retain(
        &self,
        keep: impl FnMut(&Incoming) -> bool,
    ) -> (Vec<Incoming>, Vec<Connection>) {
        let mut inner = self.lock();
        inner.closed = true;
        let taken = retain(&mut inner, keep);
        let waker = inner.waker.take();
        let blocked = std::mem::take(&mut inner.blocked);
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        self.tell_taken();
        (taken, blocked)
    }
}

fn retain(inner: &mut Inner, mut keep: impl FnMut(&Incoming) -> bool) -> Vec<Incoming> {
    let (kept, taken) = inner.items.drain(..).partition(|incoming| keep(incoming));
    inner.items = kept;
    inner.bytes = inner.items.iter().map(|item| item.payload.len()).sum();
    Vec::from(taken as VecDeque<Incoming>)
}
