//! The bounded queue between a connection and one subscription.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use amop_proto::{
    TopicName,
    channel::Seq,
    client::{Kind, Push},
};
use bytes::Bytes;

use crate::{connection::Connection, quiet::Quiet};

/// A message that waits for the program.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) kind: Kind,
    pub(crate) seq: Seq,
    pub(crate) topic: TopicName,
    pub(crate) payload: Bytes,
    /// Where it came from and where its answer goes.
    pub(crate) connection: Connection,
}

impl Incoming {
    pub(crate) fn new(push: Push, connection: Connection) -> Self {
        Self {
            kind: push.kind,
            seq: push.seq,
            topic: push.topic,
            payload: push.payload,
            connection,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Queue {
    capacity: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    items: VecDeque<Incoming>,
    waker: Option<Waker>,
    closed: bool,
    lagged: u64,
    quiet: Quiet,
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            inner: Mutex::new(Inner {
                items: VecDeque::new(),
                waker: None,
                closed: false,
                lagged: 0,
                quiet: Quiet::default(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message, or gives it back if there is no room.
    pub(crate) fn push(&self, incoming: Incoming) -> Result<(), Incoming> {
        let mut inner = self.lock();
        if inner.closed || inner.items.len() >= self.capacity {
            return Err(incoming);
        }
        inner.items.push_back(incoming);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Counts a message that was turned away for want of room. Now and then the log is due: the
    /// total is returned then.
    pub(crate) fn count_lagged(&self) -> Option<u64> {
        let mut inner = self.lock();
        inner.lagged += 1;
        let total = inner.lagged;
        inner.quiet.is_over().then_some(total)
    }

    pub(crate) fn lagged(&self) -> u64 {
        self.lock().lagged
    }

    pub(crate) fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        // A subscriber that always finds a message would otherwise never let other tasks run.
        let budget = ready!(tokio::task::coop::poll_proceed(cx));
        let mut inner = self.lock();
        if let Some(incoming) = inner.items.pop_front() {
            budget.made_progress();
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

    /// Takes no more messages; those that are there can still be taken.
    pub(crate) fn close(&self) {
        self.close_and(|_| ());
    }

    /// As [`close`](Self::close), and takes out the unicasts: their answers could not be sent.
    pub(crate) fn close_without_unicasts(&self) {
        let _dropped = self.close_and(|items| {
            let (kept, dropped) = items
                .drain(..)
                .partition(|incoming| incoming.kind == Kind::Multicast);
            *items = kept;
            dropped
        });
    }

    /// As [`close`](Self::close), and takes everything out.
    pub(crate) fn close_and_drain(&self) -> VecDeque<Incoming> {
        self.close_and(std::mem::take)
    }

    fn close_and<R>(&self, action: impl FnOnce(&mut VecDeque<Incoming>) -> R) -> R
    where
        R: Default,
    {
        let mut inner = self.lock();
        inner.closed = true;
        let result = action(&mut inner.items);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }
}
