//! Thousands of seeds; those that failed in the past come first.

use super::all_good;
use amop_sim::{Plan, Summary, run, run_many};

/// Seeds that found a bug once, each with a description.
const PAST: [u64; 6] = [
    // A node that started again numbered its messages from 0: others took them for repeated.
    4,
    // A connection only one end had heard of kept the node's next ones out for a minute.
    2369, 5770, // A copy sent over another connection while a subscriber had the message.
    273, 8047,
    // The same, where the publisher was the subscriber: what it sent again was taken for its answer.
    1620,
];

#[test]
fn seeds_that_failed_before_hold() {
    let runs: Vec<Summary> = PAST.iter().map(|&seed| run(&Plan::of(seed))).collect();
    all_good(&runs);
}

#[test]
fn thousands_of_seeds_hold() {
    let runs = run_many(0..2500, Plan::of);
    all_good(&runs);
    assert_eq!(runs.len(), 2500);
    // The runs are useful only if messages arrive in them.
    let (sent, answered) = runs.iter().fold((0, 0), |(sent, answered), run| {
        (sent + run.unicasts.0, answered + run.unicasts.1)
    });
    assert!(answered * 10 > sent * 7, "{answered} of {sent} answered");
}

#[test]
fn a_seed_makes_the_same_run_byte_for_byte() {
    for seed in [1, 4, 7, 13] {
        let (first, second) = (run(&Plan::of(seed)), run(&Plan::of(seed)));
        assert_eq!(first, second);
        assert_ne!(first.hash, run(&Plan::of(seed + 100)).hash);
    }
}
