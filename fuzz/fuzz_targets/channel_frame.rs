//! Channel frames in pieces, and the bodies that SDKs write by hand.
//!
//! The first byte is the size of the pieces, the rest is the stream.
#![no_main]
#![forbid(unsafe_code)]

use amop_proto::channel::{
    Frame, FrameDecoder, HandshakeRequest, HandshakeResponse, frame_topic, split_topic,
};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

const MAX: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let Some((&size, stream)) = data.split_first() else {
        return;
    };
    let decoder = FrameDecoder::new(MAX);
    let mut buffer = BytesMut::new();
    let mut taken = 0;
    for piece in stream.chunks(usize::from(size).max(1)) {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(frame)) => {
                    let wire = &stream[taken..taken + frame.wire_len()];
                    taken += wire.len();
                    check(&frame, wire);
                }
                Ok(None) => break,
                Err(error) => {
                    // It cannot be separated from the rest of the stream either.
                    assert_eq!(decoder.decode(&mut buffer), Err(error));
                    return;
                }
            }
        }
    }
    assert_eq!(buffer, stream[taken..]);
});

fn check(frame: &Frame, wire: &[u8]) {
    assert_eq!(frame.to_bytes(), wire);
    let again = Frame::from_bytes(Bytes::copy_from_slice(wire), MAX);
    assert_eq!(again.as_ref(), Ok(frame));

    if let Ok(body) = split_topic(&frame.body) {
        assert_eq!(frame_topic(&body.topic, &body.payload), frame.body);
    }
    if let Ok(request) = HandshakeRequest::parse(&frame.body) {
        let written = request.to_frame(frame.seq);
        assert_eq!(HandshakeRequest::parse(&written.body), Ok(request.clone()));
        if let Ok(version) = request.negotiate() {
            assert!((1..=3).contains(&version.number()));
        }
    }
    if let Ok(response) = HandshakeResponse::parse(&frame.body) {
        let written = response.to_body();
        assert_eq!(HandshakeResponse::parse(&written), Ok(response));
    }
}
