//! Logs what a gateway counts.

use std::time::Duration;

use amop_proto::gateway::bridge::GatewayBridgeCounters;
use tokio::time::{MissedTickBehavior, interval};

use super::room::GatewayRoom;

/// Counters that changed are logged this often.
const LOG: Duration = Duration::from_secs(60);

impl GatewayRoom {
    /// Returns what the gateway did and refused since it started.
    pub(crate) fn counters(&self) -> GatewayBridgeCounters {
        self.look(|bridge| bridge.counters())
    }

    /// Logs the counters that changed, once a minute; never returns.
    pub(super) async fn log_counters(&self) {
        let mut logged = self.counters();
        let mut minutes = interval(LOG);
        minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        minutes.tick().await;
        loop {
            minutes.tick().await;
            let now = self.counters();
            log("in the last minute", &now, &logged);
            logged = now;
        }
    }

    /// Logs all counters that are not 0.
    pub(crate) fn log_totals(&self) {
        let none = GatewayBridgeCounters::default();
        log("since the start", &self.counters(), &none);
    }
}

fn log(when: &str, now: &GatewayBridgeCounters, before: &GatewayBridgeCounters) {
    let changes = changes(now, before);
    if !changes.is_empty() {
        tracing::info!("gateway, {when}: {changes}");
    }
}

/// Returns the counters that changed, with the difference; empty if there are none.
fn changes(now: &GatewayBridgeCounters, before: &GatewayBridgeCounters) -> String {
    let pairs = now.entries().zip(before.entries());
    let changed = pairs.filter(|((_, now), (_, before))| now != before);
    let texts = changed.map(|((name, now), (_, before))| {
        format!("{name} {now} (+{})", now.saturating_sub(before))
    });
    texts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_told() {
        let before = GatewayBridgeCounters::default();
        let mut now = before;
        assert_eq!(changes(&now, &before), "");
        now.forged = 3;
        now.connections.forged = 2;
        assert_eq!(
            changes(&now, &before),
            "forged 3 (+3), packets_forged 2 (+2)"
        );
    }
}
