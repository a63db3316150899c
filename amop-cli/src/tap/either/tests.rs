use amop_proto::channel::{Frame, FrameType, Seq};

use super::*;

#[test]
fn the_first_bytes_tell_the_generation() {
    for first in ["GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 101 x\r\n\r\n"] {
        let mut watcher = EitherWatcher::new(8);
        let parts: Vec<StreamPart> = first
            .as_bytes()
            .chunks(1)
            .flat_map(|c| watcher.see(c))
            .collect();
        let line = first.trim_end();
        assert_eq!(parts, [StreamPart::Note(format!("upgrade: {line}"))]);
    }
    let mut watcher = EitherWatcher::new(8);
    let frame = Frame::new(FrameType::HEARTBEAT, Seq([b'0'; 32]), "0").to_bytes();
    let parts: Vec<StreamPart> = frame.chunks(1).flat_map(|c| watcher.see(c)).collect();
    assert!(matches!(parts[..], [StreamPart::Frame(_)]), "{parts:?}");
}

#[test]
fn an_end_before_the_generation_is_known_is_reported() {
    let mut watcher = EitherWatcher::new(8);
    assert_eq!(watcher.end(), []);
    let mut watcher = EitherWatcher::new(8);
    assert_eq!(watcher.see(b"GE"), []);
    assert!(matches!(watcher.end()[..], [StreamPart::Truncated { .. }]));
}
