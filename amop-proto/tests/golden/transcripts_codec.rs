//! Frames recorded from a FISCO node 2.11.1, decoded and encoded again.
//!
//! Compares the frames between an SDK and the node, and the answers of the recorded node to
//! handshakes, heartbeats and messages that it could not deliver, with the output of the codecs.

use std::collections::HashMap;

use amop_proto::{
    channel::{
        Frame, FrameDecoder, FrameType, HandshakeRequest, HandshakeResponse, PROTOCOL_MAX_FRAME,
        ProtocolVersion, Seq, SetTopics, encode_topics, heartbeat_answer, result_code, split_topic,
    },
    p2p::{PeerCodec, PeerFrame, TopicList, packet, parse_topic_seq, protocol},
};
use bytes::{Bytes, BytesMut};
use serde_json::Value;

/// One recorded frame.
struct Record {
    flow: String,
    connection: String,
    direction: String,
    note: String,
    wire: Bytes,
}

impl Record {
    fn between_nodes(&self) -> bool {
        match self.direction.as_str() {
            "sdk->node" | "node->sdk" => false,
            "peer->node" | "node->peer" => true,
            other => panic!("unknown direction {other}"),
        }
    }
}

/// Returns all frames in the order of the recording. Records that no frame arrived are left out.
fn records() -> Vec<Record> {
    let file: Value =
        serde_json::from_str(include_str!("../data/transcripts-2.11.1.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut records = Vec::new();
    for flow in file["flows"].as_array().unwrap() {
        for frame in flow["frames"].as_array().unwrap() {
            records.push(Record {
                flow: text(&flow["name"]),
                connection: text(&frame["connection"]),
                direction: text(&frame["direction"]),
                note: text(&frame["note"]),
                wire: hex::decode(text(&frame["hex"])).unwrap().into(),
            });
        }
    }
    let silent = records.iter().filter(|record| record.wire.is_empty());
    assert_eq!((records.len(), silent.count()), (83, 5));
    records.retain(|record| !record.wire.is_empty());
    records
}

fn decode(record: &Record) -> Frame {
    let mut buffer = BytesMut::from(&record.wire[..]);
    let frame = FrameDecoder::default().decode(&mut buffer);
    assert!(buffer.is_empty(), "{}", record.flow);
    frame.unwrap().unwrap()
}

fn decode_peer(record: &Record) -> PeerFrame {
    let mut buffer = BytesMut::from(&record.wire[..]);
    let frame = PeerCodec::default().decode(&mut buffer);
    assert!(buffer.is_empty(), "{}", record.flow);
    frame.unwrap().unwrap()
}

/// Returns the frames between SDKs and nodes.
fn channel_frames() -> Vec<(Record, Frame)> {
    let mut records = records();
    records.retain(|record| !record.between_nodes());
    assert_eq!(records.len(), 60);
    let with_frame = |record| {
        let frame = decode(&record);
        (record, frame)
    };
    records.into_iter().map(with_frame).collect()
}

#[test]
fn channel_frames_survive_the_codec() {
    for (record, frame) in channel_frames() {
        assert_eq!(frame.to_bytes(), record.wire, "{}", record.flow);
        let again = Frame::from_bytes(record.wire.clone(), PROTOCOL_MAX_FRAME);
        assert_eq!(again, Ok(frame), "{}", record.flow);
    }
}

#[test]
fn peer_frames_survive_the_codec() {
    let mut requests: HashMap<Seq, Frame> = HashMap::new();
    let (mut plain, mut compressed, mut carried) = (0, 0, 0);
    for record in records() {
        if !record.between_nodes() {
            let frame = decode(&record);
            requests.entry(frame.seq).or_insert(frame);
            continue;
        }
        let frame = decode_peer(&record);
        // The recorder wrote the header of many frames into its note.
        let version = u16::from_be_bytes([record.wire[4], record.wire[5]]);
        if record.note.starts_with("version=") {
            let PeerFrame {
                protocol,
                packet,
                seq,
                ..
            } = frame;
            let note =
                format!("version={version:#x} protocol={protocol} packet={packet} seq={seq}");
            assert_eq!(record.note, note);
        }
        let compress = version & 0x8000 != 0;
        let mut again = BytesMut::new();
        let codec = PeerCodec::default().with_compression(compress);
        codec.encode(&frame, &mut again);
        if compress {
            // The recorded node's encoder may compress differently; the decompressed body must be
            // the same.
            compressed += 1;
            let request = Frame::from_bytes(frame.body.clone(), PROTOCOL_MAX_FRAME).unwrap();
            assert_eq!(requests.get(&request.seq), Some(&request));
            assert!(again.len() < frame.wire_len());
            assert_eq!(codec.decode(&mut again), Ok(Some(frame.clone())));
        } else {
            plain += 1;
            assert_eq!(again, record.wire);
        }
        if frame.protocol.abs() == protocol::AMOP {
            carried += 1;
            let inner = Frame::from_bytes(frame.body.clone(), PROTOCOL_MAX_FRAME).unwrap();
            assert_eq!(inner.to_bytes(), frame.body);
            split_topic(&inner.body).unwrap();
        }
    }
    assert_eq!((plain, compressed, carried), (17, 1, 10));
}

#[test]
fn topic_packets_are_understood() {
    let mut lists = 0;
    for record in records().iter().filter(|record| record.between_nodes()) {
        let frame = decode_peer(record);
        match (frame.protocol, frame.packet) {
            (protocol::TOPIC, packet::TOPIC_SEQ) => {
                let number = parse_topic_seq(&frame.body).unwrap();
                assert_eq!(frame.body, number.to_string());
            }
            (protocol::TOPIC, packet::REQUEST_TOPICS) => assert!(frame.body.is_empty()),
            (answer, packet::TOPICS) if answer == -protocol::TOPIC => {
                lists += 1;
                let list = TopicList::parse(&frame.body, 2).unwrap();
                let expected: &[&str] = match record.direction.as_str() {
                    "peer->node" => &["remote", "big"],
                    _ => &[],
                };
                assert_eq!(list.topics, expected);
                assert_eq!(list.encode(), frame.body);
            }
            _ => assert_eq!(frame.protocol.abs(), protocol::AMOP),
        }
    }
    assert_eq!(lists, 2);
}

#[test]
fn handshakes_and_heartbeats_are_answered_as_recorded() {
    let frames = channel_frames();
    let mut versions: HashMap<&str, ProtocolVersion> = HashMap::new();
    let (mut handshakes, mut heartbeats, mut unanswered) = (0, 0, 0);
    for (at, (record, frame)) in frames.iter().enumerate() {
        if record.direction != "sdk->node" {
            continue;
        }
        // Finds the next frame with this seq on this connection.
        let answer = frames[at + 1..].iter().find_map(|(other, answer)| {
            let same = other.connection == record.connection && answer.seq == frame.seq;
            (same && other.flow == record.flow).then_some(answer)
        });
        let ours = match frame.kind {
            FrameType::HANDSHAKE => {
                handshakes += 1;
                let version = HandshakeRequest::parse(&frame.body).and_then(|r| r.negotiate());
                version.ok().map(|version| {
                    versions.insert(&record.connection, version);
                    let response = HandshakeResponse {
                        node_version: "2.11.1".to_owned(),
                        protocol: version.number(),
                        quiet_multicasts: false,
                        answer_within: None,
                        max_frame: None,
                    };
                    response.to_body()
                })
            }
            FrameType::HEARTBEAT => {
                heartbeats += 1;
                heartbeat_answer(versions[record.connection.as_str()], &frame.body)
            }
            _ => continue,
        };
        unanswered += usize::from(ours.is_none());
        let ours = ours.map(|body| Frame::new(frame.kind, frame.seq, body));
        assert_eq!(ours.as_ref(), answer, "{}: {}", record.flow, record.note);
    }
    assert_eq!((handshakes, heartbeats, unanswered), (6, 3, 3));
}

#[test]
fn topic_sets_are_understood() {
    let mut sets = Vec::new();
    for (_, frame) in channel_frames() {
        if frame.kind == FrameType::SET_TOPICS {
            let SetTopics::Replace(topics) = SetTopics::parse(&frame.body) else {
                panic!("not understood: {:?}", frame.body);
            };
            let ours = encode_topics(topics.iter().map(String::as_str));
            assert_eq!(SetTopics::parse(&ours), SetTopics::Replace(topics.clone()));
            sets.push(topics);
        }
    }
    let long = "t".repeat(254);
    let expected: [&[&str]; 4] = [
        &["hello"],
        &["hello", "你好", &long],
        &["_block_notify_1"],
        &["local0"],
    ];
    assert_eq!(sets, expected);
}

#[test]
fn refusals_and_acknowledgements_are_as_recorded() {
    let mut requests: HashMap<Seq, Frame> = HashMap::new();
    let (mut acknowledged, mut refused) = (0, 0);
    for (record, frame) in channel_frames() {
        match (record.direction.as_str(), frame.kind) {
            ("sdk->node", FrameType::UNICAST | FrameType::MULTICAST) => {
                requests.insert(frame.seq, frame);
            }
            ("node->sdk", FrameType::RESPONSE) => {
                let request = &requests[&frame.seq];
                let body = match (request.kind, frame.result) {
                    (_, result_code::NO_SUBSCRIBER) => Bytes::new(),
                    (_, result_code::NO_SESSION) | (FrameType::MULTICAST, _) => {
                        request.body.clone()
                    }
                    // This answer was relayed from the subscriber.
                    _ => continue,
                };
                match request.kind {
                    FrameType::MULTICAST => acknowledged += 1,
                    _ => refused += 1,
                }
                assert_eq!(request.respond(frame.result, body), frame);
            }
            _ => {}
        }
    }
    assert_eq!((acknowledged, refused), (3, 3));
}
