use super::*;

#[test]
fn times_are_read_by_people() {
    assert_eq!(
        UtcSeconds(1_609_459_200).to_string(),
        "2021-01-01T00:00:00Z"
    );
    assert_eq!(UtcSeconds(-5).to_string(), "-5 seconds since 1970");
    assert!(UtcSeconds(i64::MAX).to_string().ends_with("since 1970"));
}
