use amop_proto::{
    client::MessageKind,
    ws::{AmopRequest, EncodedMessage, WsMessage, WsSeq},
};

use super::*;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Returns a WebSocket frame, masked as SDKs do.
fn ws_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ ..126 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    let mask = [3, 1, 4, 1];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    frame
}

fn unicast(data: &[u8]) -> (Vec<u8>, StreamPart) {
    let seq = WsSeq::new(b"0123456789abcdef0123456789abcdef").unwrap();
    let request = AmopRequest::new(Bytes::from_static(b"hello"), Bytes::copy_from_slice(data));
    let message = EncodedMessage::amop(MessageKind::Unicast, &seq, &request).unwrap();
    let seen = StreamPart::Message(MessageHead {
        kind: WsType::UNICAST,
        status: WsStatus::SUCCESS,
        seq: Bytes::from_static(b"0123456789abcdef0123456789abcdef"),
        topic: Some(Bytes::from_static(b"hello")),
        payload_len: data.len(),
        start: Bytes::copy_from_slice(data),
    });
    (message.to_bytes().to_vec(), seen)
}

fn note(text: &str) -> StreamPart {
    StreamPart::Note(text.to_owned())
}

#[test]
fn messages_are_seen_in_any_cut() {
    let ((short, short_seen), (long, long_seen)) = (unicast(b"ping"), unicast(&[7; 200]));
    let mut refusal = WsMessage::new(WsType::NODE_ANSWER, WsSeq::EMPTY, "no");
    refusal.status = WsStatus::NO_SUBSCRIBER;
    let refusal = refusal.encode().unwrap().to_bytes();
    let wire = [
        REQUEST.to_vec(),
        ws_frame(0x82, &short),
        ws_frame(0x89, b"abc"),
        // In two frames, with a pong between them.
        ws_frame(0x02, &long[..20]),
        ws_frame(0x8a, b""),
        ws_frame(0x80, &long[20..]),
        ws_frame(0x81, &refusal),
        ws_frame(0x82, b"short"),
        ws_frame(0x88, &1000_u16.to_be_bytes()),
    ]
    .concat();
    let expected = [
        note("upgrade: GET / HTTP/1.1"),
        short_seen,
        note("ping, 3 bytes"),
        note("pong, 0 bytes"),
        long_seen,
        note("a text message follows"),
        StreamPart::Message(MessageHead {
            kind: WsType::NODE_ANSWER,
            status: WsStatus::NO_SUBSCRIBER,
            seq: Bytes::new(),
            topic: None,
            payload_len: 2,
            start: Bytes::from_static(b"no"),
        }),
        StreamPart::Bytes {
            len: 5,
            start: Bytes::from_static(b"short"),
        },
        note("close 1000"),
    ];
    for step in [1, 2, 3, 7, 100, wire.len()] {
        let mut watcher = V3Watcher::new(300);
        let got: Vec<StreamPart> = wire.chunks(step).flat_map(|c| watcher.see(c)).collect();
        assert_eq!(got, expected, "in steps of {step}");
        assert_eq!(watcher.end(), None);
    }
}

#[test]
fn no_more_than_the_beginning_is_kept() {
    let mut watcher = V3Watcher::new(8);
    watcher.see(REQUEST);
    let head = [&[0x82, 127][..], &(1_u64 << 30).to_be_bytes()].concat();
    assert_eq!(watcher.see(&head), []);
    for _ in 0..100 {
        assert_eq!(watcher.see(&[1; 64 * 1024]), []);
    }
    assert!(watcher.message.start.len() <= MIN_MESSAGE + KEEP + 8);
    let Some(StreamPart::Truncated { missing, .. }) = watcher.end() else {
        panic!("it is not truncated");
    };
    assert_eq!(missing, (1 << 30) - 100 * 64 * 1024);
}

#[test]
fn after_a_refusal_or_nonsense_there_are_only_bytes() {
    let mut watcher = V3Watcher::new(8);
    let refusal = b"HTTP/1.1 400 Bad Request\r\n\r\nno";
    let rest = StreamPart::Bytes {
        len: 2,
        start: Bytes::from_static(b"no"),
    };
    let expected = [note("upgrade: HTTP/1.1 400 Bad Request"), rest];
    assert_eq!(watcher.see(refusal), expected);

    let mut watcher = V3Watcher::new(8);
    watcher.see(b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
    let seen = watcher.see(&[0xf2, 0]);
    assert!(
        matches!(&seen[..], [StreamPart::Note(text), StreamPart::Bytes { len: 2, .. }]
            if text.starts_with("this is not a WebSocket frame")),
        "{seen:?}"
    );
}
