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

/// The other side is sent a ping when `ping` has passed since its last message, then one per `ping`.
/// Any data or control frame is a sign of life; after `silence` without one it counts as dead.
#[derive(Debug)]
pub(super) struct PingTimer {
    ping: Duration,
    silence: Duration,
    /// The last sign of life.
    heard: Instant,
    /// The first ping since then.
    first_ping: Option<Instant>,
    /// The last message or ping, from which the time to the next ping is counted.
    started: Instant,
}

impl PingTimer {
    pub(super) fn new(ping: Duration, silence: Duration, now: Instant) -> Self {
        let ping = ping.max(SHORTEST);
        Self {
            ping,
            silence: silence.max(ping + SHORTEST),
            heard: now,
            first_ping: None,
            started: now,
        }
    }

    /// Records a whole message.
    pub(super) fn message(&mut self, at: Instant) {
        self.alive(at);
        self.started = self.started.max(at);
    }

    /// Records another sign of life: a control frame or a part of a message. It does not delay the
    /// next ping (ws-v3 section 4.1). Otherwise a side that sends a long message would get no pings
    /// while it does so, and would drop the connection.
    pub(super) fn alive(&mut self, at: Instant) {
        if at >= self.heard {
            self.heard = at;
            self.first_ping = None;
        }
    }

    /// Returns when the other side counts as dead. It always gets the time to answer one ping: a
    /// program that stood still has sent none.
    fn dead_at(&self) -> Option<Instant> {
        let pinged = self.first_ping?;
        Some((self.heard + self.silence).max(pinged + (self.silence - self.ping)))
    }

    fn ping_at(&self) -> Instant {
        self.started + self.ping
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
            self.started = now;
            return Due::Ping;
        }
        Due::Nothing
    }
}
