//! Finds out whether a node is alive while something waits for it.
//!
//! An idle session checks this with heartbeats, which are rare. A waiting request does not wait for
//! the next heartbeat: the session probes the node as soon as it has been silent for a while, and
//! gives it up early enough to ask another node instead.

use std::time::{Duration, Instant};

use crate::channel::Seq;

/// A node gets one more second to answer for this many bytes that it was sent meanwhile: on a slow
/// line these bytes are still on their way, and the probe is behind them.
const BYTES_PER_SECOND: usize = 64 * 1024;

/// More bytes than this give no more time, so that another node can be asked before a message is
/// given up. While the transport still accepts bytes of a longer message, each of these steps is a
/// sign of life. At the end, the bytes that it has accepted and not yet passed on are about as many
/// as the line holds.
const MAX_BYTES: usize = 192 * 1024;

#[derive(Debug, Default)]
pub(super) struct Liveness {
    /// Since when something waits for the node.
    waiting: Option<Instant>,
    /// When the node was probed.
    probed: Option<Instant>,
    /// The seq of the probe, if it was not a heartbeat.
    seq: Option<Seq>,
    /// Bytes sent since the node last answered a frame.
    unanswered: usize,
}

impl Liveness {
    /// Records a sign of life of the node.
    pub(super) fn heard(&mut self) {
        self.probed = None;
    }

    /// Records that the node answered a frame: bytes that were sent before have arrived.
    pub(super) fn answered(&mut self) {
        self.unanswered = 0;
    }

    /// Records that bytes were sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.unanswered = self.unanswered.saturating_add(bytes);
    }

    /// Records that something waits for the node.
    pub(super) fn waits(&mut self, now: Instant) {
        self.waiting.get_or_insert(now);
    }

    /// Records that nothing waits for the node any more.
    pub(super) fn rest(&mut self) {
        self.waiting = None;
        self.probed = None;
    }

    /// Records that the node was probed.
    pub(super) fn probed(&mut self, now: Instant, seq: Option<Seq>) {
        self.probed = Some(now);
        self.seq = seq;
    }

    /// Returns whether this seq is that of the answer to the probe.
    pub(super) fn is_answer(&self, seq: &Seq) -> bool {
        self.seq.as_ref() == Some(seq)
    }

    /// Returns when to probe the node.
    pub(super) fn probe_at(&self, heard: Instant, patience: Duration) -> Option<Instant> {
        let since = self.waiting.filter(|_| self.probed.is_none())?;
        Some(since.max(heard) + patience)
    }

    /// Returns when a probed node counts as dead.
    pub(super) fn silent_at(&self, patience: Duration) -> Option<Instant> {
        let bytes = self.unanswered.min(MAX_BYTES);
        let more = Duration::from_secs_f64(bytes as f64 / BYTES_PER_SECOND as f64);
        Some(self.probed? + patience + more)
    }
}
