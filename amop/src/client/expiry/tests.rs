use super::*;

#[test]
fn a_certificate_is_valid_in_its_last_second() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_500);
    let left = |at| left(at, now);
    assert_eq!(left(1000), Duration::from_millis(500));
    assert_eq!(left(999), Duration::ZERO);
    assert_eq!(left(-1), Duration::ZERO);
    assert!(left(i64::MAX) > LOOK);
}
