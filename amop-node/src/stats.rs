//! A node's counters: messages, and connections and frames that it refused.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use amop_proto::node::Counters;
use amop_tls::{HandshakeFailure, VerifyError};
use tokio::time::{MissedTickBehavior, interval};

use crate::core::Core;

/// Counters that changed are logged this often.
const LOG: Duration = Duration::from_secs(60);

/// Everything a node has counted since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages, and what the limits did to them, to sessions and to peers.
    pub messages: Counters,
    /// SDK connections turned away because all are in use.
    pub sessions_turned_away: u64,
    /// Connections of nodes turned away because all are in use.
    pub peers_turned_away: u64,
    /// TLS handshakes not completed in time.
    pub handshakes_timed_out: u64,
    /// Connections that lost their place during the handshake to a newcomer, or found none.
    pub handshakes_displaced: u64,
    /// HTTP connections that lost their place to a newcomer, or found none.
    pub http_displaced: u64,
    /// HTTP requests refused because their address sends them too often.
    pub http_refused: u64,
    /// TLS handshakes that failed for another reason than the three below.
    pub handshakes_failed: u64,
    /// SDKs that are not on the allow list, and nodes that the black or white list keeps out.
    pub unlisted: u64,
    /// SDKs and nodes whose certificate has been revoked.
    pub revoked: u64,
    /// SDK certificates where a node certificate is required.
    pub wrong_role: u64,
    /// Connections closed because their certificate is no longer accepted: it expired, or the lists
    /// were reloaded.
    pub lapsed: u64,
    /// Connections closed because a frame took too long to arrive.
    pub slow_frames: u64,
    /// Connections closed because the data was not a valid frame, or the frame was over the limit.
    pub bad_frames: u64,
    /// Replies of SDKs that were dropped because they are over the frame limit.
    pub replies_too_long: u64,
    /// Frames not accepted because too many bytes of incomplete frames were held already.
    pub frames_without_room: u64,
    /// Frames of overlay nodes whose other fragments did not come in time.
    pub fragments_lost: u64,
    /// Reads postponed because the SDK's key or agency uses much while others wait.
    pub reads_put_off: u64,
}

impl Stats {
    /// Returns all counters by name.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        // Written by hand and exhaustive: a field that is missing here causes a warning.
        let Self {
            messages,
            sessions_turned_away,
            peers_turned_away,
            handshakes_timed_out,
            handshakes_displaced,
            http_displaced,
            http_refused,
            handshakes_failed,
            unlisted,
            revoked,
            wrong_role,
            lapsed,
            slow_frames,
            bad_frames,
            replies_too_long,
            frames_without_room,
            fragments_lost,
            reads_put_off,
        } = *self;
        messages.entries().chain([
            ("sessions_turned_away", sessions_turned_away),
            ("peers_turned_away", peers_turned_away),
            ("handshakes_timed_out", handshakes_timed_out),
            ("handshakes_displaced", handshakes_displaced),
            ("http_displaced", http_displaced),
            ("http_refused", http_refused),
            ("handshakes_failed", handshakes_failed),
            ("unlisted", unlisted),
            ("revoked", revoked),
            ("wrong_role", wrong_role),
            ("lapsed", lapsed),
            ("slow_frames", slow_frames),
            ("bad_frames", bad_frames),
            ("replies_too_long", replies_too_long),
            ("frames_without_room", frames_without_room),
            ("fragments_lost", fragments_lost),
            ("reads_put_off", reads_put_off),
        ])
    }

    /// Returns the counters that changed, with the difference; empty if there are none.
    fn changes_since(&self, before: &Self) -> String {
        let mut text = String::new();
        for ((name, now), (_, before)) in self.entries().zip(before.entries()) {
            if now != before {
                let comma = if text.is_empty() { "" } else { ", " };
                text += &format!("{comma}{name} {now} (+{})", now - before);
            }
        }
        text
    }
}

/// The counters of the connections; the machine counts the rest.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    pub(crate) sessions_turned_away: AtomicU64,
    pub(crate) peers_turned_away: AtomicU64,
    handshakes_timed_out: AtomicU64,
    pub(crate) handshakes_displaced: AtomicU64,
    pub(crate) http_displaced: AtomicU64,
    http_refused: AtomicU64,
    handshakes_failed: AtomicU64,
    unlisted: AtomicU64,
    revoked: AtomicU64,
    wrong_role: AtomicU64,
    lapsed: AtomicU64,
    slow_frames: AtomicU64,
    bad_frames: AtomicU64,
    replies_too_long: AtomicU64,
    frames_without_room: AtomicU64,
    fragments_lost: AtomicU64,
    reads_put_off: AtomicU64,
}

impl Refusals {
    pub(crate) fn handshake_failed(&self, failure: &HandshakeFailure) {
        let counter = match failure {
            HandshakeFailure::PeerCertificate(VerifyError::Filtered { .. }) => &self.unlisted,
            HandshakeFailure::PeerCertificate(VerifyError::Revoked { .. }) => &self.revoked,
            HandshakeFailure::PeerCertificate(VerifyError::SdkCertificate { .. }) => {
                &self.wrong_role
            }
            _ => &self.handshakes_failed,
        };
        add(counter);
    }

    pub(crate) fn http_refused(&self) {
        add(&self.http_refused);
    }

    pub(crate) fn lapsed(&self) {
        add(&self.lapsed);
    }

    pub(crate) fn handshake_timed_out(&self) {
        add(&self.handshakes_timed_out);
    }

    pub(crate) fn read_later(&self) {
        add(&self.reads_put_off);
    }

    pub(crate) fn slow_frame(&self) {
        add(&self.slow_frames);
    }

    pub(crate) fn bad_frame(&self) {
        add(&self.bad_frames);
    }

    pub(crate) fn long_reply(&self) {
        add(&self.replies_too_long);
    }

    pub(crate) fn no_room(&self, len: usize) {
        let count = self.frames_without_room.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            tracing::warn!(
                "no room for a frame of {len} bytes: too many bytes of half-received frames are \
                 held (refused so far: {count}); see amop_limits.receiving"
            );
        }
    }

    pub(crate) fn fragments_lost(&self, count: usize) {
        let before = self
            .fragments_lost
            .fetch_add(count as u64, Ordering::Relaxed);
        if count > 0 && before == 0 {
            tracing::warn!("dropped frames whose other fragments did not arrive");
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Core {
    pub(crate) fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let refusals = &self.refusals;
        Stats {
            messages: self.lock().machine.router().counters(),
            sessions_turned_away: read(&refusals.sessions_turned_away),
            peers_turned_away: read(&refusals.peers_turned_away),
            handshakes_timed_out: read(&refusals.handshakes_timed_out),
            handshakes_displaced: read(&refusals.handshakes_displaced),
            http_displaced: read(&refusals.http_displaced),
            http_refused: read(&refusals.http_refused),
            handshakes_failed: read(&refusals.handshakes_failed),
            unlisted: read(&refusals.unlisted),
            revoked: read(&refusals.revoked),
            wrong_role: read(&refusals.wrong_role),
            lapsed: read(&refusals.lapsed),
            slow_frames: read(&refusals.slow_frames),
            reads_put_off: read(&refusals.reads_put_off),
            bad_frames: read(&refusals.bad_frames),
            replies_too_long: read(&refusals.replies_too_long),
            frames_without_room: read(&refusals.frames_without_room),
            fragments_lost: read(&refusals.fragments_lost),
        }
    }

    /// Logs the counters that changed, once a minute; never returns.
    pub(crate) async fn log_stats(&self) {
        let mut logged = self.stats();
        let mut minutes = interval(LOG);
        minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        minutes.tick().await;
        loop {
            minutes.tick().await;
            let now = self.stats();
            let changes = now.changes_since(&logged);
            if !changes.is_empty() {
                tracing::info!("in the last minute: {changes}");
            }
            logged = now;
        }
    }

    /// Logs all counters that are not 0.
    pub(crate) fn log_totals(&self) {
        let totals = self.stats().changes_since(&Stats::default());
        if !totals.is_empty() {
            tracing::info!("since the start: {totals}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_told() {
        let before = Stats::default();
        let mut now = before;
        assert_eq!(now.changes_since(&before), "");
        now.messages.unicasts = 3;
        now.revoked = 2;
        let mut later = now;
        later.revoked = 7;
        assert_eq!(
            now.changes_since(&before),
            "unicasts 3 (+3), revoked 2 (+2)"
        );
        assert_eq!(later.changes_since(&now), "revoked 7 (+5)");
    }
}
