use super::*;

#[test]
fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
    let (mut bucket, start) = (RateBucket::new(1000, 50), Instant::now());
    assert_eq!(bucket.available(start), 50);
    assert_eq!(bucket.ready_at(start, 50), start);
    bucket.spend(start, 50);
    assert_eq!(bucket.available(start), 0);
    let later = start + Duration::from_millis(10);
    assert_eq!(bucket.ready_at(start, 10), later);
    assert_eq!(bucket.available(later), 10);
    bucket.spend(later, 30);
    let free = later + Duration::from_millis(21);
    assert_eq!(bucket.ready_at(later, 1), free);
    assert_eq!(bucket.available(free), 1);
    // After any idle time, no more than a burst has been saved up.
    let later = start + Duration::from_secs(100);
    assert_eq!(bucket.available(later), 50);
    assert_eq!(bucket.ready_at(later, 1000), later);
}

#[test]
fn absurd_numbers_do_no_harm() {
    let now = Instant::now();
    for number in [0, 1, usize::MAX] {
        let mut bucket = RateBucket::new(number, number);
        assert!(bucket.available(now) > 0);
        bucket.spend(now, usize::MAX);
        assert!(bucket.ready_at(now, usize::MAX) >= now);
    }
}
