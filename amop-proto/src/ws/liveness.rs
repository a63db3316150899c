//! Finds out whether the other side is alive, with the pings of WebSocket (ws-v3 section 4.1).

use std::time::{Duration, Instant};

/// Any shorter interval would only load the machine.
const SHORTEST: Duration = Duration::from_millis(1);

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// Send a ping.
    Ping,
    /// Nothing was received for too long.
    Silent {
        after: Duration,
    },
}

/// The sign of life of the other side is any data or control frame. After `ping` without one it is
/// sent a ping, then one per `ping`; after `silence` without one it counts as dead.
#[derive(Debug)]
pub(super) struct PingTimer {
    ping: Duration,
    silence: Duration,
    heard: Instant,
    /// The first ping since then.
    first_ping: Option<Instant>,
    /// The last ping since then.
    last_ping: Option<Instant>,
}

impl PingTimer {
    pub(super) fn new(ping: Duration, silence: Duration, now: Instant) -> Self {
        let ping = ping.max(SHORTEST);
        Self {
            ping,
            silence: silence.max(ping + SHORTEST),
            heard: now,
            first_ping: None,
            last_ping: None,
        }
    }

    /// Records a sign of life.
    pub(super) fn heard(&mut self, at: Instant) {
        if at >= self.heard {
            self.heard = at;
            self.first_ping = None;
            self.last_ping = None;
        }
    }

    /// Returns when the other side counts as dead. It always gets the time to answer one ping: a
    /// program that stood still has sent none.
    fn dead_at(&self) -> Option<Instant> {
        let pinged = self.first_ping?;
        Some((self.heard + self.silence).max(pinged + (self.silence - self.ping)))
    }

    fn ping_at(&self) -> Instant {
        self.last_ping.unwrap_or(self.heard) + self.ping
    }

    pub(super) fn next_timeout(&self) -> Instant {
        let ping = self.ping_at();
        self.dead_at().map_or(ping, |dead| dead.min(ping))
    }

    pub(super) fn poll(&mut self, now: Instant) -> Due {
        if self.dead_at().is_some_and(|dead| dead <= now) {
            let after = now.saturating_duration_since(self.heard);
            return Due::Silent { after };
        }
        if self.ping_at() <= now {
            self.first_ping.get_or_insert(now);
            self.last_ping = Some(now);
            return Due::Ping;
        }
        Due::Nothing
    }
}
