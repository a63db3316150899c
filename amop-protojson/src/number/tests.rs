use super::*;

#[test]
fn numbers_are_those_of_json() {
    for text in [
        "0",
        "-0",
        "1",
        "10",
        "1.0",
        "1e5",
        "1E+5",
        "-1.25e-07",
        "0.0",
    ] {
        assert!(is_number(text), "{text}");
        assert!(serde_json::from_str::<f64>(text).is_ok(), "{text}");
    }
    for text in [
        "", "-", "+1", "01", "1.", ".5", "1e", "1e+", "NaN", "inf", " 1", "1 ", "0x1", "1_0", "--1",
    ] {
        assert!(!is_number(text), "{text}");
    }
}

#[test]
fn integers_in_any_notation_are_exact() {
    for (text, value) in [
        ("0", Some(0)),
        ("-0.0", Some(0)),
        ("0e999999999999", Some(0)),
        ("1.0", Some(1)),
        ("1e3", Some(1000)),
        ("1.50e1", Some(15)),
        ("150e-1", Some(15)),
        ("9007199254740993.0", Some(9_007_199_254_740_993)),
        ("18446744073709551615", Some(u64::MAX.into())),
        ("-9223372036854775808", Some(i64::MIN.into())),
        ("1.5", None),
        ("15e-2", None),
        ("1e400", None),
        ("1e99999999999999999999", None),
        ("1e-99999999999999999999", None),
    ] {
        assert_eq!(integer(text), value, "{text}");
    }
}
