use super::*;

#[test]
fn versions_round_trip() {
    for text in ["2.0.0-rc1", "2.0.0-rc3", "2.11.1", "2.9.0"] {
        assert_eq!(text.parse::<ChainVersion>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "2",
        "2.9",
        "2.9.0.1",
        "2.9.x",
        "3.2.0",
        "1.9.0",
        "2.+9.0",
        "2.9.0-",
        "2.9.0-a b",
    ] {
        assert!(text.parse::<ChainVersion>().is_err(), "{text}");
    }
}

#[test]
fn thresholds() {
    let version = |text: &str| text.parse::<ChainVersion>().unwrap();
    assert!(!version("2.8.9").has_rsa_channel());
    assert!(version("2.10.0").has_rsa_channel());
    assert!(version("2.0.0-rc1").has_rc1_header());
    assert!(!version("2.0.0-rc2").has_rc1_header());
    assert!(!version("2.1.0").has_rc1_header());
}
