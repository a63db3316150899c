//! Whether a node that somebody waits for is alive.
//!
//! An idle session learns it by heartbeats, which are rare. A request that waits does not wait for the next
//! one: the session asks the node as soon as the node has sent nothing for a while, and gives it up early enough to ask
//! another node instead.

use std::time::{Duration, Instant};

use crate::channel::Seq;

/// A node gets one more second to answer for so many bytes that it was sent meanwhile: on a slow line they
/// wait somewhere in between, and the question behind them.
const BYTES_PER_SECOND: usize = 64 * 1024;

/// More than this gives no more time, so that another node can be asked before a message is given up. While
/// the transport still takes bytes of a longer message, that is a sign of life each time; what it has taken
/// at the end and not yet passed on is about what the line holds.
const MAX_BYTES: usize = 192 * 1024;

#[derive(Debug, Default)]
pub(super) struct Liveness {
    /// Since when somebody waits.
    waiting: Option<Instant>,
    /// When the node was asked.
    probed: Option<Instant>,
    /// What it was asked by, if not by a heartbeat.
    seq: Option<Seq>,
    /// Bytes sent since the node last answered something.
    unanswered: usize,
}

impl Liveness {
    /// The node showed a sign of life.
    pub(super) fn heard(&mut self) {
        self.probed = None;
    }

    /// The node answered something: what was sent before is not under way any more.
    pub(super) fn answered(&mut self) {
        self.unanswered = 0;
    }

    /// Bytes were sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.unanswered = self.unanswered.saturating_add(bytes);
    }

    /// Somebody waits for the node.
    pub(super) fn waits(&mut self, now: Instant) {
        self.waiting.get_or_insert(now);
    }

    /// Nobody does any more.
    pub(super) fn rest(&mut self) {
        self.waiting = None;
        self.probed = None;
    }

    /// The node was asked for a sign of life.
    pub(super) fn probed(&mut self, now: Instant, seq: Option<Seq>) {
        self.probed = Some(now);
        self.seq = seq;
    }

    /// Whether that is the answer to the question.
    pub(super) fn is_answer(&self, seq: &Seq) -> bool {
        self.seq.as_ref() == Some(seq)
    }

    /// When to ask.
    pub(super) fn probe_at(&self, heard: Instant, patience: Duration) -> Option<Instant> {
        let since = self.waiting.filter(|_| self.probed.is_none())?;
        Some(since.max(heard) + patience)
    }

    /// When a node that was asked counts as dead.
    pub(super) fn silent_at(&self, patience: Duration) -> Option<Instant> {
        let bytes = self.unanswered.min(MAX_BYTES);
        let more = Duration::from_secs_f64(bytes as f64 / BYTES_PER_SECOND as f64);
        Some(self.probed? + patience + more)
    }
}
