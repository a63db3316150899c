//! What waits to be written to one connection.

use std::{collections::VecDeque, sync::Arc};

use amop_proto::{
    channel::Frame,
    node::{LinkQueue, Piece},
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// How the holder of the lock reaches a connection's task.
#[derive(Debug)]
pub(crate) struct Signals {
    /// There is something to write, or this was the last of it.
    pub(crate) write: Notify,
    /// The connection is to be closed.
    pub(crate) close: CancellationToken,
    /// Whether to stop reading.
    pub(crate) paused: watch::Sender<bool>,
}

/// Where frames wait for their turn.
pub(crate) trait Queue: Default {
    type Item;

    fn is_empty(&self) -> bool;
    /// What is to be written next. `spare` is empty; what is put in next may use its memory.
    fn take(&mut self, spare: VecDeque<Self::Item>) -> VecDeque<Self::Item>;
    /// It is empty, and may be for long: gives memory back.
    fn rest(&mut self);
}

/// Frames in their order.
impl Queue for VecDeque<Frame> {
    type Item = Frame;

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }

    fn take(&mut self, spare: VecDeque<Frame>) -> VecDeque<Frame> {
        std::mem::replace(self, spare)
    }

    fn rest(&mut self) {
        *self = Self::new();
    }
}

impl Queue for LinkQueue {
    type Item = Piece;

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }

    fn take(&mut self, spare: VecDeque<Piece>) -> VecDeque<Piece> {
        self.take_into(spare)
    }

    fn rest(&mut self) {
        Self::rest(self);
    }
}

/// What waits to be written to one connection. The machine holds its length against a limit.
#[derive(Debug)]
pub(crate) struct Outbox<Q, R> {
    queue: Q,
    close: Option<R>,
    /// Nothing is to be written after what is queued.
    last: bool,
    /// Frames may share a TLS record.
    pub(crate) coalesce: bool,
    /// The writer has been woken and has not come yet.
    woken: bool,
    pub(crate) signals: Arc<Signals>,
}

/// What a writer takes.
#[derive(Debug)]
pub(crate) struct Taken<F> {
    pub(crate) frames: VecDeque<F>,
    /// Nothing follows.
    pub(crate) last: bool,
    pub(crate) coalesce: bool,
}

impl<Q: Queue, R> Outbox<Q, R> {
    pub(crate) fn new(coalesce: bool) -> Self {
        Self {
            queue: Q::default(),
            close: None,
            last: false,
            coalesce,
            woken: false,
            signals: Arc::new(Signals {
                write: Notify::new(),
                close: CancellationToken::new(),
                paused: watch::Sender::new(false),
            }),
        }
    }

    /// The queue, into which something is put at once.
    pub(crate) fn filling(&mut self, wake: &mut Vec<Arc<Signals>>) -> &mut Q {
        self.wake(wake);
        &mut self.queue
    }

    /// The queue, of which something else is set.
    pub(crate) fn queue(&mut self) -> &mut Q {
        &mut self.queue
    }

    /// Closes the connection after what is queued.
    pub(crate) fn close(&mut self, reason: R) {
        self.close.get_or_insert(reason);
        self.signals.close.cancel();
    }

    /// Why the machine closed the connection, if it did.
    pub(crate) fn close_reason(&mut self) -> Option<R> {
        self.close.take()
    }

    /// Lets the writer end after what is queued.
    pub(crate) fn finish(&mut self) {
        self.last = true;
        self.signals.write.notify_one();
    }

    fn wake(&mut self, wake: &mut Vec<Arc<Signals>>) {
        if !self.woken {
            self.woken = true;
            wake.push(self.signals.clone());
        }
    }

    /// Takes what is to be written next; `None` if there is nothing. `spare` is what was taken before, written.
    pub(crate) fn take(&mut self, spare: VecDeque<Q::Item>) -> Option<Taken<Q::Item>> {
        if self.queue.is_empty() && !self.last {
            self.woken = false;
            self.queue.rest();
            return None;
        }
        let frames = self.queue.take(spare);
        Some(Taken {
            frames,
            last: self.last && self.queue.is_empty(),
            coalesce: self.coalesce,
        })
    }
}
