use super::*;
use crate::gateway::packet::INITIAL_TTL;

fn packet(version: u16, payload: impl Into<Bytes>) -> GatewayPacket {
    let mut route = PacketRoute::default();
    if version > 0 {
        route.src = Bytes::from_static(b"p2p-id-A");
        route.dst = Bytes::from_static(b"p2p-id-B");
    }
    GatewayPacket {
        version,
        kind: PacketType::AMOP,
        seq: 0x0102_0304,
        ext: ext::RESPONSE,
        route,
        payload: payload.into(),
    }
}

fn wire(codec: &GatewayCodec, packet: &GatewayPacket) -> BytesMut {
    let mut out = BytesMut::new();
    codec.encode(&packet.clone().into(), &mut out).unwrap();
    out
}

/// Returns a packet of version 2 with this zstd frame as its payload.
fn compressed(frame: &[u8]) -> BytesMut {
    let mut out = wire(&GatewayCodec::default(), &packet(2, frame.to_vec()));
    out[13] |= 0x10;
    out
}

fn refused(codec: &GatewayCodec, frame: &[u8]) -> CompressionError {
    match codec.decode(&mut compressed(frame)) {
        Err(GatewayPacketError::Compression(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn packets_of_all_versions_are_read_as_they_were_written() {
    let codec = GatewayCodec::default();
    for version in 0..=MAX_VERSION {
        let packet = packet(version, "hello");
        let out = wire(&codec, &packet);
        assert_eq!(out.len(), OutgoingPacket::from(packet.clone()).wire_len());
        for cut in 0..out.len() {
            let mut part = BytesMut::from(&out[..cut]);
            assert_eq!(codec.decode(&mut part), Ok(None), "cut at {cut}");
            assert_eq!(part.len(), cut);
            let missing = if cut < 4 { 0 } else { out.len() - cut };
            assert_eq!(codec.missing(&part), missing);
        }
        let mut two = out.clone();
        two.extend_from_slice(&out);
        assert_eq!(codec.decode(&mut two), Ok(Some(packet.clone())));
        assert_eq!(codec.decode(&mut two), Ok(Some(packet)));
        assert!(two.is_empty());
    }
}

#[test]
fn version_0_has_no_ids_on_the_wire() {
    let mut packet = packet(1, "hello");
    packet.version = 0;
    let out = wire(&GatewayCodec::default(), &packet);
    assert_eq!(out.len(), HEADER + 5);
    packet.route = PacketRoute::default();
    assert_eq!(packet.route.ttl, INITIAL_TTL);
    let read = GatewayCodec::default().decode(&mut out.clone());
    assert_eq!(read, Ok(Some(packet)));
}

#[test]
fn payloads_are_cut_out_of_the_buffer_and_written_behind_the_header_without_a_copy() {
    let codec = GatewayCodec::default();
    let mut buffer = wire(&codec, &packet(3, vec![7; 1000]));
    let range = buffer.as_ptr_range();
    let packet = codec.decode(&mut buffer).unwrap().unwrap();
    for part in [&packet.payload, &packet.route.src, &packet.route.dst] {
        assert!(range.contains(&part.as_ptr()));
    }

    let mut out = BytesMut::new();
    let rest = codec.encode_header(&packet.clone().into(), &mut out);
    assert_eq!(rest.unwrap().as_ptr(), packet.payload.as_ptr());
    let tail = packet.payload.clone();
    let mut two = OutgoingPacket::from(packet);
    two.packet.payload = Bytes::from_static(b"head");
    two.tail = tail.clone();
    out.clear();
    let rest = codec.encode_header(&two, &mut out).unwrap();
    assert_eq!(rest.as_ptr(), tail.as_ptr());
    out.put_slice(&rest);
    assert_eq!(codec.decode(&mut out), Ok(Some(two.joined())));
}

#[test]
fn packets_over_the_limit_are_neither_read_nor_written() {
    let codec = GatewayCodec::new(40);
    let mut longest = wire(&codec, &packet(1, "four"));
    assert_eq!(longest.len(), 40);
    assert!(codec.decode(&mut longest.clone()).unwrap().is_some());
    let error = GatewayPacketError::TooLong { len: 41, max: 40 };
    let mut out = BytesMut::new();
    let refused = codec.encode(&packet(1, "fives").into(), &mut out);
    assert_eq!(refused, Err(error));
    assert!(out.is_empty());
    longest[3] = 41;
    assert_eq!(codec.missing(&longest), 0);
    assert_eq!(codec.decode(&mut longest), Err(error));
}

#[test]
fn versions_that_nobody_agreed_on_are_refused() {
    let mut out = wire(&GatewayCodec::default(), &packet(3, ""));
    out[5] = 4;
    let error = GatewayPacketError::UnknownVersion { version: 4 };
    assert_eq!(GatewayCodec::default().decode(&mut out), Err(error));
    let refused = GatewayCodec::default().encode(&packet(4, "").into(), &mut out);
    assert_eq!(refused, Err(error));
}

/// Also where a FISCO node before 3.12.1 would read beyond the packet (gateway-v3 section 10).
#[test]
fn ids_that_do_not_fit_into_the_packet_are_refused() {
    let whole = wire(&GatewayCodec::default(), &packet(2, ""));
    for len in HEADER..whole.len() {
        let mut cut = BytesMut::from(&whole[..len]);
        cut[3] = u8::try_from(len).unwrap();
        cut.extend_from_slice(&whole);
        let refused = GatewayCodec::default().decode(&mut cut);
        assert_eq!(refused, Err(GatewayPacketError::IdBeyondPacket), "{len}");
    }
}

/// Any node can send such a packet through an honest neighbour.
#[test]
fn ids_longer_than_any_are_read_and_not_written() {
    let codec = GatewayCodec::default();
    let mut long = packet(1, "");
    long.route.dst = vec![b'0'; MAX_RAW_ID].into();
    let mut out = wire(&codec, &long);
    assert_eq!(codec.decode(&mut out), Ok(Some(long.clone())));

    for len in [MAX_RAW_ID + 1, usize::from(u16::MAX)] {
        long.route.dst = vec![b'0'; len].into();
        let mut out = BytesMut::new();
        let refused = codec.encode(&long.clone().into(), &mut out);
        assert_eq!(refused, Err(GatewayPacketError::IdTooLong { len }));
        assert!(out.is_empty());
        put_header(&long, long.header_len(), long.ext, &mut out);
        assert_eq!(codec.decode(&mut out), Ok(Some(long.clone())));
    }
}

#[test]
fn payloads_are_compressed_from_version_2_on_if_they_are_long_and_shrink() {
    let codec = GatewayCodec::default().with_compression(true);
    let noise: Vec<u8> = (0..3000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes())
        .collect();
    let cases = [
        (1, vec![7; 1025], false),
        (2, vec![7; 1024], false),
        (2, vec![7; 1025], true),
        (3, vec![7; 100_000], true),
        (
            3,
            crate::gateway::GatewayId::of_raw(&noise).0.to_vec(),
            false,
        ),
    ];
    for (version, payload, is_compressed) in cases {
        let packet = packet(version, payload);
        let mut out = wire(&codec, &packet);
        assert_eq!(out[13] & 0x10 != 0, is_compressed);
        let len = OutgoingPacket::from(packet.clone()).wire_len();
        assert_eq!(out.len() < len, is_compressed);
        // Readers need no setting.
        let read = GatewayCodec::default().decode(&mut out);
        assert_eq!(read, Ok(Some(packet.clone())));

        let mut two = OutgoingPacket::from(packet);
        two.tail = two.packet.payload.split_off(10);
        codec.encode(&two, &mut out).unwrap();
        let read = GatewayCodec::default().decode(&mut out);
        assert_eq!(read, Ok(Some(two.joined())));
    }
}

#[test]
fn bombs_are_refused_before_memory_is_taken() {
    // A frame of 13 bytes that claims 4 GiB - 1: far over the limit.
    let header = [0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0xff, 0xff, 0xff, 0xff];
    let claim = [&header[..], &[0x23, 0, 0, 0x61]].concat();
    let codec = GatewayCodec::default();
    let (len, max) = (u32::MAX as usize, DEFAULT_MAX_PACKET);
    assert_eq!(
        refused(&codec, &claim),
        CompressionError::TooLong { len, max }
    );

    // The same frame with 16 MiB: within the limit, and more than its blocks can hold.
    let header = [0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 1];
    let claim = [&header[..], &[0x23, 0, 0, 0x61]].concat();
    assert_eq!(refused(&codec, &claim), CompressionError::Damaged);

    // A true bomb is as long as it says, so the limit holds for it.
    let bomb = zstd::bulk::compress(&vec![0; 4 << 20], 1).unwrap();
    assert!(bomb.len() < 1000);
    let small = GatewayCodec::new(1 << 20);
    let (len, max) = (4 << 20, 1 << 20);
    assert_eq!(
        refused(&small, &bomb),
        CompressionError::TooLong { len, max }
    );
    let read = codec.decode(&mut compressed(&bomb)).unwrap().unwrap();
    assert_eq!(read.payload.len(), 4 << 20);
}

#[test]
fn damaged_frames_are_refused_wherever_they_are_cut() {
    let frame = zstd::bulk::compress(&b"hello ".repeat(500), 1).unwrap();
    let codec = GatewayCodec::default();
    assert!(codec.decode(&mut compressed(&frame)).is_ok());
    for cut in 0..frame.len() {
        let error = refused(&codec, &frame[..cut]);
        let expected = [CompressionError::Damaged, CompressionError::NoContentSize];
        assert!(expected.contains(&error), "cut at {cut}: {error:?}");
    }
    // Content of another length than the frame says.
    let mut other = frame.clone();
    other[5] ^= 1;
    assert_eq!(refused(&codec, &other), CompressionError::Damaged);
    assert_eq!(
        refused(&codec, b"no frame at all"),
        CompressionError::Damaged
    );
    let empty = zstd::bulk::compress(b"", 1).unwrap();
    assert_eq!(refused(&codec, &empty), CompressionError::NoContentSize);
}

/// Options are never compressed, so that the payload as a whole is not a frame (gateway-v3 sections
/// 2.4 and 2.6).
#[test]
fn packets_of_consensus_modules_keep_their_bytes() {
    let frame = zstd::bulk::compress(&[7; 5000], 1).unwrap();
    let bytes = [b"\0\x05group\0\0\0\x03\xe8", &frame[..]].concat();
    for kind in [PacketType::PEER_TO_PEER, PacketType::BROADCAST] {
        let mut module = packet(2, bytes.clone());
        module.kind = kind;
        for flags in [0, ext::COMPRESSED, ext::COMPRESSED | ext::RESPONSE] {
            module.ext = flags;
            for compress in [false, true] {
                let codec = GatewayCodec::default().with_compression(compress);
                let mut out = wire(&codec, &module);
                assert_eq!(out[12..14], flags.to_be_bytes());
                assert_eq!(codec.decode(&mut out), Ok(Some(module.clone())));
            }
        }
        // Also where it is long enough for compression.
        module.payload = vec![7; 5000].into();
        module.ext = 0;
        let codec = GatewayCodec::default().with_compression(true);
        let mut out = wire(&codec, &module);
        assert_eq!(codec.decode(&mut out), Ok(Some(module)));
    }
}
