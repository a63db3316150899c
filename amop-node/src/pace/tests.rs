use super::*;

#[test]
fn a_burst_is_free_and_what_follows_is_paid_for() {
    let start = Instant::now();
    let mut pace = Pace::new(1000);
    assert_eq!(pace.next(start), None);
    pace.spend(|| start, 2000);
    assert_eq!(pace.next(start), None);
    pace.spend(|| start, 500);
    let later = start + Duration::from_millis(500);
    assert_eq!(pace.next(start), Some(later));
    assert_eq!(pace.next(later), None);
    // After a pause of any length, at most one burst is saved.
    let later = start + Duration::from_secs(100);
    pace.spend(|| later, 3000);
    assert_eq!(pace.next(later), Some(later + Duration::from_secs(1)));
}

#[test]
fn connections_with_one_key_have_a_pace_together() {
    let (start, paces) = (Instant::now(), Arc::<Paces>::default());
    // Each of them has some burst left when all of them together have none.
    let mut many: Vec<Pace> = (0..100).map(|_| paces.of_one(1, 1000)).collect();
    for pace in &mut many {
        pace.spend(|| start, 800);
    }
    let last = many.last_mut().unwrap();
    // 80,000 bytes at 2,000 a second, of which 1 s was saved.
    assert_eq!(last.next(start), Some(start + Duration::from_secs(39)));
    let mut other = paces.of_one(2, 1000);
    other.spend(|| start, 800);
    assert_eq!(other.next(start), None);
}

#[test]
fn nothing_is_kept_of_keys_that_owe_nothing() {
    let (start, paces) = (Instant::now(), Arc::<Paces>::default());
    for key in 0..10 * KEYS as u64 {
        let now = start + Duration::from_secs(key);
        paces.of_one(key, 1000).spend(|| now, 1000);
    }
    assert!(paces.lock().of.len() <= KEYS);
}

#[test]
fn messages_cost_nothing_and_other_connections_have_no_bound() {
    let start = Instant::now();
    let mut pace = Pace::new(1);
    pace.spend(|| -> Instant { unreachable!("no need to know") }, 0);
    assert_eq!(pace.next(start), None);
    let mut pace = Pace::none();
    pace.spend(|| start, usize::MAX);
    assert_eq!(pace.next(start), None);
    let mut pace = Pace::new(0);
    pace.spend(|| start, usize::MAX);
    assert!(pace.next(start).is_some());
}
