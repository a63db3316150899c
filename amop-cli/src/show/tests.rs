use amop_proto::channel::Seq;

use super::*;

#[test]
fn no_content_breaks_the_line() {
    assert_eq!(preview(b"a\x1b[2J\n\"", 64, false), r#""a\u{1b}[2J\n\"""#);
    // C1 controls and marks that change the reading direction are as harmful.
    assert_eq!(
        preview("\u{9b}\u{202e}".as_bytes(), 64, false),
        r#""\u{9b}\u{202e}""#
    );
}

#[test]
fn previews_are_cut() {
    assert_eq!(preview(b"hello", 4, false), "\"hell\"...");
    assert_eq!(preview(b"hello", 5, false), "\"hello\"");
    assert_eq!(preview("话题".as_bytes(), 4, false), "\"话\"...");
    assert_eq!(preview(b"\xff\x00\x01", 2, false), "ff00...");
    assert_eq!(preview(b"hi", 64, true), "6869");
    // Text that its sender cut off is not text.
    assert_eq!(preview(&"话".as_bytes()[..2], 64, false), "e8af");
}

#[test]
fn answers_may_have_no_topic() {
    let seq = Seq([b'0'; 32]);
    let framed = Frame::amop(FrameType::RESPONSE, seq, b"hello", b"ok");
    assert!(frame(&framed).ends_with("result=0 topic=\"hello\" 2 bytes \"ok\""));
    let raw = Frame::new(FrameType::RESPONSE, seq, "raw");
    assert!(frame(&raw).ends_with("result=0 3 bytes \"raw\""));
}
