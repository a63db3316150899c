//! What a node refused: connections and frames.

use std::sync::atomic::{AtomicU64, Ordering};

use amop_proto::node::Counters;
use amop_tls::{HandshakeFailure, VerifyError};

use super::Stats;

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
    upgrades_refused: AtomicU64,
    slow_frames: AtomicU64,
    bad_frames: AtomicU64,
    replies_too_long: AtomicU64,
    frames_without_room: AtomicU64,
    fragments_lost: AtomicU64,
    reads_put_off: AtomicU64,
}

impl Refusals {
    /// Returns all counters of a node; `messages` are those of the machine.
    pub(crate) fn stats(&self, messages: Counters) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            messages,
            sessions_turned_away: read(&self.sessions_turned_away),
            peers_turned_away: read(&self.peers_turned_away),
            handshakes_timed_out: read(&self.handshakes_timed_out),
            handshakes_displaced: read(&self.handshakes_displaced),
            http_displaced: read(&self.http_displaced),
            http_refused: read(&self.http_refused),
            handshakes_failed: read(&self.handshakes_failed),
            unlisted: read(&self.unlisted),
            revoked: read(&self.revoked),
            wrong_role: read(&self.wrong_role),
            lapsed: read(&self.lapsed),
            upgrades_refused: read(&self.upgrades_refused),
            slow_frames: read(&self.slow_frames),
            reads_put_off: read(&self.reads_put_off),
            bad_frames: read(&self.bad_frames),
            replies_too_long: read(&self.replies_too_long),
            frames_without_room: read(&self.frames_without_room),
            fragments_lost: read(&self.fragments_lost),
        }
    }

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

    pub(crate) fn upgrade_refused(&self) {
        add(&self.upgrades_refused);
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
