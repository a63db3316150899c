//! Which endpoints are dialled and when, and which connection carries a message.

use super::*;

fn config(target: usize, retries: Option<u32>) -> PoolConfig {
    PoolConfig {
        target,
        first_pause: seconds(1),
        max_pause: seconds(20),
        retries,
    }
}

fn due(pool: &mut EndpointPool, now: Instant) -> Vec<usize> {
    std::iter::from_fn(|| pool.take_due(now)).collect()
}

#[test]
fn all_are_dialled_at_once() {
    let now = Instant::now();
    let mut pool = EndpointPool::new(config(3, None), 3, [1; 32], now);
    assert_eq!(pool.next_timeout(), Some(now));
    assert_eq!(due(&mut pool, now), [0, 1, 2]);
    assert_eq!(pool.next_timeout(), None);
    for index in 0..3 {
        pool.up(index, now);
    }
    assert!(due(&mut pool, now + seconds(100)).is_empty());
}

#[test]
fn pauses_double_with_jitter_up_to_the_longest() {
    let mut now = Instant::now();
    let mut pool = EndpointPool::new(config(1, None), 1, [1; 32], now);
    let mut pauses = Vec::new();
    for longest in [1, 2, 4, 8, 16, 20, 20, 20] {
        assert_eq!(due(&mut pool, now), [0]);
        let pause = pool.failed(0, now).unwrap();
        assert!(
            pause >= seconds(longest) / 2 && pause <= seconds(longest),
            "{pause:?}"
        );
        assert_eq!(pool.next_timeout(), Some(now + pause));
        assert!(due(&mut pool, now + pause - Duration::from_nanos(1)).is_empty());
        now += pause;
        pauses.push(pause);
    }
    // The same seed gives the same pauses; another seed gives different ones.
    let pauses_of = |seed| {
        let mut pool = EndpointPool::new(config(1, None), 1, seed, now);
        (0..8)
            .map(|_| pool.failed(0, now).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(pauses_of([1; 32]), pauses);
    assert_ne!(pauses_of([2; 32]), pauses);
    assert!(!pool.is_over());
}

#[test]
fn a_good_connection_clears_an_endpoints_name() {
    let now = Instant::now();
    let mut pool = EndpointPool::new(config(1, None), 1, [1; 32], now);
    for _ in 0..5 {
        pool.failed(0, now);
    }
    // A connection that is lost at once does not.
    pool.up(0, now);
    assert!(pool.failed(0, now + seconds(4)).unwrap() >= seconds(10));
    pool.up(0, now);
    assert!(pool.failed(0, now + seconds(5)).unwrap() <= seconds(1));
}

#[test]
fn spares_come_before_what_has_just_failed() {
    let now = Instant::now();
    let mut pool = EndpointPool::new(config(1, None), 3, [1; 32], now);
    assert_eq!(due(&mut pool, now), [0]);
    pool.failed(0, now);
    assert_eq!(due(&mut pool, now), [1]);
    pool.up(1, now);
    assert!(due(&mut pool, now + seconds(60)).is_empty());
    pool.failed(1, now + seconds(60));
    assert_eq!(due(&mut pool, now + seconds(60)), [2]);
    pool.failed(2, now + seconds(60));
    // All have failed once; the pause of the first one has passed.
    assert_eq!(due(&mut pool, now + seconds(60)), [0]);
    assert_eq!(pool.next_timeout(), None);
}

#[test]
fn retries_are_counted_and_the_end_is_seen() {
    let now = Instant::now();
    let mut pool = EndpointPool::new(config(2, Some(0)), 2, [1; 32], now);
    assert_eq!(due(&mut pool, now), [0, 1]);
    pool.up(1, now);
    assert_eq!(pool.failed(0, now), None);
    assert!(!pool.is_over());
    assert_eq!(pool.failed(1, now), None);
    assert!(pool.is_over());
    assert!(due(&mut pool, now + seconds(100)).is_empty());

    let mut pool = EndpointPool::new(config(1, Some(2)), 1, [1; 32], now);
    assert!(pool.failed(0, now).is_some());
    assert!(pool.failed(0, now).is_some());
    assert!(!pool.is_over());
    assert_eq!(pool.failed(0, now), None);
    assert!(pool.is_over());
}

/// The first retry is prompt; a node that fails again is spared.
#[test]
fn a_least_pause_begins_with_the_second_failure() {
    let now = Instant::now();
    let mut pool = EndpointPool::new(config(1, None), 1, [1; 32], now);
    let mut failed = || pool.failed_for(0, now, seconds(10)).unwrap();
    assert!(failed() <= seconds(1));
    assert!((seconds(10)..=seconds(20)).contains(&failed()));
}

#[test]
fn the_least_busy_connection_is_picked_in_turn_among_equals() {
    let mut pool = EndpointPool::new(config(3, None), 3, [1; 32], Instant::now());
    let mut picks = |loads: &[(usize, usize)], times| {
        let pick = |_| pool.pick(loads.iter().copied()).unwrap();
        (0..times).map(pick).collect::<Vec<_>>()
    };
    assert_eq!(picks(&[(0, 0), (1, 0), (2, 0)], 4), [0, 1, 2, 0]);
    assert_eq!(picks(&[(0, 1), (1, 2), (2, 1)], 4), [2, 0, 2, 0]);
    assert_eq!(picks(&[(1, 9)], 2), [1, 1]);
    assert_eq!(pool.pick([]), None);
}
