//! Limits how far a publisher may be ahead of its subscribers, so that no system has to drop
//! messages.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use tokio::sync::{Notify, Semaphore};

/// How long nothing may arrive before messages count as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// A window over messages: arriving messages open it. It is the same for every system and costs no
/// traffic, because publisher and subscribers share the process.
#[derive(Debug)]
pub struct Gate {
    window: Semaphore,
    subscribers: u64,
    sent: AtomicU64,
    delivered: AtomicU64,
    arrived: Notify,
    last: Mutex<Option<Instant>>,
    /// The value of `delivered` when the last message has arrived; 0 while the publisher goes on.
    expected: AtomicU64,
}

impl Gate {
    /// Creates a gate. Each message opens it for another one when it has reached `subscribers`.
    pub fn new(window: usize, subscribers: usize) -> Self {
        Self {
            window: Semaphore::new(window),
            subscribers: subscribers as u64,
            sent: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            arrived: Notify::new(),
            last: Mutex::new(None),
            expected: AtomicU64::new(0),
        }
    }

    /// Waits until another message may be sent; returns `false` once enough were sent.
    pub async fn enter(&self) -> bool {
        match self.window.acquire().await {
            Ok(permit) => {
                permit.forget();
                self.sent.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(_) => false,
        }
    }

    /// Records that a message has reached one subscriber.
    pub fn delivered(&self) {
        let delivered = self.delivered.fetch_add(1, Ordering::SeqCst) + 1;
        if delivered.is_multiple_of(self.subscribers) {
            self.window.add_permits(1);
        }
        if delivered == self.expected.load(Ordering::SeqCst) {
            *self.last.lock().unwrap() = Some(Instant::now());
            self.arrived.notify_one();
        }
    }

    /// Closes the gate, so that no more messages are sent.
    pub fn close(&self) {
        self.window.close();
    }

    /// Returns the number of deliveries so far.
    pub fn count(&self) -> u64 {
        self.delivered.load(Ordering::SeqCst)
    }

    /// Waits until everything sent has arrived, and returns when that was. All publishers must have
    /// returned before.
    pub async fn settle(&self) -> Result<Instant> {
        let expected = self.sent.load(Ordering::SeqCst) * self.subscribers;
        self.expected.store(expected, Ordering::SeqCst);
        let mut count = self.count();
        while count < expected {
            let waited = tokio::time::timeout(PATIENCE, self.arrived.notified()).await;
            let now = self.count();
            if waited.is_err() && now == count {
                bail!("{} of {expected} deliveries were lost", expected - count);
            }
            count = now;
        }
        if count > expected {
            bail!("{count} deliveries of {expected}: some came twice");
        }
        Ok(self.last.lock().unwrap().unwrap_or_else(Instant::now))
    }
}
