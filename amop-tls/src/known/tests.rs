use super::*;

#[test]
fn the_latest_are_known_and_no_more_than_two_generations() {
    let known = Known::default();
    let fact = |n: usize| Fact(digest(&[&n.to_be_bytes()]));
    for n in 0..10 * GENERATION {
        known.insert(fact(n));
        assert!(known.contains(&fact(n)));
    }
    let held = (0..10 * GENERATION).filter(|&n| known.contains(&fact(n)));
    assert_eq!(held.count(), 2 * GENERATION);
    assert!(known.contains(&fact(9 * GENERATION)));
    assert!(!known.contains(&fact(0)));
}

#[test]
fn texts_do_not_run_into_each_other() {
    assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
    assert_ne!(digest(&[b""]), digest(&[]));
}
