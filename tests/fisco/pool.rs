//! The order in which simulated FISCO nodes handle frames.

use amop_testkit::fisco::Pool;

#[test]
fn frames_are_passed_by_two_at_most_and_none_is_lost() {
    let mut changed = 0;
    for seed in 0..100 {
        let mut pool = Pool::new(seed);
        let mut order: Vec<usize> = (0..50).flat_map(|frame| pool.put(frame)).collect();
        order.extend(pool.rest());
        assert!(!pool.is_busy());
        for (place, &frame) in order.iter().enumerate() {
            let passed = order[..place].iter().filter(|&&other| other > frame);
            assert!(passed.count() <= 2, "{order:?}");
        }
        changed += usize::from(!order.is_sorted());
        order.sort_unstable();
        assert!(order.into_iter().eq(0..50));
    }
    assert_eq!(changed, 100);
}
