use super::*;

#[test]
fn addresses_round_trip() {
    for text in [
        "127.0.0.1:30300",
        "node-1.example.org:1",
        "[fe80::1]:65535",
        "a_b:30300",
    ] {
        assert_eq!(text.parse::<PeerAddr>().unwrap().to_string(), text);
    }
}

#[test]
fn other_text_is_refused() {
    let long = format!("{}:1", "h".repeat(254));
    for text in [
        "",
        ":",
        "host",
        "host:",
        ":30300",
        "host:0",
        "host:65536",
        "host:+1",
        "host:1x",
        "::1:30300",
        "[::1:30300",
        "[host]:30300",
        "[]:1",
        "a b:1",
        "a/b:1",
        &long,
    ] {
        assert!(text.parse::<PeerAddr>().is_err(), "{text}");
    }
}
