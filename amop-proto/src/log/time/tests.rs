use super::*;

#[test]
fn known_times_are_known() {
    for (seconds, shown) in [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (951_868_800, "2000-03-01T00:00:00Z"),
        (1_609_459_200, "2021-01-01T00:00:00Z"),
        (4_107_542_399, "2100-02-28T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
    ] {
        assert_eq!(Utc(seconds).to_string(), shown);
    }
}

/// The date of each day follows that of the day before.
#[test]
fn days_follow_each_other() {
    let mut before = date(-200_000);
    for day in -199_999..400_000 {
        let now = date(day);
        let (year, month, of_month) = before;
        let next = [
            (year, month, of_month + 1),
            (year, month + 1, 1),
            (year + 1, 1, 1),
        ];
        assert!(next.contains(&now), "{before:?} {now:?}");
        assert!((1..=12).contains(&now.1) && (1..=31).contains(&now.2));
        before = now;
    }
    assert!(Utc(i64::MAX).to_string().len() < 40);
    assert!(Utc(i64::MIN).to_string().len() < 40);
}
