//! What counts in the fingerprint of a state.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use amop_exhaustive::digest;

#[derive(Debug, Clone)]
struct Machine {
    map: HashMap<u32, &'static str>,
    list: Vec<u32>,
    due: Option<Instant>,
    counters: Counters,
}

#[derive(Debug, Clone, Default)]
struct Counters {
    _seen: u64,
    _more: [u8; 2],
}

fn machine(now: Instant) -> Machine {
    Machine {
        map: HashMap::from([(1, "a"), (2, "b, {"), (3, "c\"]")]),
        list: vec![1, 2],
        due: Some(now + Duration::from_millis(5)),
        counters: Counters::default(),
    }
}

#[test]
fn neither_the_order_of_maps_nor_the_clock_nor_counters_count() {
    let now = Instant::now();
    let one = digest(&machine(now), now);
    for n in 1..50 {
        // Every map has its own order.
        let later = now + Duration::from_nanos(n * 1_234_567_891);
        let mut other = machine(later);
        other.counters = Counters {
            _seen: n,
            _more: [1, 2],
        };
        assert_eq!(digest(&other, later), one);
    }
}

#[test]
fn everything_else_counts() {
    let now = Instant::now();
    let start = machine(now);
    let mut others = vec![start.clone(); 7];
    others[0].list = vec![2, 1];
    others[1].list = vec![12];
    others[2].due = None;
    others[3].due = Some(now + Duration::from_millis(6));
    others[4].map.insert(1, "b, {");
    others[5].map.remove(&3);
    others[6].map = HashMap::from([(2, "a"), (1, "b, {"), (3, "c\"]")]);
    let mut digests: Vec<u64> = others.iter().map(|other| digest(other, now)).collect();
    digests.push(digest(&start, now));
    digests.push(digest(&start, now + Duration::from_nanos(1)));
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 9);
}

#[test]
fn structs_of_one_shape_are_told_apart() {
    let now = Instant::now();
    assert_ne!(digest(&Some(1), now), digest(&Ok::<_, ()>(1), now));
    assert_ne!(digest(&[(1, 2)], now), digest(&[(2, 1)], now));
    assert_ne!(digest(&(1, [2, 3]), now), digest(&([1, 2], 3), now));
}
