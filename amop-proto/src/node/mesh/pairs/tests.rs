use super::*;

#[test]
fn each_counter_is_taken_once_in_any_order() {
    let mut taken = TakenCounters::new(100);
    for start in [100, ERA, 2 * ERA, 9 * ERA + 5] {
        for hundred in 0..200 {
            for counter in (0..100).rev().map(|n| start + 100 * hundred + n) {
                assert!(taken.take(counter), "{counter}");
                assert!(!taken.take(counter), "{counter}");
            }
        }
        // Counters within the window are known; those before it count as old.
        for counter in start..start + 20_000 {
            assert!(!taken.take(counter), "{counter}");
        }
    }
}

#[test]
fn what_was_overtaken_by_the_next_era_is_taken() {
    let mut taken = TakenCounters::new(0);
    assert!(taken.take(ERA) && taken.take(ERA + 2));
    assert!(taken.take(2 * ERA));
    assert!(taken.take(ERA + 1));
    assert!(!taken.take(ERA + 1) && !taken.take(ERA + 2) && !taken.take(2 * ERA));
    // So is the last counter of an era.
    assert!(taken.take(ERA + 3) && !taken.take(ERA + 3));
    assert!(taken.take(3 * ERA));
    assert!(!taken.take(ERA + 1) && !taken.take(ERA + 4));
}

#[test]
fn the_first_that_comes_may_have_overtaken_others() {
    let mut taken = TakenCounters::new(0);
    let first = 5 * ERA + 100_000;
    assert!(taken.take(first));
    for counter in first - 100..first + 100 {
        assert_eq!(taken.take(counter), counter != first, "{counter}");
        assert!(!taken.take(counter));
    }
    for counter in first + 100..first + 3 * WINDOW {
        assert!(taken.take(counter));
    }
    assert!((first - 200..first + 100).all(|counter| !taken.take(counter)));
}

#[test]
fn what_is_older_than_the_record_is_refused() {
    let mut taken = TakenCounters::new(5 * ERA);
    assert!(!taken.take(5 * ERA - 1));
    assert!(taken.take(5 * ERA));
}

#[test]
fn no_counter_is_so_high_that_it_costs_more_than_others_or_takes_their_place() {
    for highest in [u64::MAX, u64::MAX - 1, 1 << 63, MAX_COUNTER + 1] {
        let mut taken = TakenCounters::new(0);
        assert!(!taken.take(highest));
        assert!(taken.take(5));
        assert!(!taken.take(highest));
        assert!(taken.take(6) && !taken.take(5));
    }
    let mut taken = TakenCounters::new(0);
    assert!(taken.take(MAX_COUNTER) && !taken.take(MAX_COUNTER));
}

fn seal(of: &Pairs, to: &Agreement, id: NodeId, counter: u64) -> (Statement, Seal) {
    let statement = Statement {
        purpose: crate::p2p::mesh::MacPurpose::Unicast,
        voucher: RoutingKey(1),
        source: RoutingKey(1),
        target: RoutingKey(2),
        id: counter,
        content: [0; 32],
    };
    let key = to.with(&id, &of.public()).unwrap();
    (statement, key.seal(&statement, counter))
}

#[test]
fn what_came_of_a_node_is_known_after_it_was_forgotten_and_forgotten_nodes_are_bounded() {
    let (own, other) = (NodeId([2; 64]), NodeId([1; 64]));
    let theirs = Agreement::new(other, &[1; 32], 1000);
    let mut pairs = Pairs::new(Agreement::new(own, &[2; 32], 1000), 16);
    let public = theirs.public();
    let open = |pairs: &mut Pairs, n: u64, counter| {
        let (statement, seal) = seal(pairs, &theirs, own, counter);
        let other = (RoutingKey(n), &other, &public);
        pairs.open((0, MAX_COUNTER), other, &statement, &seal) == SealProof::New
    };
    assert!(open(&mut pairs, 1, 7));
    for _ in 0..3 {
        pairs.forget(RoutingKey(1));
        assert!(!open(&mut pairs, 1, 7));
    }
    assert!(open(&mut pairs, 1, 8));
    assert!(pairs.forgotten.is_empty());
    for n in 1..100 {
        open(&mut pairs, n, 9);
        pairs.forget(RoutingKey(n));
    }
    assert_eq!((pairs.pairs.len(), pairs.forgotten.len()), (16, 16));
    assert!(!open(&mut pairs, 99, 9));
}
