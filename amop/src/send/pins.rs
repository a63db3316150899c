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
mod tests {
    use super::*;

    fn topic(n: usize) -> TopicName {
        TopicName::new(&format!("topic{n}")).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_keeps_its_ways_and_unicasts_follow_for_a_while() {
        let mut pins = Pins::default();
        let now = Instant::now();
        assert!(pins.ways(&topic(1)).is_empty());
        pins.set(&topic(1), &[3, 4], now);
        assert_eq!(pins.ways(&topic(1)), [3, 4]);
        assert_eq!(pins.recent(&topic(1), now), Some(3));
        assert_eq!(pins.recent(&topic(1), now + RECENT), None);
        pins.set(&topic(1), &[5], now + RECENT);
        assert_eq!(pins.ways(&topic(1)), [5]);
        assert_eq!(pins.recent(&topic(1), now + RECENT), Some(5));
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_is_bounded_and_forgets_what_was_published_to_longest_ago() {
        let mut pins = Pins::default();
        let start = Instant::now();
        for n in 0..10 * TOPICS {
            pins.set(&topic(n), &[1], start + Duration::from_millis(n as u64));
            assert!(pins.0.len() <= TOPICS);
            assert_eq!(pins.ways(&topic(n)), [1]);
        }
        assert!(pins.ways(&topic(10 * TOPICS - TOPICS / 3)) == [1]);
        assert!(pins.ways(&topic(0)).is_empty());
    }
}
