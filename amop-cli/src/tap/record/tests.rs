use amop_proto::channel::{Frame, FrameType, Seq};
use chrono::TimeZone;

use super::{super::watch::Watcher, *};

const STYLE: Style = Style {
    hex: false,
    max: 16,
};

fn record(frame: &Frame) -> TapRecord {
    let seen = Watcher::new(STYLE.max).see(&frame.to_bytes()).remove(0);
    TapRecord {
        time: Local.with_ymd_and_hms(2026, 1, 2, 3, 4, 5).unwrap(),
        connection: 7,
        direction: Some(Direction::ToNode),
        what: What::of(seen),
    }
}

fn seq() -> Seq {
    Seq([b'0'; 32])
}

#[test]
fn a_message_is_one_line() {
    let message = Frame::amop(FrameType::UNICAST, seq(), b"hello", b"line\nbreak");
    assert_eq!(
        record(&message).to_text(STYLE),
        format!(
            "03:04:05.000 #7 sdk->node unicast (0x30) seq={} result=0 topic=\"hello\" 10 bytes \
             \"line\\nbreak\"",
            "0".repeat(32)
        )
    );
    let hex = Style { hex: true, ..STYLE };
    assert!(
        record(&message)
            .to_text(hex)
            .ends_with("10 bytes 6c696e650a627265616b")
    );
}

#[test]
fn previews_end_where_they_should() {
    let tail = |payload: &[u8], style| {
        let message = Frame::amop(FrameType::UNICAST, seq(), b"t", payload);
        let line = record(&message).to_text(style);
        line.split_once("topic=\"t\" ").unwrap().1.to_owned()
    };
    assert_eq!(tail(&[b'a'; 16], STYLE), "16 bytes \"aaaaaaaaaaaaaaaa\"");
    assert_eq!(tail(&[b'a'; 17], STYLE), "17 bytes \"aaaaaaaaaaaaaaaa\"...");
    assert_eq!(
        tail(&[b'a'; 9000], STYLE),
        "9000 bytes \"aaaaaaaaaaaaaaaa\"..."
    );
    assert_eq!(tail(b"", STYLE), "0 bytes");
    let none = Style { max: 0, ..STYLE };
    assert_eq!(tail(b"secret", none), "6 bytes \"\"...");
}

#[test]
fn every_type_has_a_name() {
    for (code, name) in [
        (0x12, "rpc"),
        (0x13, "heartbeat"),
        (0x14, "handshake"),
        (0x15, "event-register"),
        (0x16, "event-unregister"),
        (0x30, "unicast"),
        (0x31, "response"),
        (0x32, "set-topics"),
        (0x35, "multicast"),
        (0x37, "verify-peer"),
        (0x38, "verify-result"),
        (0x1000, "transaction-notify"),
        (0x1001, "block-notify"),
        (0x1002, "event-push"),
        (0x7777, "unknown"),
    ] {
        let line = record(&Frame::new(FrameType(code), seq(), "")).to_text(STYLE);
        assert!(line.contains(&format!(" {name} (0x{code:x}) ")), "{line}");
    }
}

#[test]
fn json_has_the_same() {
    let mut message = Frame::amop(FrameType::RESPONSE, seq(), b"hello", "ok\u{9b}".as_bytes());
    message.result = 104;
    let line = record(&message).to_json(STYLE);
    assert!(!line.chars().any(char::is_control), "{line}");
    let value: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["event"], "frame");
    assert_eq!(value["connection"], 7);
    assert_eq!(value["direction"], "sdk->node");
    assert_eq!(value["type"], "response");
    assert_eq!(value["code"], "0x31");
    assert_eq!(value["result"], 104);
    assert_eq!(value["topic"], "hello");
    assert_eq!(value["length"], 4);
    assert_eq!(value["text"], "ok\u{9b}");
    assert!(
        value["time"]
            .as_str()
            .unwrap()
            .starts_with("2026-01-02T03:04:05.000")
    );

    let binary = Frame::new(FrameType::RESPONSE, seq(), &b"\xff\x00"[..]);
    let value: Value = serde_json::from_str(&record(&binary).to_json(STYLE)).unwrap();
    assert_eq!(value["topic"], Value::Null);
    assert_eq!(value["hex"], "ff00");
}
