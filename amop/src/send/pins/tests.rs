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
