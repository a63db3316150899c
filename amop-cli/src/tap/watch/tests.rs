use amop_proto::channel::Frame;

use super::*;

fn frames() -> [Frame; 3] {
    let seq = Seq(*b"0123456789abcdef0123456789abcdef");
    let mut response = Frame::amop(FrameType::RESPONSE, seq, b"hello", &[7; 2000]);
    response.result = -3;
    [
        Frame::new(FrameType::HEARTBEAT, seq, ""),
        response,
        Frame::new(FrameType(0x7777), seq, "abc"),
    ]
}

fn seen(frame: &Frame, keep: usize) -> StreamPart {
    StreamPart::Frame(FrameHead {
        kind: frame.kind,
        seq: frame.seq,
        result: frame.result,
        body_len: frame.body.len(),
        start: frame.body.slice(..frame.body.len().min(keep)),
    })
}

#[test]
fn frames_are_seen_in_any_cut() {
    let frames = frames();
    let wire: Vec<u8> = frames.iter().flat_map(|f| f.to_bytes()).collect();
    let expected: Vec<StreamPart> = frames.iter().map(|f| seen(f, 255 + 64)).collect();
    for step in [1, 2, 3, 5, 41, 42, 43, 1000, wire.len()] {
        let mut watcher = Watcher::new(64);
        let got: Vec<StreamPart> = wire.chunks(step).flat_map(|c| watcher.see(c)).collect();
        assert_eq!(got, expected, "in steps of {step}");
        assert_eq!(watcher.end(), None);
    }
}

#[test]
fn no_more_than_the_beginning_is_kept() {
    let mut watcher = Watcher::new(8);
    let mut header = frames()[1].header();
    header[..4].copy_from_slice(&(PROTOCOL_MAX_FRAME as u32).to_be_bytes());
    assert_eq!(watcher.see(&header), []);
    for _ in 0..100 {
        assert_eq!(watcher.see(&[1; 64 * 1024]), []);
    }
    assert!(watcher.kept.len() <= HEADER_LEN + 255 + 8);
}

#[test]
fn after_a_bad_length_there_are_only_bytes() {
    for (length, error) in [
        (41, FrameError::TooShort { len: 41 }),
        (
            PROTOCOL_MAX_FRAME as u32 + 1,
            FrameError::TooLong {
                len: PROTOCOL_MAX_FRAME + 1,
                max: PROTOCOL_MAX_FRAME,
            },
        ),
    ] {
        let mut watcher = Watcher::new(64);
        let mut bytes = frames()[0].to_bytes().to_vec();
        bytes.extend_from_slice(&u32::to_be_bytes(length));
        bytes.extend_from_slice(b"more");
        let raw = |bytes: &'static [u8]| StreamPart::Bytes {
            len: bytes.len(),
            start: bytes.into(),
        };
        let field = StreamPart::Bytes {
            len: 4,
            start: Bytes::copy_from_slice(&length.to_be_bytes()),
        };
        assert_eq!(
            watcher.see(&bytes),
            [
                seen(&frames()[0], 64),
                StreamPart::Undecodable(error),
                field,
                raw(b"more")
            ]
        );
        assert_eq!(watcher.see(b"and more"), [raw(b"and more")]);
        assert_eq!(watcher.end(), None);
    }
}

#[test]
fn a_stream_may_end_within_a_frame() {
    let wire = frames()[2].to_bytes();
    let mut watcher = Watcher::new(64);
    assert_eq!(watcher.see(&wire[..44]), []);
    assert_eq!(
        watcher.end(),
        Some(StreamPart::Truncated {
            missing: 1,
            start: wire.slice(..44)
        })
    );
    let mut watcher = Watcher::new(64);
    watcher.see(&wire[..3]);
    assert_eq!(
        watcher.end(),
        Some(StreamPart::Truncated {
            missing: 39,
            start: wire.slice(..3)
        })
    );
}
