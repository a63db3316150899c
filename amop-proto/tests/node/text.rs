//! A node machine does not parse the text of a session itself: frames are passed to it parsed, so
//! that no other session waits for a JSON parser.

use std::{fs, path::Path, time::Duration};

use crate::support::{Net, config, seq};
use amop_proto::{
    channel::{Frame, FrameType, Seq, encode_topics},
    node::{Listing, NodeEvent, NodeNotice, SessionInput},
};

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("rpc") {
            // The reader of JSON-RPC requests, which `input.rs` calls.
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// `NodeEvent::SessionFrame` accepts only parsed frames, and of the node's source files only those
/// that create them parse text.
#[test]
fn no_source_of_the_node_reads_json_but_those_that_read_before_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/node");
    let mut found = Vec::new();
    sources(&folder, &mut found);
    assert!(found.len() > 20);
    let readers = [
        "serde",
        "HandshakeRequest::parse",
        "Request::read",
        "Verdict::parse",
        "ReadTopics::read",
        "read_names",
        "SetTopics::parse",
        "TopicList::parse",
    ];
    let mut reading = 0;
    found.retain(|(name, _)| name != "tests.rs");
    for (name, text) in found {
        let reads = readers.iter().any(|reader| text.contains(reader));
        let may = ["input.rs", "topic_set.rs", "peer_input.rs"].contains(&&*name);
        assert!(!reads || may, "{name} reads JSON");
        reading += usize::from(reads);
    }
    assert_eq!(reading, 3, "the test recognises the files that parse text");
}

#[test]
fn only_texts_count_as_text() {
    let frame = |kind| Frame::new(kind, Seq([b'0'; 32]), vec![b' '; 1000]);
    for kind in [
        FrameType::SET_TOPICS,
        FrameType::RPC,
        FrameType::HANDSHAKE,
        FrameType::VERIFY_RESULT,
    ] {
        assert_eq!(SessionInput::text(&frame(kind)), 1000, "{kind:?}");
    }
    for kind in [
        FrameType::UNICAST,
        FrameType::MULTICAST,
        FrameType::RESPONSE,
        FrameType::HEARTBEAT,
        FrameType(0x77),
    ] {
        assert_eq!(SessionInput::text(&frame(kind)), 0, "{kind:?}");
    }
}

/// However many topics the reader accepts.
#[test]
fn of_a_set_a_session_gets_as_many_topics_as_it_may_hold() {
    let topics: Vec<String> = (0..100).map(|n| format!("{n:03}")).collect();
    let body = encode_topics(topics.iter().map(String::as_str));
    for read in [10, 1_000_000] {
        let mut config = config(0);
        config.limits.session_topics = 10;
        let mut net = Net::with([config]);
        let sdk = net.sdk(0);
        let frame = Frame::new(FrameType::SET_TOPICS, seq(1), body.clone());
        let input = SessionInput::read(frame, read);
        net.event(0, NodeEvent::SessionFrame(sdk.id, input));
        net.advance(Duration::from_millis(10));
        assert_eq!(net.nodes[0].machine.own_topics(), topics[..10]);
        let [NodeNotice::TopicIgnored { topic, others, .. }] = &net.notices(0)[..] else {
            panic!("one notice");
        };
        assert_eq!((topic.as_str(), *others), ("010", 89));
        assert_eq!(net.nodes[0].machine.router().counters().topics_ignored, 90);
    }
}

/// For any request the node is locked only for small pieces, and the pieces together are the whole
/// list.
#[test]
fn lists_are_copied_in_pieces() {
    let mut net = Net::mesh(2);
    let all: Vec<String> = (0..3000).map(|n| format!("topic{n:04}")).collect();
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    for (node, names) in [(0, &names[..1000]), (1, &names[1000..])] {
        for names in names.chunks(500) {
            net.subscriber(node, names);
        }
    }
    net.fisco_peer(0, 5, &names[..700].join("\t"));
    net.secs(1);
    let machine = &net.nodes[0].machine;
    let needs = amop_proto::node::rpc::Needs {
        peers: true,
        peer_topics: true,
        own_topics: true,
    };
    let mut pieces = 0;
    let listing = Listing::copy(needs, |piece| {
        pieces += 1;
        piece(machine);
    });
    assert_eq!(listing.own_topics, all[..1000]);
    assert_eq!(listing.peers[0].topics, all[1000..]);
    assert_eq!(listing.peers[1].topics, all[..700]);
    // The node's own topics, the peers' names, each peer and its topics.
    assert!(
        pieces >= 1000 / 256 + 1 + 2 + 2000 / 256 + 700 / 256,
        "{pieces}"
    );
    assert_eq!(listing.peers, machine.peer_infos());
}

#[test]
fn lists_without_end_are_cut() {
    let mut config = config(0);
    config.limits.session_topics = 100_000;
    config.limits.peer_topics = 1_000_000;
    let mut net = Net::with([config]);
    // 17 MB of topics.
    let names: Vec<String> = (0..68_000).map(|n| format!("{n:0250}")).collect();
    net.fisco_peer(0, 5, &names.join("\t"));
    net.secs(1);
    let told: usize = net.nodes[0].machine.peer_infos()[0]
        .topics
        .iter()
        .map(|topic| topic.len() + 3)
        .sum();
    assert!(told <= 16 << 20 && told > (16 << 20) - 300, "{told}");
}
