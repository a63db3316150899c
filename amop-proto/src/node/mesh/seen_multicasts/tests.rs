use std::time::Duration;

use super::*;

const WAY: MulticastPath = (RoutingKey(1), RoutingKey(9));
const BY: RoutingKey = RoutingKey(1);

#[test]
fn each_is_new_once_in_any_order() {
    let now = Instant::now();
    for start in [0, 1, 63, 64, 12_345, (1 << 62) + 7] {
        let mut multicasts = SeenMulticasts::default();
        // Higher ids first within each hundred; every hundredth id does not come at all.
        for hundred in 0..2000 {
            for id in (1..100).rev().map(|n| start + 100 * hundred + n) {
                assert!(multicasts.see(now, WAY, id, BY), "{start} {id}");
                assert!(!multicasts.see(now, WAY, id, BY), "{start} {id}");
            }
            let late = start + 100 * hundred.saturating_sub(600);
            assert_eq!(
                multicasts.see(now, WAY, late, BY),
                hundred == 0 || hundred > 600
            );
        }
    }
}

#[test]
fn ways_are_told_apart() {
    let now = Instant::now();
    let mut multicasts = SeenMulticasts::default();
    let ways = [(1, 9), (9, 1), (2, 9), (1, 8)].map(|(a, b)| (RoutingKey(a), RoutingKey(b)));
    for id in [7, 7 | SeenMulticasts::NAME] {
        assert!(ways.iter().all(|&way| multicasts.see(now, way, id, BY)));
        assert!(!ways.iter().any(|&way| multicasts.see(now, way, id, BY)));
    }
}

#[test]
fn a_node_that_starts_again_counts_from_anywhere() {
    let now = Instant::now();
    let mut multicasts = SeenMulticasts::default();
    for start in [1 << 40, 1 << 50, 5, 1 << 62, 1 << 61] {
        for id in start..start + 10 {
            assert!(multicasts.see(now, WAY, id, BY));
        }
        for id in start..start + 10 {
            assert!(!multicasts.see(now, WAY, id, BY));
        }
    }
    assert_eq!(multicasts.windows.len(), 1);
}

#[test]
fn what_comes_too_late_to_tell_is_new() {
    let now = Instant::now();
    let mut multicasts = SeenMulticasts::default();
    let all = 64 * WORDS;
    assert!(multicasts.see(now, WAY, 100, BY));
    assert!(multicasts.see(now, WAY, 100 + all - 64, BY));
    assert!(!multicasts.see(now, WAY, 100, BY));
    assert!(multicasts.see(now, WAY, 100 + all, BY));
    assert!(multicasts.see(now, WAY, 100, BY));
    assert!(multicasts.see(now, WAY, 100, BY));
    assert!(!multicasts.see(now, WAY, 100 + all, BY));
    assert!(multicasts.see(now, WAY, 101 + all, BY));
}

#[test]
fn it_is_bounded_and_forgets() {
    let now = Instant::now();
    let mut multicasts = SeenMulticasts::default();
    for n in 0..2 * WAYS as u64 {
        let later = now + Duration::from_micros(n);
        assert!(multicasts.see(later, (RoutingKey(n), RoutingKey(9)), 7, BY));
    }
    assert_eq!(multicasts.windows.len(), WAYS);
    // The latest ones are still there.
    let last = (RoutingKey(2 * WAYS as u64 - 1), RoutingKey(9));
    assert!(!multicasts.see(now, last, 7, BY));
    for id in 0..2 * MAX as u64 {
        multicasts.see(now, WAY, id | SeenMulticasts::NAME, BY);
    }
    assert!(multicasts.names.len() <= MAX);
    let mut timers = 0;
    while let Some(at) = multicasts.next_forget() {
        multicasts.forget(at);
        timers += 1;
    }
    assert!(timers <= 2, "{timers}");
    assert!(multicasts.windows.is_empty() && multicasts.names.is_empty());
    assert!(multicasts.brought.is_empty());
}

#[test]
fn names_that_one_node_brings_do_not_make_those_of_others_forgotten() {
    let now = Instant::now();
    let mut multicasts = SeenMulticasts::default();
    let name = |id: u64| id | SeenMulticasts::NAME;
    let innocent = (RoutingKey(2), RoutingKey(9));
    for id in 0..1000 {
        assert!(multicasts.see(now, innocent, name(id), RoutingKey(2)));
    }
    // Under any number of names.
    for id in 0..2 * MAX as u64 {
        let way = (RoutingKey(100 + id % 50), RoutingKey(9));
        multicasts.see(now, way, name(id), RoutingKey(1));
    }
    assert!(multicasts.names.len() <= MAX);
    for id in 0..1000 {
        assert!(!multicasts.see(now, innocent, name(id), RoutingKey(2)));
    }
}
