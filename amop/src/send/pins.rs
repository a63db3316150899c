//! Remembers which connections the multicasts of each topic use.
//!
//! Two nodes pass messages on independently. If a client sent the multicasts of one topic to both,
//! they could overtake each other, so they use one connection as long as it is open.

use std::{collections::HashMap, time::Duration};

use amop_proto::TopicName;
use tokio::time::Instant;

/// The most topics that are remembered. When there are more, the older half is forgotten.
const TOPICS: usize = 4096;

/// How long after a multicast a unicast to the same topic uses the same connection. After this time
/// it cannot overtake the multicast.
const RECENT: Duration = Duration::from_secs(60);

/// The numbers of the connections that the last multicast to each topic used.
#[derive(Debug, Default)]
pub(crate) struct Pins(HashMap<TopicName, Pin>);

#[derive(Debug)]
struct Pin {
    /// The first one carries the message; the others get a copy.
    ways: Vec<u64>,
    at: Instant,
}

impl Pins {
    /// Returns the connections of a topic's last multicast; empty if there was none.
    pub(crate) fn ways(&self, topic: &TopicName) -> &[u64] {
        self.0.get(topic).map_or(&[], |pin| &pin.ways)
    }

    /// Returns the connection of a topic's last multicast if a unicast might overtake it.
    pub(crate) fn recent(&self, topic: &TopicName, now: Instant) -> Option<u64> {
        let pin = self.0.get(topic).filter(|pin| now < pin.at + RECENT)?;
        pin.ways.first().copied()
    }

    /// Records the connections that a multicast is about to use.
    pub(crate) fn set(&mut self, topic: &TopicName, ways: &[u64], now: Instant) {
        if let Some(pin) = self.0.get_mut(topic) {
            pin.at = now;
            if pin.ways != ways {
                pin.ways = ways.to_vec();
            }
            return;
        }
        if self.0.len() >= TOPICS {
            let mut times: Vec<Instant> = self.0.values().map(|pin| pin.at).collect();
            let (_, &mut middle, _) = times.select_nth_unstable(TOPICS / 2);
            self.0.retain(|_, pin| pin.at > middle);
        }
        let ways = ways.to_vec();
        self.0.insert(topic.clone(), Pin { ways, at: now });
    }
}

#[cfg(test)]
mod tests;
