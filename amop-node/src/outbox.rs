//! The frames that wait to be written to one connection.

use std::{collections::VecDeque, sync::Arc};

use amop_proto::{
    channel::Frame,
    node::{LinkQueue, Piece},
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// The most frames for which room is made in advance.
const MOST_EXPECTED: usize = 64;

/// The signals by which the holder of the lock reaches a connection's task.
#[derive(Debug)]
pub(crate) struct Signals {
    /// Notified when there is something to write, or nothing more will come.
    pub(crate) write: Notify,
    /// Cancelled when the connection must be closed.
    pub(crate) close: CancellationToken,
    /// Whether to pause reading.
    pub(crate) paused: watch::Sender<bool>,
}

/// A queue of frames that wait to be written.
pub(crate) trait OutboxQueue: Default {
    type Item;

    fn is_empty(&self) -> bool;
    /// Takes the frames to write next. `spare` is empty; the queue may use its memory for later
    /// frames.
    fn take(&mut self, spare: VecDeque<Self::Item>) -> VecDeque<Self::Item>;
    /// Gives memory back: the queue is empty, and may stay empty for long.
    fn rest(&mut self);
    /// Makes room for about this many frames, so that they are not moved as more are added.
    fn expect(&mut self, frames: usize);
}

/// A queue that keeps frames in order.
impl OutboxQueue for VecDeque<Frame> {
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

    fn expect(&mut self, frames: usize) {
        self.reserve(frames);
    }
}

impl OutboxQueue for LinkQueue {
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

    fn expect(&mut self, frames: usize) {
        Self::expect(self, frames);
    }
}

/// The frames that wait to be written to one connection. The machine checks their length against a
/// limit.
#[derive(Debug)]
pub(crate) struct Outbox<Q, R> {
    queue: Q,
    close: Option<R>,
    /// Whether nothing may be written after the queued frames.
    last: bool,
    /// Whether frames may share a TLS record.
    pub(crate) coalesce: bool,
    /// Whether the writer has been woken and has not come yet.
    woken: bool,
    /// The number of frames that the writer took last.
    taken: usize,
    pub(crate) signals: Arc<Signals>,
}

/// The frames that a writer takes.
#[derive(Debug)]
pub(crate) struct WriteBatch<F> {
    pub(crate) frames: VecDeque<F>,
    /// Whether nothing follows.
    pub(crate) last: bool,
    pub(crate) coalesce: bool,
}

impl<Q: OutboxQueue, R> Outbox<Q, R> {
    pub(crate) fn new(coalesce: bool) -> Self {
        Self {
            queue: Q::default(),
            close: None,
            last: false,
            coalesce,
            woken: false,
            taken: 0,
            signals: Arc::new(Signals {
                write: Notify::new(),
                close: CancellationToken::new(),
                paused: watch::Sender::new(false),
            }),
        }
    }

    /// Returns the queue, to put something into it now. Wakes the writer.
    pub(crate) fn filling(&mut self, wake: &mut Vec<Arc<Signals>>) -> &mut Q {
        self.wake(wake);
        &mut self.queue
    }

    /// Returns the queue, to change other settings.
    pub(crate) fn queue(&mut self) -> &mut Q {
        &mut self.queue
    }

    /// Closes the connection after the queued frames.
    pub(crate) fn close(&mut self, reason: R) {
        self.close.get_or_insert(reason);
        self.signals.close.cancel();
    }

    /// Returns why the machine closed the connection, if it did.
    pub(crate) fn close_reason(&mut self) -> Option<R> {
        self.close.take()
    }

    /// Lets the writer end after the queued frames.
    pub(crate) fn finish(&mut self) {
        self.last = true;
        self.signals.write.notify_one();
    }

    fn wake(&mut self, wake: &mut Vec<Arc<Signals>>) {
        if !self.woken {
            self.woken = true;
            self.queue.expect(self.taken.min(MOST_EXPECTED));
            wake.push(self.signals.clone());
        }
    }

    /// Takes the frames to write next; `None` if there are none. `spare` is the queue taken before,
    /// now written and empty.
    pub(crate) fn take(&mut self, spare: VecDeque<Q::Item>) -> Option<WriteBatch<Q::Item>> {
        if self.queue.is_empty() && !self.last {
            self.woken = false;
            self.queue.rest();
            return None;
        }
        let frames = self.queue.take(spare);
        self.taken = frames.len();
        Some(WriteBatch {
            frames,
            last: self.last && self.queue.is_empty(),
            coalesce: self.coalesce,
        })
    }
}
