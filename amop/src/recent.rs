//! Recognises copies of a multicast.
//!
//! Some SDKs publish a multicast through every node they are connected to, so that a subscriber
//! gets as many copies as there are ways to it, all with one seq (channel-v2 section 8).

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use amop_proto::{TopicName, channel::Seq};
use tokio::time::Instant;

/// How long a multicast is remembered. Copies differ by their ways through the network only.
const WINDOW: Duration = Duration::from_secs(5);

/// Multicasts remembered; with more of them, the window is shorter.
const CAPACITY: usize = 4096;

type Key = (TopicName, Seq);

#[derive(Debug, Default)]
pub(crate) struct Recent {
    seen: HashSet<Key>,
    order: VecDeque<(Instant, Key)>,
}

impl Recent {
    /// Whether this is the first copy of a multicast; it is remembered then.
    pub(crate) fn is_first(&mut self, topic: &TopicName, seq: Seq) -> bool {
        let now = Instant::now();
        while self
            .order
            .front()
            .is_some_and(|(at, _)| *at + WINDOW <= now)
        {
            self.forget_oldest();
        }
        let key = (topic.clone(), seq);
        if !self.seen.insert(key.clone()) {
            return false;
        }
        if self.order.len() == CAPACITY {
            self.forget_oldest();
        }
        self.order.push_back((now, key));
        true
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.seen.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(n: usize) -> Seq {
        let mut seq = [0; Seq::LEN];
        seq[..8].copy_from_slice(&n.to_be_bytes());
        Seq(seq)
    }

    #[tokio::test(start_paused = true)]
    async fn copies_are_recognised_for_a_while() {
        let (a, b): (TopicName, TopicName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let mut recent = Recent::default();
        assert!(recent.is_first(&a, seq(1)));
        assert!(!recent.is_first(&a, seq(1)));
        assert!(recent.is_first(&b, seq(1)));
        assert!(recent.is_first(&a, seq(2)));
        tokio::time::advance(WINDOW - Duration::from_millis(1)).await;
        assert!(!recent.is_first(&a, seq(1)));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(recent.is_first(&a, seq(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let topic: TopicName = "a".parse().unwrap();
        let mut recent = Recent::default();
        for n in 0..3 * CAPACITY {
            assert!(recent.is_first(&topic, seq(n)));
            assert!(recent.order.len() <= CAPACITY);
            assert_eq!(recent.seen.len(), recent.order.len());
        }
        assert!(!recent.is_first(&topic, seq(2 * CAPACITY)));
        assert!(recent.is_first(&topic, seq(0)));
    }
}
