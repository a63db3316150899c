use super::*;

/// Times of all years, at all times of the day.
#[test]
fn times_come_back_and_are_in_order() {
    let mut last = String::new();
    for seconds in (FIRST..=LAST).step_by(8_640_007) {
        let text = timestamp(seconds, 0).unwrap();
        assert!(text > last, "{last} is not before {text}");
        assert_eq!(read_timestamp(&text), Ok((seconds, 0)));
        last = text;
    }
}

#[test]
fn times_read_as_they_are_written() {
    for (seconds, nanos, text) in [
        (0, 0, "1970-01-01T00:00:00Z"),
        (-1, 999_999_999, "1969-12-31T23:59:59.999999999Z"),
        (FIRST, 0, "0001-01-01T00:00:00Z"),
        (LAST, 999_000_000, "9999-12-31T23:59:59.999Z"),
        (951_782_400, 1000, "2000-02-29T00:00:00.000001Z"),
    ] {
        assert_eq!(timestamp(seconds, nanos).as_deref(), Ok(text));
        assert_eq!(read_timestamp(text), Ok((seconds, nanos)));
    }
    for (text, seconds) in [
        ("1970-01-01T00:00:00+01:00", -3600),
        ("1970-01-01T00:00:00.0-23:59", 86_340),
    ] {
        assert_eq!(read_timestamp(text), Ok((seconds, 0)), "{text}");
    }
    for (seconds, nanos) in [(FIRST - 1, 0), (LAST + 1, 0), (0, -1), (0, NANOS)] {
        assert!(timestamp(seconds, nanos).is_err());
    }
    for text in [
        "",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01t00:00:00Z",
        "1970-01-01T00:00:00z",
        "1970-01-01 00:00:00Z",
        "1970-02-30T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:00:60Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00.1234567890Z",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+23:60",
        "1970-01-01T00:00:00+01",
        "1970-01-01T00:00:00 +01:00",
        "1970-01-01T00:00:00.1.1Z",
        "1970-01-01T00:00:001Z",
        "1970-00-01T00:00:00Z",
        "0000-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "1970-1-01T00:00:00Z",
        "+970-01-01T00:00:00Z",
        "1970-01-01T00:00:00+é1:00",
        "１970-01-01T00:00:00Z",
    ] {
        assert!(read_timestamp(text).is_err(), "{text}");
    }
}

#[test]
fn durations_read_as_they_are_written() {
    for (seconds, nanos, text) in [
        (0, 0, "0s"),
        (1, 500_000_000, "1.500s"),
        (0, -1, "-0.000000001s"),
        (-3, -20_000, "-3.000020s"),
        (LONGEST, 0, "315576000000s"),
    ] {
        assert_eq!(duration(seconds, nanos).as_deref(), Ok(text));
        assert_eq!(read_duration(text), Ok((seconds, nanos)));
    }
    for (seconds, nanos) in [
        (1, -1),
        (-1, 1),
        (LONGEST + 1, 0),
        (0, NANOS),
        (i64::MIN, 0),
    ] {
        assert!(duration(seconds, nanos).is_err());
    }
    for text in [
        "",
        "s",
        "1",
        "1.s",
        ".5s",
        "1.0000000000s",
        "+1s",
        "1 s",
        "--1s",
        "315576000001s",
        "1e3s",
    ] {
        assert!(read_duration(text).is_err(), "{text}");
    }
}
