use super::*;

#[test]
fn a_claim_of_a_huge_body_costs_nothing() {
    let codec = PeerCodec::new(1 << 20);
    // Length 28, compressed, and a snappy preamble that claims 4 GiB.
    let mut wire = BytesMut::from(
        &hex::decode("0000001c80000000000100000000000effffffff0f67617262616765").unwrap()[..],
    );
    let frame = codec.decode(&mut wire).unwrap().unwrap();
    assert!(frame.body.is_empty());
    assert_eq!(frame.seq, 14);
}

#[test]
fn compression_starts_above_1024_bytes() {
    let codec = PeerCodec::default().with_compression(true);
    for (len, flag) in [(1024, 0), (1025, 0x80)] {
        let frame = PeerFrame {
            protocol: 1,
            packet: 0,
            seq: 9,
            body: vec![7; len].into(),
        };
        let mut wire = BytesMut::new();
        codec.encode(&frame, &mut wire);
        assert_eq!(wire[4], flag, "{len}");
        // A codec that does not compress still reads compressed frames.
        assert_eq!(PeerCodec::default().decode(&mut wire).unwrap(), Some(frame));
    }
}
