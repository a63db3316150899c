use super::*;

#[test]
fn a_second_s_worth_goes_at_once_and_the_rest_at_the_rate() {
    let (mut bandwidth, start) = (Bandwidth::new(Some(1000)), Instant::now());
    for _ in 0..10 {
        assert!(bandwidth.take(start, 100));
    }
    assert!(!bandwidth.take(start, 1));
    let later = start + Duration::from_millis(99);
    assert!(!bandwidth.take(later, 100));
    assert!(bandwidth.take(later, 99), "what was refused cost nothing");
    // After any idle time, no more than one second's worth has been saved up.
    let later = start + Duration::from_secs(100);
    assert!(bandwidth.take(later, 1000));
    assert!(!bandwidth.take(later, 1));
}

#[test]
fn a_long_message_goes_alone_and_is_paid_for() {
    let (mut bandwidth, start) = (Bandwidth::new(Some(1000)), Instant::now());
    assert!(bandwidth.take(start, 1));
    assert!(!bandwidth.take(start, 5000));
    let start = start + Duration::from_millis(1);
    assert!(bandwidth.take(start, 5000));
    assert!(!bandwidth.take(start + Duration::from_millis(4000), 1));
    assert!(bandwidth.take(start + Duration::from_millis(4001), 1));
}

#[test]
fn absurd_numbers_do_no_harm() {
    let now = Instant::now();
    for rate in [0, 1, u64::MAX] {
        let mut bandwidth = Bandwidth::new(Some(rate));
        assert!(bandwidth.take(now, usize::MAX));
        assert!(bandwidth.take(now + Duration::from_secs(1 << 33), 0));
    }
    assert!(Bandwidth::new(None).take(now, usize::MAX));
}
