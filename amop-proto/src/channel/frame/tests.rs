use super::*;

fn sample() -> Frame {
    Frame {
        kind: FrameType::UNICAST,
        seq: Seq(*b"0123456789abcdef0123456789abcdef"),
        result: -7,
        body: Bytes::from_static(b"\x06hellopayload"),
    }
}

#[test]
fn frames_arrive_in_any_cut() {
    let (a, b) = (
        sample(),
        Frame::new(FrameType::HEARTBEAT, Seq([0; 32]), "0"),
    );
    let mut wire = BytesMut::new();
    a.encode(&mut wire);
    b.encode(&mut wire);
    for cut in 0..=wire.len() {
        let decoder = FrameDecoder::default();
        let mut buffer = BytesMut::from(&wire[..cut]);
        let mut got = Vec::new();
        while let Some(frame) = decoder.decode(&mut buffer).unwrap() {
            got.push(frame);
        }
        buffer.extend_from_slice(&wire[cut..]);
        while let Some(frame) = decoder.decode(&mut buffer).unwrap() {
            got.push(frame);
        }
        assert_eq!(got, [a.clone(), b.clone()], "cut at {cut}");
    }
}

#[test]
fn bodies_share_the_read_buffer() {
    let mut buffer = BytesMut::from(&sample().to_bytes()[..]);
    let start = buffer.as_ptr() as usize;
    let frame = FrameDecoder::default()
        .decode(&mut buffer)
        .unwrap()
        .unwrap();
    assert_eq!(frame.body.as_ptr() as usize, start + HEADER_LEN);
}

#[test]
fn limits_hold_before_the_body_is_there() {
    let decoder = FrameDecoder::new(100);
    let mut over = BytesMut::from(&101u32.to_be_bytes()[..]);
    assert_eq!(
        decoder.decode(&mut over),
        Err(FrameError::TooLong { len: 101, max: 100 })
    );
    let mut http = BytesMut::from(&b"HTTP/1.1 400 Bad Request"[..]);
    let error = decoder.decode(&mut http).unwrap_err().to_string();
    assert!(error.contains("a node of FISCO BCOS 3.x"), "{error}");
    let mut under = BytesMut::from(&41u32.to_be_bytes()[..]);
    assert_eq!(
        decoder.decode(&mut under),
        Err(FrameError::TooShort { len: 41 })
    );
}
