//! What waits to be written to one connection.

use std::{collections::VecDeque, sync::Arc};

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

/// What waits to be written to one connection. The machine holds its length against a limit.
#[derive(Debug)]
pub(crate) struct Outbox<F, R> {
    frames: VecDeque<F>,
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

impl<F, R> Outbox<F, R> {
    pub(crate) fn new(coalesce: bool) -> Self {
        Self {
            frames: VecDeque::new(),
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

    pub(crate) fn push(&mut self, frame: F, wake: &mut Vec<Arc<Signals>>) {
        self.frames.push_back(frame);
        self.wake(wake);
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

    /// Takes everything; `None` if there is nothing.
    pub(crate) fn take(&mut self) -> Option<Taken<F>> {
        self.woken = false;
        if self.frames.is_empty() && !self.last {
            return None;
        }
        Some(Taken {
            frames: std::mem::take(&mut self.frames),
            last: self.last,
            coalesce: self.coalesce,
        })
    }
}
