//! The node-node protocol.

use amop_proto::{
    MAX_TOPIC_LEN,
    channel::{DEFAULT_MAX_FRAME, PROTOCOL_MAX_FRAME},
    p2p::{
        NodeId, PEER_HEADER_LEN, PeerCodec, PeerFrame, PeerFrameError, TopicList, TopicListError,
        mesh::{
            MAX_VERSION, MulticastHeader, Record, RecordsError, RelayedMulticastHeader,
            RelayedUnicastHeader, RoutingKey, SharedSecret, SignedRecord, Subject, UnicastHeader,
            Whole, decode_keys, decode_known, encode_keys, encode_known,
        },
        parse_topic_seq,
    },
};
use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, prelude::*};

use crate::{any_bytes, config, in_pieces, message_body};

fn any_frame(protocol: impl Strategy<Value = i32>) -> impl Strategy<Value = PeerFrame> {
    let head = (protocol, any::<u16>(), any::<u32>());
    (head, message_body()).prop_map(|((protocol, packet, seq), body)| PeerFrame {
        protocol,
        packet,
        seq,
        body,
    })
}

fn encode(codec: &PeerCodec, frames: &[PeerFrame]) -> BytesMut {
    let mut wire = BytesMut::new();
    for frame in frames {
        codec.encode(frame, &mut wire);
    }
    wire
}

/// Generates states and changes of nodes; topics may be too long to be written.
fn any_id() -> impl Strategy<Value = NodeId> {
    any::<[u8; 32]>().prop_map(|half| {
        let mut id = [0; 64];
        id[..32].copy_from_slice(&half);
        NodeId(id)
    })
}

fn any_record() -> impl Strategy<Value = Record> {
    let key = || any::<u64>().prop_map(RoutingKey);
    let topics = vec((any_bytes(300), any::<u32>()), 0..6);
    let neighbours = prop::option::of(vec(key(), 0..5));
    let versions = (1..=MAX_VERSION, any::<u64>());
    let whole = (any::<[u8; 32]>(), vec(any_bytes(300), 0..4));
    let ids = (any_id(), prop::option::of(any_id()));
    (versions, ids, whole, neighbours, topics).prop_map(
        |((version, base), (node, border), (agreement, chain), neighbours, topics)| {
            let base = base % version;
            let subject = match border {
                None => Subject::Node(node),
                Some(border) => Subject::Stub {
                    fisco: node,
                    border,
                },
            };
            let is_whole = base == 0 && border.is_none();
            let neighbours = neighbours.or(is_whole.then(Vec::new));
            Record {
                subject,
                version,
                base,
                whole: is_whole.then_some(Whole { agreement, chain }),
                neighbours: neighbours.filter(|_| border.is_none()),
                topics,
            }
        },
    )
}

fn sign(record: &Record) -> SignedRecord {
    let signer = SharedSecret::new(*record.subject.signer());
    record.clone().sign(&signer).unwrap()
}

/// Generates snappy blocks, valid or damaged.
fn compressed() -> impl Strategy<Value = Vec<u8>> {
    let block = message_body().prop_map(|body| {
        let mut encoder = snap::raw::Encoder::new();
        encoder.compress_vec(&body).unwrap()
    });
    let damage = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let damaged = (block, damage).prop_map(|(mut block, damage)| {
        for (at, value) in damage {
            let at = at.index(block.len());
            block[at] = value;
        }
        block
    });
    prop_oneof![damaged, any_bytes(100).prop_map(Vec::from)]
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn frames_are_read_as_written_in_any_cut(
        frames in vec(any_frame(any::<i32>()), 0..5),
        sizes in vec(1usize..400, 0..20),
        compress in any::<bool>(),
        reader_compresses in any::<bool>(),
    ) {
        let writer = PeerCodec::default().with_compression(compress);
        let reader = PeerCodec::default().with_compression(reader_compresses);
        let wire = encode(&writer, &frames);
        let plain: usize = frames.iter().map(PeerFrame::wire_len).sum();
        if compress {
            prop_assert!(wire.len() <= plain, "compression must not lengthen");
        } else {
            prop_assert_eq!(wire.len(), plain);
        }
        let read = in_pieces(&wire, &sizes, |buffer| reader.decode(buffer));
        prop_assert_eq!(read, Ok(frames));
    }

    #[test]
    fn compression_is_for_long_bodies_that_shrink(
        unit in any::<u8>(),
        noise in vec(any::<u8>(), 1025..2000),
        len in 0usize..3000,
    ) {
        let codec = PeerCodec::default().with_compression(true);
        let is_compressed = |body: Bytes| {
            let frame = PeerFrame { protocol: 1, packet: 0, seq: 2, body };
            let wire = encode(&codec, std::slice::from_ref(&frame));
            (wire[4] == 0x80, wire.len() < frame.wire_len())
        };
        prop_assert_eq!(is_compressed(vec![unit; len].into()), (len > 1024, len > 1024));
        let (flag, shorter) = is_compressed(noise.into());
        prop_assert_eq!(flag, shorter);
    }

    #[test]
    fn any_bytes_are_frames_or_refused(
        len in prop_oneof![0u32..200, any::<u32>()],
        version in prop_oneof![Just(0u16), any::<u16>()],
        rest in any_bytes(200),
        max in prop_oneof![0usize..300, any::<usize>()],
    ) {
        let wire = [&len.to_be_bytes()[..], &version.to_be_bytes()[..], &rest[..]].concat();
        let mut buffer = BytesMut::from(&wire[..]);
        let in_force = max.clamp(PEER_HEADER_LEN, PROTOCOL_MAX_FRAME);
        let codec = PeerCodec::new(max);
        let len = len as usize;
        let read = codec.decode(&mut buffer);
        let taken = wire.len() - buffer.len();
        match read {
            Err(PeerFrameError::TooShort { len: said }) => {
                prop_assert!(said == len && len < PEER_HEADER_LEN && taken == 0);
            }
            Err(PeerFrameError::TooLong { len: said, max }) => {
                prop_assert!(said == len && len > max && max == in_force && taken == 0);
            }
            Err(other) => prop_assert!(false, "{other}"),
            Ok(None) => prop_assert!(len > wire.len() && taken == 0),
            Ok(Some(frame)) => {
                prop_assert_eq!(taken, len);
                if version & 0x8000 == 0 {
                    prop_assert_eq!(&frame.body, &wire[PEER_HEADER_LEN..len]);
                }
            }
        }
    }

    #[test]
    fn damaged_compression_costs_the_body_only(
        block in compressed(),
        max in 100usize..8000,
        flags in any::<u16>(),
    ) {
        let mut wire = BytesMut::new();
        wire.extend_from_slice(&(16 + block.len() as u32).to_be_bytes());
        // All bits except the highest have no meaning (p2p-v2 section 4.1).
        wire.extend_from_slice(&(0x8000 | flags).to_be_bytes());
        wire.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 9]);
        wire.extend_from_slice(&block);
        let expected = snap::raw::Decoder::new()
            .decompress_vec(&block)
            .ok()
            .filter(|body| body.len() <= max)
            .unwrap_or_default();
        match PeerCodec::new(max).decode(&mut wire) {
            Ok(Some(frame)) => {
                prop_assert_eq!((frame.protocol, frame.packet, frame.seq), (1, 0, 9));
                prop_assert_eq!(frame.body, expected);
            }
            other => prop_assert_eq!(other, Err(PeerFrameError::TooLong { len: 16 + block.len(), max })),
        }
    }

    #[test]
    fn topic_lists_are_read_as_written_but_split_at_tabs(
        seq in any::<u32>(),
        topics in vec(vec(prop_oneof![Just(b'\t'), any::<u8>()], 0..12), 0..12),
    ) {
        let list = TopicList { seq, topics: topics.iter().cloned().map(Bytes::from).collect() };
        let pieces: Vec<Bytes> = topics
            .iter()
            .flat_map(|topic| topic.split(|&byte| byte == b'\t').map(Bytes::copy_from_slice))
            .collect();
        let count = pieces.len();
        let body = list.encode();
        prop_assert_eq!(TopicList::parse(&body, count), Ok(TopicList { seq, topics: pieces }));
        if count > 0 {
            let max = count - 1;
            prop_assert_eq!(TopicList::parse(&body, max), Err(TopicListError::TooMany { max }));
        }
    }

    #[test]
    fn any_topic_packet_is_read_or_refused(body in prop_oneof![
        any_bytes(100),
        "[+-]?[0-9]{0,11}(\t[a-c\t]{0,3}){0,5}".prop_map(Bytes::from),
    ]) {
        let number = body.split(|&byte| byte == b'\t').next().unwrap_or_default();
        let plain = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
        let value = plain.then(|| String::from_utf8_lossy(number).parse::<u32>().ok()).flatten();
        prop_assert_eq!(parse_topic_seq(number).ok(), value);
        match TopicList::parse(&body, 1000) {
            Ok(list) => {
                prop_assert_eq!(Some(list.seq), value);
                // The number may have had leading zeros; the topics are the same as before.
                prop_assert_eq!(&list.encode()[list.seq.to_string().len()..], &body[number.len()..]);
            }
            Err(error) => prop_assert!(value.is_none() && error == TopicListError::BadNumber),
        }
    }

    #[test]
    fn records_are_read_as_written(records in vec(any_record(), 0..5)) {
        let signed: Vec<SignedRecord> = records.iter().map(sign).collect();
        let body: Vec<u8> = signed.iter().flat_map(|record| record.bytes().to_vec()).collect();
        let body = Bytes::from(body);
        for (record, signed) in records.into_iter().zip(&signed) {
            let mut topics = record.topics.clone();
            topics.sort_by(|(a, _), (b, _)| a.cmp(b));
            topics.dedup_by(|(a, _), (b, _)| a == b);
            topics.retain(|(topic, _)| topic.len() <= MAX_TOPIC_LEN);
            prop_assert_eq!(signed.record(), &Record { topics, ..record });
        }
        let most = signed.iter().map(|record| record.record().topics.len()).max().unwrap_or(0);
        let too_many = most.checked_sub(1).map(|max| SignedRecord::decode_all(body.clone(), max));
        if let Some(refused) = too_many {
            let right = matches!(refused, Err(RecordsError::TooManyTopics { max, .. }) if max + 1 == most);
            prop_assert!(right, "{refused:?}");
        }
        prop_assert_eq!(SignedRecord::decode_all(body, most), Ok(signed));
    }

    #[test]
    fn any_records_packet_is_read_or_refused(
        records in vec(any_record(), 0..3),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        rest in any_bytes(40),
    ) {
        let mut body = BytesMut::new();
        for record in &records {
            body.extend_from_slice(sign(record).bytes());
        }
        body.extend_from_slice(&rest);
        for (at, byte) in damage {
            if !body.is_empty() {
                let at = at.index(body.len());
                body[at] = byte;
            }
        }
        let body = body.freeze();
        if let Ok(read) = SignedRecord::decode_all(body.clone(), 1000) {
            let again: Vec<u8> = read.iter().flat_map(|record| record.bytes().to_vec()).collect();
            prop_assert_eq!(SignedRecord::decode_all(again.into(), 1000), Ok(read));
        }
    }

    #[test]
    fn any_message_of_the_network_is_read_or_refused(body in any_bytes(200)) {
        if let Some((header, frame)) = UnicastHeader::decode(body.clone()) {
            prop_assert_eq!(frame.len() + 24, body.len());
            prop_assert_eq!(header.source, RoutingKey(u64::from_be_bytes(body[..8].try_into().unwrap())));
        }
        if let Some((spread, frame)) = MulticastHeader::decode(body.clone()) {
            prop_assert_eq!(spread.encode(&frame[..]), body.clone());
        }
        if let Some((relayed, frame)) = RelayedUnicastHeader::decode(body.clone()) {
            prop_assert_eq!(relayed.encode(&frame[..]), body.clone());
        }
        if let Some((spread, frame)) = RelayedMulticastHeader::decode(body.clone()) {
            prop_assert_eq!(spread.encode(&frame[..]), body.clone());
        }
        if let Some(keys) = decode_keys(body.clone(), 1000) {
            prop_assert_eq!(encode_keys(keys), body.clone());
        }
        if let Some(known) = decode_known(body.clone(), 1000) {
            prop_assert_eq!(encode_known(known), body);
        }
    }

    #[test]
    fn any_text_is_a_node_id_or_refused(text in prop_oneof![
        "[0-9a-fA-F]{128}", "[0-9a-g]{128}", any::<String>(), "\\PC{32,128}",
    ]) {
        match text.parse::<NodeId>() {
            Ok(id) => prop_assert_eq!(id.to_string(), text.to_ascii_lowercase()),
            Err(_) => {
                let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
                prop_assert!(text.len() != 128 || !hex);
            }
        }
    }
}

#[test]
fn the_largest_message_fits_between_nodes_of_default_limits() {
    // Random bytes, which snappy would make longer.
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 56) as u8
    })
    .take(DEFAULT_MAX_FRAME)
    .collect();
    let frame = PeerFrame {
        protocol: 1,
        packet: 0,
        seq: 2,
        body: noise.into(),
    };
    for compress in [false, true] {
        let codec = PeerCodec::default().with_compression(compress);
        let mut wire = encode(&codec, std::slice::from_ref(&frame));
        assert!(
            codec.decode(&mut wire) == Ok(Some(frame.clone())),
            "{compress}"
        );
    }
}
