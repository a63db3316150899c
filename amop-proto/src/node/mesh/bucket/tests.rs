use super::*;

#[test]
fn so_many_at_once_and_then_one_each_interval() {
    let ms = Duration::from_millis;
    let now = Instant::now();
    let mut bucket = TokenBucket::new(3, ms(50));
    assert!((0..3).all(|_| bucket.take(now, 1)));
    assert!(!bucket.take(now, 1));
    assert_eq!(bucket.next(), Some(now + ms(50)));
    assert!(!bucket.take(now + ms(49), 1));
    assert!(bucket.take(now + ms(50), 1));
    assert!(!bucket.take(now + ms(50), 1));
    let later = now + ms(1000);
    assert!(!bucket.take(later, 4) && bucket.take(later, 3));
    bucket.take_anyway(later);
    assert!(!bucket.take(later + ms(99), 1) && bucket.take(later + ms(100), 1));
}
