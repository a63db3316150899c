//! The bounded queue between the connections and one subscription.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Instant,
};

use amop_proto::{channel::Seq, client::MessageKind};
use tokio::sync::watch;

use super::{
    incoming::Incoming,
    reply_path::{ReplyPath, wake_all},
    stats::SubscriptionStats,
};
use crate::{
    OverflowPolicy,
    report::{ClientCounters, Losses},
};

/// The most bytes of payload in one queue. An empty queue takes any message.
const MAX_BYTES: usize = 256 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct DeliveryQueue {
    capacity: usize,
    overflow: OverflowPolicy,
    inner: Mutex<QueueState>,
    /// Notified when a message is taken out, for tasks that wait until the queue is empty.
    taken: watch::Sender<()>,
    /// Reports messages that were turned away.
    losses: Arc<Losses<(MessageKind, Seq)>>,
    counters: Arc<ClientCounters>,
}

#[derive(Debug, Default)]
struct QueueState {
    items: VecDeque<Incoming>,
    bytes: usize,
    waker: Option<Waker>,
    closed: bool,
    /// It is being unsubscribed: connections do not wait for it any more.
    leaving: bool,
    /// Connections that wait for room.
    blocked: Vec<Arc<dyn ReplyPath>>,
    stats: SubscriptionStats,
}

impl QueueState {
    fn has_room(&self, capacity: usize, len: usize) -> bool {
        self.items.is_empty()
            || (self.items.len() < capacity && self.bytes.saturating_add(len) <= MAX_BYTES)
    }

    fn block(&mut self, path: &Arc<dyn ReplyPath>, held: bool) {
        if !held {
            self.stats.blocked += 1;
        }
        if !self.blocked.contains(path) {
            self.blocked.push(Arc::clone(path));
        }
    }

    /// Returns whether a unicast should be refused because the program does not read the queue: its
    /// oldest message has waited as long as a node waits for an answer. Another subscriber may take
    /// the unicast.
    fn is_unread(&self, incoming: &Incoming) -> bool {
        let oldest = self.items.front();
        incoming.kind == MessageKind::Unicast
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

/// The result of putting a message into a queue.
#[derive(Debug)]
pub(crate) enum Pushed {
    /// The queue has it. The messages in the list were removed to make room.
    Taken(Vec<Incoming>),
    /// The queue did not take it.
    Left(Incoming, NotQueued),
}

/// How a program uses its queue now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum QueueUse {
    /// It waits for the next message.
    Awaited,
    /// It has taken all messages, and does something else.
    Empty,
    /// Messages wait for it.
    Waiting {
        /// When the oldest one arrived.
        since: Instant,
    },
}

/// Why a queue did not take a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotQueued {
    /// The queue is full, and the message is turned away.
    Full,
    /// The queue is full, and the message's connection must wait.
    Blocked,
    /// The queue is closed.
    Closed,
}

impl DeliveryQueue {
    pub(crate) fn new(
        capacity: usize,
        overflow: OverflowPolicy,
        losses: Arc<Losses<(MessageKind, Seq)>>,
        counters: Arc<ClientCounters>,
    ) -> Self {
        Self {
            capacity,
            overflow,
            inner: Mutex::default(),
            taken: watch::Sender::new(()),
            losses,
            counters,
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether there is no room for a message.
    pub(crate) fn is_full(&self, incoming: &Incoming) -> bool {
        !self.lock().has_room(self.capacity, incoming.payload.len())
    }

    /// Returns whether a message, and its connection, must wait for room. If not, there is still
    /// room when the calling thread pushes the message, because other threads only take messages
    /// out.
    pub(crate) fn blocks(&self, incoming: &Incoming, held: bool) -> bool {
        let mut inner = self.lock();
        if self.overflow != OverflowPolicy::Block
            || inner.leaving
            || inner.closed
            || inner.has_room(self.capacity, incoming.payload.len())
        {
            return false;
        }
        inner.block(&incoming.reply_path, held);
        true
    }

    /// Queues a message. If it was `held` back before, a queue that is being unsubscribed takes it
    /// in any case, because it arrived before that.
    pub(crate) fn push(&self, incoming: Incoming, held: bool) -> Pushed {
        let mut inner = self.lock();
        if inner.closed {
            return Pushed::Left(incoming, NotQueued::Closed);
        }
        // A queue with the policy `Block` turns nothing away.
        if self.overflow != OverflowPolicy::Block && inner.is_unread(&incoming) {
            return Pushed::Left(incoming, NotQueued::Full);
        }
        let mut evicted = Vec::new();
        let len = incoming.payload.len();
        while !(inner.has_room(self.capacity, len) || held && inner.leaving) {
            match self.overflow {
                OverflowPolicy::DropOldest => evicted.extend(inner.pop()),
                OverflowPolicy::Block if !inner.leaving => {
                    inner.block(&incoming.reply_path, held);
                    return Pushed::Left(incoming, NotQueued::Blocked);
                }
                OverflowPolicy::DropNewest | OverflowPolicy::Block => {
                    return Pushed::Left(incoming, NotQueued::Full);
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

    /// Counts and reports a message that was turned away.
    pub(crate) fn count_loss(&self, kind: MessageKind, seq: Seq) {
        let mut inner = self.lock();
        match kind {
            MessageKind::Unicast => {
                inner.stats.refused += 1;
                self.counters.turned_away.one();
            }
            MessageKind::Multicast => {
                inner.stats.dropped += 1;
                self.counters.dropped.one();
            }
        }
        drop(inner);
        self.losses.count((kind, seq));
    }

    /// Reports all losses at once: there will be no more.
    pub(crate) fn tell_losses(&self) {
        self.losses.finish();
    }

    pub(crate) fn use_now(&self) -> QueueUse {
        let inner = self.lock();
        match inner.items.front() {
            Some(oldest) => QueueUse::Waiting { since: oldest.at },
            None if inner.waker.is_some() => QueueUse::Awaited,
            None => QueueUse::Empty,
        }
    }

    pub(crate) fn stats(&self) -> SubscriptionStats {
        let inner = self.lock();
        SubscriptionStats {
            waiting: inner.items.len(),
            ..inner.stats
        }
    }

    pub(crate) fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        // Without this, a subscriber that always finds a message would never let other tasks run.
        let budget = ready!(tokio::task::coop::poll_proceed(cx));
        let mut inner = self.lock();
        if let Some(incoming) = inner.pop() {
            let blocked = std::mem::take(&mut inner.blocked);
            drop(inner);
            budget.made_progress();
            self.tell_taken();
            wake_all(blocked);
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

    /// Notifies the tasks that wait until the queue is empty. They check the queue after they
    /// subscribe, so they miss nothing.
    fn tell_taken(&self) {
        if self.taken.receiver_count() > 0 {
            self.taken.send_replace(());
        }
    }

    /// Waits until all messages are taken out.
    pub(crate) async fn emptied(&self) {
        let mut taken = self.taken.subscribe();
        while !self.lock().items.is_empty() {
            // The sender lives in `self`.
            let _ = taken.changed().await;
        }
    }

    /// Marks the queue as leaving, so that connections do not wait for it. Returns the connections
    /// to wake, which must be done without a lock.
    pub(crate) fn leave(&self) -> Vec<Arc<dyn ReplyPath>> {
        let mut inner = self.lock();
        inner.leaving = true;
        std::mem::take(&mut inner.blocked)
    }

    /// Closes the queue: it accepts no more messages, and those in it can still be taken out.
    /// Returns the connections to wake.
    pub(crate) fn close(&self) -> Vec<Arc<dyn ReplyPath>> {
        self.close_and_retain(|_| true).1
    }

    /// As [`close`](Self::close), and removes the unicasts, because their answers could not be
    /// sent.
    pub(crate) fn close_without_unicasts(&self) {
        self.close_and_retain(|incoming| incoming.kind == MessageKind::Multicast);
    }

    /// As [`close`](Self::close), and removes all messages.
    pub(crate) fn close_and_drain(&self) -> (Vec<Incoming>, Vec<Arc<dyn ReplyPath>>) {
        self.close_and_retain(|_| false)
    }

    /// Removes and returns the messages for which `keep` is false, in their order.
    pub(crate) fn retain(&self, keep: impl FnMut(&Incoming) -> bool) -> Vec<Incoming> {
        let taken = retain(&mut self.lock(), keep);
        self.tell_taken();
        taken
    }

    fn close_and_retain(
        &self,
        keep: impl FnMut(&Incoming) -> bool,
    ) -> (Vec<Incoming>, Vec<Arc<dyn ReplyPath>>) {
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

fn retain(inner: &mut QueueState, mut keep: impl FnMut(&Incoming) -> bool) -> Vec<Incoming> {
    let (kept, taken) = inner.items.drain(..).partition(|incoming| keep(incoming));
    inner.items = kept;
    inner.bytes = inner.items.iter().map(|item| item.payload.len()).sum();
    Vec::from(taken as VecDeque<Incoming>)
}
