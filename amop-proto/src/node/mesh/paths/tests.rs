use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;

fn key(n: u64) -> RoutingKey {
    RoutingKey(n)
}

fn edge(a: u64, b: u64) -> (RoutingKey, RoutingKey) {
    (key(a), key(b))
}

#[test]
fn equal_paths_are_all_known() {
    let mut paths = Paths::new(key(0));
    // 0 - 1 - 3 and 0 - 2 - 3 - 4.
    paths.change(
        &[edge(0, 1), edge(0, 2), edge(1, 3), edge(2, 3), edge(3, 4)],
        &[],
    );
    assert_eq!(paths.first_steps(key(4)), [key(1), key(2)]);
    assert_eq!(paths.distance(key(4)), Some(3));
    assert_eq!(paths.first_steps(key(9)), []);
    assert_eq!(paths.first_steps(key(0)), []);
}

#[test]
fn nothing_is_kept_of_nodes_that_cannot_be_reached() {
    let mut paths = Paths::new(key(0));
    paths.change(&[edge(0, 1)], &[]);
    for node in 2..10_000 {
        assert_eq!(paths.first_steps(key(node)), []);
    }
    assert_eq!(paths.first_steps(key(1)), [key(1)]);
    assert_eq!(paths.first_steps.len(), 1);
}

#[test]
fn a_removed_edge_shakes_what_was_reached_over_it() {
    let mut paths = Paths::new(key(0));
    paths.change(
        &[edge(0, 1), edge(0, 2), edge(1, 3), edge(2, 3), edge(3, 4)],
        &[],
    );
    let change = paths.change(&[], &[edge(1, 3)]);
    assert_eq!(change.shaken, BTreeSet::from([key(3), key(4)]));
    assert_eq!(change.lost, BTreeSet::new());
    assert_eq!(paths.first_steps(key(4)), [key(2)]);
    let change = paths.change(&[], &[edge(2, 3)]);
    assert_eq!(change.lost, BTreeSet::from([key(3), key(4)]));
}

#[test]
fn an_edge_within_a_level_shakes_nothing() {
    let mut paths = Paths::new(key(0));
    paths.change(&[edge(0, 1), edge(0, 2), edge(1, 2)], &[]);
    assert!(paths.can_spare(key(1)));
    let cut = PathChange {
        cut: true,
        ..PathChange::default()
    };
    assert_eq!(paths.change(&[], &[edge(1, 2)]), cut);
    assert!(!paths.can_spare(key(1)));
}

#[test]
fn changes_give_what_a_fresh_search_gives() {
    let mut rng = StdRng::seed_from_u64(7);
    let mut paths = Paths::new(key(0));
    let mut edges = BTreeSet::new();
    for _ in 0..3000 {
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for _ in 0..rng.random_range(1..=3) {
            let (a, b) = (rng.random_range(0..12), rng.random_range(0..12));
            let pair = edge(a.min(b), a.max(b));
            if a == b || added.contains(&pair) || removed.contains(&pair) {
                continue;
            }
            if edges.remove(&pair) {
                removed.push(pair);
            } else {
                edges.insert(pair);
                added.push(pair);
            }
        }
        let before: BTreeSet<RoutingKey> = paths.distances().into_keys().collect();
        let change = paths.change(&added, &removed);
        let mut fresh = Paths::new(key(0));
        let all: Vec<_> = edges.iter().copied().collect();
        fresh.change(&all, &[]);
        assert_eq!(paths.distances(), fresh.distances());
        let after: BTreeSet<RoutingKey> = paths.distances().into_keys().collect();
        assert_eq!(change.gained, &after - &before);
        assert_eq!(change.lost, &before - &after);
        for node in 0..12 {
            assert_eq!(paths.first_steps(key(node)), fresh.first_steps(key(node)));
        }
    }
}
