//! A node's counters: messages, and connections and frames that it refused.

mod refusals;

use amop_proto::node::Counters;

pub(crate) use self::refusals::Refusals;

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
    /// Connections of 3.x SDKs closed because they did not become WebSocket connections.
    pub upgrades_refused: u64,
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
            upgrades_refused,
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
            ("upgrades_refused", upgrades_refused),
            ("slow_frames", slow_frames),
            ("bad_frames", bad_frames),
            ("replies_too_long", replies_too_long),
            ("frames_without_room", frames_without_room),
            ("fragments_lost", fragments_lost),
            ("reads_put_off", reads_put_off),
        ])
    }

    /// Returns the counters that changed, with the difference; empty if there are none.
    pub(crate) fn changes_since(&self, before: &Self) -> String {
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

#[cfg(test)]
mod tests;
