//! Frames between nodes, compressed or not, and the parsing of their bodies.
//!
//! The first byte says whether to compress when writing, the rest is the stream.
#![no_main]
#![forbid(unsafe_code)]

use amop_proto::{
    channel::Frame,
    p2p::{PeerCodec, PeerFrame, TopicList, parse_topic_seq},
};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

const MAX: usize = 65536;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, stream)) = data.split_first() else {
        return;
    };
    let codec = PeerCodec::new(MAX).with_compression(choice & 1 != 0);
    let mut buffer = BytesMut::from(stream);
    while let Ok(Some(frame)) = codec.decode(&mut buffer) {
        check(&codec, &frame);
    }
});

fn check(codec: &PeerCodec, frame: &PeerFrame) {
    assert!(frame.body.len() <= MAX);
    let mut wire = BytesMut::new();
    codec.encode(frame, &mut wire);
    assert!(wire.len() <= frame.wire_len());
    // A compressed body may be within the limit only without its header.
    if wire.len() <= MAX {
        assert_eq!(codec.decode(&mut wire).as_ref(), Ok(&Some(frame.clone())));
        assert!(wire.is_empty());
    }

    if let Ok(inner) = Frame::from_bytes(frame.body.clone(), MAX) {
        assert_eq!(inner.to_bytes(), frame.body[..inner.wire_len()]);
    }
    if let Ok(list) = TopicList::parse(&frame.body, 1000) {
        assert!(list.topics.len() <= 1000);
        assert_eq!(TopicList::parse(&list.encode(), 1000), Ok(list));
    }
    if let Ok(number) = parse_topic_seq(&frame.body) {
        assert_eq!(parse_topic_seq(number.to_string().as_bytes()), Ok(number));
    }
}
