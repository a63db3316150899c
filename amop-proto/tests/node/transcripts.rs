//! Flows that were recorded with a FISCO node, replayed with overlay nodes.
//!
//! The recorded SDKs and the recorded peer send the same frames at the same times; overlay nodes
//! must send what the FISCO nodes sent. [`Replay`] names the allowed differences.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::support::{Link, Net, Sdk, node_id, peer_frame};
use amop_proto::{
    channel::{Frame, FrameDecoder, FrameType},
    p2p::{PeerCodec, PeerFrame, packet, protocol},
};
use bytes::BytesMut;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Recording {
    flows: Vec<Flow>,
}

#[derive(Deserialize)]
struct Flow {
    name: String,
    frames: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    t_ms: f64,
    connection: String,
    direction: String,
    hex: String,
    note: String,
}

impl Recorded {
    fn bytes(&self) -> BytesMut {
        BytesMut::from(&hex::decode(&self.hex).unwrap()[..])
    }
}

/// The nodes that replace those of the recording.
///
/// These are not compared: times, except that no frame may be later than in the recording; the seqs
/// of P2P requests of the node; topic sequence numbers, except for how often they change; what
/// `getClientVersion` says about the build; packets that only overlay nodes understand; whether a
/// body is compressed.
struct Replay {
    net: Net,
    sdks: BTreeMap<String, Sdk>,
    peer: Option<Link>,
    /// The frames that the node sent on the peer's connection, without topic sequence numbers.
    to_peer: VecDeque<PeerFrame>,
    /// Topic sequence numbers, in the recording and in this run, without repetitions.
    announced: (Vec<Vec<u8>>, Vec<Vec<u8>>),
    /// This run's seqs of the requests that the recorded node made.
    seqs: BTreeMap<u32, u32>,
    compared: usize,
}

#[test]
fn overlay_nodes_write_what_fisco_nodes_wrote() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/transcripts-2.11.1.json");
    let text = std::fs::read_to_string(path).unwrap();
    let recording: Recording = serde_json::from_str(&text).unwrap();
    assert_eq!(recording.flows.len(), 12);

    let mut replay = Replay {
        net: Net::mesh(2),
        sdks: BTreeMap::new(),
        peer: None,
        to_peer: VecDeque::new(),
        announced: Default::default(),
        seqs: BTreeMap::new(),
        compared: 0,
    };
    for flow in &recording.flows {
        replay.flow(flow);
    }
    let from_node = recording.flows.iter().flat_map(|flow| &flow.frames);
    let expected = from_node.filter(|frame| frame.direction.starts_with("node"));
    assert_eq!(replay.compared, expected.count());
    assert_eq!(replay.announced.0.len(), 2);
    assert_eq!(replay.announced.1.len(), 2, "{:?}", replay.announced);
}

impl Replay {
    fn flow(&mut self, flow: &Flow) {
        let start = self.net.elapsed();
        for (at, frame) in flow.frames.iter().enumerate() {
            let context = format!("{}, frame {at} ({})", flow.name, frame.note);
            let due = start + Duration::from_secs_f64(frame.t_ms / 1000.0);
            self.net.advance(due - self.net.elapsed());
            if frame.connection.starts_with("peer") && self.peer.is_none() {
                self.peer = Some(self.net.raw_peer(0, node_id(2), false));
            }
            self.collect_from_node();
            match frame.direction.as_str() {
                "sdk->node" => self.sdk_sends(frame),
                "node->sdk" => self.sdk_received(frame, &context),
                "peer->node" => self.peer_sends(frame),
                "node->peer" => self.peer_received(frame, &context),
                other => panic!("{context}: direction {other}"),
            }
        }
        // There are no more frames than in the recording.
        self.net.secs(1);
        self.collect_from_node();
        for (name, sdk) in self.sdks.clone() {
            assert_eq!(self.net.inbox(sdk), [], "{}: {name}", flow.name);
        }
        assert_eq!(self.to_peer, [], "{}", flow.name);
    }

    fn sdk(&mut self, connection: &str) -> Sdk {
        if let Some(&sdk) = self.sdks.get(connection) {
            return sdk;
        }
        let (_, node) = connection.split_once("@node").unwrap();
        let sdk = self.net.sdk(node.parse().unwrap());
        self.sdks.insert(connection.to_owned(), sdk);
        sdk
    }

    fn sdk_sends(&mut self, recorded: &Recorded) {
        let sdk = self.sdk(&recorded.connection);
        let frame = FrameDecoder::default().decode(&mut recorded.bytes());
        let frame = frame.unwrap().unwrap();
        self.net.send(sdk, frame);
    }

    fn sdk_received(&mut self, recorded: &Recorded, context: &str) {
        self.compared += 1;
        let sdk = self.sdk(&recorded.connection);
        if recorded.hex.is_empty() {
            assert_eq!(self.net.end(sdk).inbox, [], "{context}");
            let closed = self.net.closed(sdk).is_some();
            assert_eq!(closed, recorded.note.ends_with("closed"), "{context}");
            return;
        }
        let got = self.net.end(sdk).inbox.pop_front();
        let got = got.unwrap_or_else(|| panic!("{context}: nothing came"));
        if got.kind == FrameType::RPC {
            let expected = FrameDecoder::default().decode(&mut recorded.bytes());
            same_but_for_the_build(&got, &expected.unwrap().unwrap(), context);
        } else {
            assert_eq!(hex::encode(got.to_bytes()), recorded.hex, "{context}");
        }
    }

    fn peer_sends(&mut self, recorded: &Recorded) {
        let mut frame = peer_frame_of(recorded);
        if frame.is_response() {
            frame.seq = self.seqs[&frame.seq];
        }
        self.net.peer_send(self.peer.unwrap(), frame);
        self.collect_from_node();
    }

    fn peer_received(&mut self, recorded: &Recorded, context: &str) {
        self.compared += 1;
        let expected = peer_frame_of(recorded);
        if is_topic_seq(&expected) {
            push_new(&mut self.announced.0, &expected);
            return;
        }
        let mut got = self.to_peer.pop_front();
        let got = got
            .as_mut()
            .unwrap_or_else(|| panic!("{context}: nothing came"));
        if expected.protocol > 0 {
            self.seqs.insert(expected.seq, got.seq);
            got.seq = expected.seq;
        }
        if expected.packet == packet::TOPICS && expected.protocol == -protocol::TOPIC {
            // Except for the number, both lists are empty.
            assert_eq!(expected.body, "2", "{context}");
            assert!(got.body.iter().all(u8::is_ascii_digit), "{context}");
            got.body = expected.body.clone();
        }
        assert_eq!(*got, expected, "{context}");
        // Written uncompressed, it equals the bytes of the FISCO node, unless these were
        // compressed.
        if recorded.bytes()[4] == 0 {
            let mut wire = BytesMut::new();
            PeerCodec::default().encode(got, &mut wire);
            assert_eq!(hex::encode(&wire), recorded.hex, "{context}");
        }
    }

    /// Collects the frames of the peer's connection.
    fn collect_from_node(&mut self) {
        let Some(peer) = self.peer else {
            return;
        };
        for frame in self.net.peer_inbox(peer) {
            if is_topic_seq(&frame) {
                push_new(&mut self.announced.1, &frame);
            } else if frame.protocol != protocol::EXTENSION {
                self.to_peer.push_back(frame);
            }
        }
    }
}

fn peer_frame_of(recorded: &Recorded) -> PeerFrame {
    let frame = PeerCodec::default().decode(&mut recorded.bytes());
    frame.unwrap().unwrap()
}

fn is_topic_seq(frame: &PeerFrame) -> bool {
    let announcement = peer_frame(protocol::TOPIC, packet::TOPIC_SEQ, 0, frame.body.clone());
    *frame == announcement
}

fn push_new(numbers: &mut Vec<Vec<u8>>, frame: &PeerFrame) {
    let number = frame.body.to_vec();
    if numbers.last() != Some(&number) {
        numbers.push(number);
    }
}

fn same_but_for_the_build(got: &Frame, expected: &Frame, context: &str) {
    let without_build = |frame: &Frame| {
        assert!(frame.body.ends_with(b"\n"), "{context}");
        let mut json: Value = serde_json::from_slice(&frame.body).unwrap();
        let result = json["result"].as_object_mut().unwrap();
        for key in ["Build Time", "Build Type", "Git Branch", "Git Commit Hash"] {
            assert!(result.remove(key).unwrap().is_string(), "{context}");
        }
        json
    };
    assert_eq!(without_build(got), without_build(expected), "{context}");
    let header = |frame: &Frame| (frame.kind, frame.seq, frame.result);
    assert_eq!(header(got), header(expected), "{context}");
}
