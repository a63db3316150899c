//! Changes of topics are limited: one session that changes thousands cannot make the node, and the
//! nodes around it, do more work than the limits allow.

use std::time::Duration;

use crate::support::{
    Net, Sdk, config, error, inner, multicast, peer_frame, read_records, topic_list, unicast,
};
use amop_proto::{
    channel::{FrameType, encode_topics, read_shortage, result_code},
    node::NodeNotice,
    p2p::{PeerFrame, TopicList, mesh, packet, protocol},
};

/// The maximum number of topics of a session.
const MANY: usize = 4096;

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n:04}")).collect()
}

/// Sends a set without letting time pass.
fn set(net: &mut Net, sdk: Sdk, names: &[String]) {
    let body = encode_topics(names.iter().map(String::as_str));
    net.send_body(sdk, FrameType::SET_TOPICS, &body);
}

fn held(net: &Net) -> usize {
    net.nodes[0].machine.router().local_topics().count()
}

fn is_quiet(net: &Net) -> bool {
    !net.nodes[0].machine.router().is_changing_topics()
}

/// Returns a session of a native client, after its handshake.
fn native_client(net: &mut Net) -> Sdk {
    let native = net.sdk(0);
    net.send_body(
        native,
        FrameType::HANDSHAKE,
        br#"{"clientType":"amop-rust","maximumSupport":3}"#,
    );
    net.only(native);
    native
}

/// Returns the number of topics in the records that a peer was sent.
fn told(net: &mut Net, peer: crate::support::Link) -> usize {
    let frames = net.peer_inbox(peer).into_iter();
    let records = frames.filter(|frame| frame.packet == mesh::packet::RECORDS);
    let records: Vec<_> = records.flat_map(|frame| read_records(&frame)).collect();
    records.iter().map(|record| record.topics.len()).sum()
}

#[test]
fn what_a_client_wants_at_its_start_is_there_within_milliseconds() {
    let mut net = Net::new(1);
    let sdk = net.sdk(0);
    set(&mut net, sdk, &names("a", MANY));
    assert!(held(&net) > 0 && held(&net) < MANY, "not all in one go");
    net.advance(Duration::from_millis(80));
    assert!(is_quiet(&net));
    assert_eq!(held(&net), MANY);
    // Other sessions change topics at the same time; if all change at once they must wait a little.
    let sdks: Vec<Sdk> = (0..50).map(|key| net.sdk_of(0, 1, key)).collect();
    for &sdk in &sdks {
        set(&mut net, sdk, &names("b", 200));
    }
    net.advance(Duration::from_millis(200));
    assert!(is_quiet(&net));
    assert_eq!(held(&net), MANY + 200);
}

#[test]
fn a_session_that_flips_all_its_topics_makes_no_more_work_than_it_may() {
    let mut net = Net::new(1);
    let peer = net.overlay_peer(0, 5, &[]);
    let flipper = net.sdk(0);
    let sets = [names("a", MANY), names("b", MANY)];
    let (rate, burst) = (1000, 5000);
    let mut frames = 0;
    // Twenty changes every second, for 20 s.
    for round in 0..400 {
        set(&mut net, flipper, &sets[round % 2]);
        net.advance(Duration::from_millis(50));
        frames += 1;
    }
    // Without a limit there would be 3 million.
    let told = told(&mut net, peer);
    let most = burst + 20 * rate;
    assert!(told > burst / 2 && told <= most, "{told} of {frames} sets");
    let counters = net.nodes[0].machine.router().counters();
    assert!(counters.topic_sets_passed_over > 390, "{counters:?}");
    // The last set is in force as soon as the limit allows it.
    set(&mut net, flipper, &["last".to_owned()]);
    net.secs(20);
    assert!(is_quiet(&net));
    let topics: Vec<_> = net.nodes[0].machine.own_topics();
    assert_eq!(topics, ["last"]);
}

#[test]
fn others_take_turns_with_whoever_has_much_to_change() {
    let mut config = config(0);
    config.limits.topic_changes = 100;
    let mut net = Net::with([config]);
    // Twenty sessions of one key use up the changes that the node may make.
    let sets = [names("a", 1000), names("b", 1000)];
    let flippers: Vec<Sdk> = (0..20).map(|_| net.sdk_of(0, 1, 1)).collect();
    for round in 0..10 {
        for &sdk in &flippers {
            set(&mut net, sdk, &sets[round % 2]);
        }
        net.advance(Duration::from_millis(100));
    }
    assert!(!is_quiet(&net));
    // The few topics of another key come in its turn, not after all topics of the first key.
    let other = net.sdk_of(0, 1, 2);
    set(&mut net, other, &["wanted".to_owned()]);
    net.secs(2);
    assert!(!is_quiet(&net));
    let publisher = net.sdk_of(0, 1, 3);
    net.send(publisher, unicast(1, "wanted", ""));
    assert_eq!(net.only(other), unicast(1, "wanted", ""));
}

/// An agency has one turn, however many keys it has.
#[test]
fn others_take_turns_with_an_agency_of_many_keys() {
    let mut config = config(0);
    config.limits.topic_changes = 100;
    let mut net = Net::with([config]);
    let flippers: Vec<Sdk> = (0..200).map(|key| net.sdk_of(0, 1, key)).collect();
    for (n, &sdk) in flippers.iter().enumerate() {
        set(&mut net, sdk, &names(&format!("{n}."), 300));
    }
    net.advance(Duration::from_millis(100));
    assert!(!is_quiet(&net));
    let other = net.sdk_of(0, 2, 1);
    set(&mut net, other, &["wanted".to_owned()]);
    // If each key had a turn, it would take more than a minute.
    net.secs(2);
    assert!(!is_quiet(&net));
    let publisher = net.sdk_of(0, 3, 3);
    net.send(publisher, unicast(1, "wanted", ""));
    assert_eq!(net.only(other), unicast(1, "wanted", ""));
}

#[test]
fn a_heartbeat_behind_a_set_is_answered_when_the_set_is_in_force() {
    let mut net = Net::new(1);
    let sdk = net.sdk(0);
    let sets = [names("a", MANY), names("b", MANY)];
    // The burst is used up: two sets and the end of the first are 12,288 changes.
    for set_ in &sets {
        set(&mut net, sdk, set_);
        net.advance(Duration::from_millis(100));
    }
    assert!(!is_quiet(&net));
    net.send_body(sdk, FrameType::HEARTBEAT, b"0");
    net.advance(Duration::from_millis(900));
    net.nothing(sdk);
    // Only native clients use heartbeats for this, so the answer to other SDKs is delayed by at
    // most a second.
    net.advance(Duration::from_millis(100));
    assert_eq!(net.only(sdk).kind, FrameType::HEARTBEAT);

    // A native client waits for its topics.
    let mut net = Net::new(1);
    let native = native_client(&mut net);
    for set_ in &sets {
        set(&mut net, native, set_);
        net.advance(Duration::from_millis(100));
    }
    net.send_body(native, FrameType::HEARTBEAT, b"{}");
    net.secs(1);
    net.nothing(native);
    while !is_quiet(&net) {
        net.nothing(native);
        net.advance(Duration::from_millis(64));
    }
    assert_eq!(net.only(native).kind, FrameType::HEARTBEAT);
    assert!(
        net.elapsed() < Duration::from_secs(10),
        "{:?}",
        net.elapsed()
    );
    // A heartbeat before any set is answered at once.
    net.send_body(native, FrameType::HEARTBEAT, b"{}");
    net.only(native);
}

#[test]
fn topics_of_a_session_that_is_gone_go_little_by_little_and_get_nothing_meanwhile() {
    let mut net = Net::new(1);
    let sdk = net.sdk(0);
    set(&mut net, sdk, &names("a", MANY));
    net.advance(Duration::from_millis(100));
    let publisher = net.sdk(0);
    net.hang_up(sdk);
    let left = held(&net);
    assert!(left > MANY / 2, "{left}");
    // The harness refuses frames for a session that has ended.
    net.send(publisher, multicast(1, "a4095", ""));
    net.only(publisher);
    net.send(publisher, unicast(2, "a4095", ""));
    net.only(publisher);
    net.advance(Duration::from_millis(100));
    assert_eq!(held(&net), 0);
    net.hang_up(publisher);
    net.secs(1);
    assert!(net.nodes[0].machine.router().is_empty());
}

#[test]
fn a_session_that_leaves_in_the_middle_leaves_nothing_behind() {
    let mut net = Net::new(1);
    for n in 0..20 {
        let sdk = net.sdk(0);
        set(&mut net, sdk, &names("a", MANY));
        net.advance(Duration::from_millis(n));
        set(&mut net, sdk, &names("b", MANY));
        net.hang_up(sdk);
    }
    net.secs(10);
    assert!(net.nodes[0].machine.router().is_empty());
    assert_eq!(net.nodes[0].machine.next_timeout(), None);
}

/// Each of many sessions with a topic is removed by its index, and the session that takes this
/// index is found afterwards.
#[test]
fn many_sessions_with_the_same_topics_come_and_go() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let mut sdks: Vec<Sdk> = (0..40)
        .map(|n| {
            let topics = [format!("t{}", n % 3), "all".into(), format!("t{}", n % 5)];
            let sdk = net.sdk(0);
            set(&mut net, sdk, &topics);
            sdk
        })
        .collect();
    let mut number = 0;
    while let Some(sdk) = sdks.pop() {
        match sdks.len() % 3 {
            0 => net.hang_up(sdk),
            1 => set(&mut net, sdk, &["t0".to_owned()]),
            _ => set(&mut net, sdk, &[]),
        }
        let turn = 7 % sdks.len().max(1);
        sdks.rotate_left(turn);
        number += 1;
        net.send(publisher, multicast(number, "all", ""));
        let got = sdks.iter().filter(|&&sdk| net.inbox(sdk).len() == 1);
        let got = got.count();
        assert_eq!(got, sdks.len());
        net.inbox(publisher);
    }
}

#[test]
fn a_native_client_is_told_which_topics_it_did_not_get() {
    let mut config = config(0);
    config.limits.topics = 3;
    let mut net = Net::with([config]);
    let native = native_client(&mut net);
    net.subscribe(native, &["a", "b", "c", "d", "e"]);
    let [
        NodeNotice::TopicIgnored {
            topic,
            others,
            identity,
            ..
        },
    ] = &net.notices(0)[..]
    else {
        panic!("one notice");
    };
    assert_eq!((topic.as_str(), *others), ("d", 1));
    assert_eq!(identity.to_string(), "0000000000000000");
    net.send_body(native, FrameType::HEARTBEAT, b"{}");
    let shortage = read_shortage(&net.only(native).body);
    assert_eq!(shortage.refused, ["d", "e"]);
    let spared = (0..6).filter(|&place| shortage.spares(place));
    assert_eq!(spared.collect::<Vec<_>>(), [0, 1, 2]);
    // It is reported as long as it is true.
    net.subscribe(native, &["a", "d", "e"]);
    net.send_body(native, FrameType::HEARTBEAT, b"{}");
    assert_eq!(&net.only(native).body[..], b"{\"heartBeat\":1}\n");
    // Other SDKs get the usual answer.
    let other = net.sdk(0);
    net.subscribe(other, &["f"]);
    net.send_body(other, FrameType::HEARTBEAT, b"0");
    assert_eq!(&net.only(other).body[..], b"1");
}

/// A session keeps the topics it has, wherever they are in a set that is too long, and each topic
/// that it does not get is reported.
#[test]
fn what_a_session_holds_is_not_given_up_for_what_it_wants_besides() {
    const HELD: usize = 300;
    let mut config = config(0);
    config.limits.session_topics = HELD;
    let mut net = Net::with([config]);
    let native = native_client(&mut net);
    let name = |n: usize| format!("m{n:03}");
    let held: Vec<String> = (0..HELD).map(name).collect();
    let held: Vec<&str> = held.iter().map(String::as_str).collect();
    net.subscribe(native, &held);
    // New topics before, between and after them.
    let new: Vec<String> = (0..HELD)
        .flat_map(|n| [format!("a{n}"), format!("m{n:03}-"), format!("z{n}")])
        .collect();
    let mut all: Vec<&str> = held.clone();
    all.extend(new.iter().map(String::as_str));
    all.sort_unstable();
    net.subscribe(native, &all);
    assert_eq!(net.nodes[0].machine.own_topics(), held);
    net.send_body(native, FrameType::HEARTBEAT, b"{}");
    let shortage = read_shortage(&net.only(native).body);
    for (place, topic) in all.iter().enumerate() {
        assert_eq!(shortage.spares(place), held.contains(topic), "{topic}");
    }
    // When one topic is removed, another one gets its place.
    all.retain(|topic| *topic != "m000");
    net.subscribe(native, &all);
    assert_eq!(net.nodes[0].machine.own_topics().len(), HELD);
    assert!(held[1..].iter().all(|&topic| {
        let own = net.nodes[0].machine.own_topics();
        own.iter().any(|held| held == topic)
    }));
}

/// A set that is not understood leaves the old one in force, and a native client is told.
#[test]
fn a_native_client_is_told_that_its_set_does_not_count() {
    let mut net = Net::new(1);
    let native = native_client(&mut net);
    net.subscribe(native, &["a"]);
    net.send_body(native, FrameType::SET_TOPICS, b"[\"a\",\"b\"");
    net.send_body(native, FrameType::HEARTBEAT, b"{}");
    let shortage = read_shortage(&net.only(native).body);
    assert!(shortage.kept && !shortage.spares(0));
    assert_eq!(net.nodes[0].machine.own_topics(), ["a"]);
    net.subscribe(native, &["a", "b"]);
    net.send_body(native, FrameType::HEARTBEAT, b"{}");
    assert_eq!(&net.only(native).body[..], b"{\"heartBeat\":1}\n");
}

/// Returns the number of topic list numbers that a FISCO node was sent.
fn numbers(net: &mut Net, peer: crate::support::Link) -> usize {
    let frames = net.peer_inbox(peer).into_iter();
    let numbers =
        |frame: &PeerFrame| (frame.protocol, frame.packet) == (protocol::TOPIC, packet::TOPIC_SEQ);
    frames.filter(numbers).count()
}

/// It requests the whole list each time.
#[test]
fn a_fisco_node_is_told_of_changes_at_once_and_then_every_200_ms() {
    let mut net = Net::new(1);
    let peer = net.fisco_peer(0, 5, "");
    let sdk = net.sdk(0);
    net.advance(Duration::from_secs(1));
    numbers(&mut net, peer);
    set(&mut net, sdk, &names("a", 1));
    assert_eq!(numbers(&mut net, peer), 1, "at once");
    let mut told = 0;
    for count in 2..102 {
        set(&mut net, sdk, &names("a", count));
        net.advance(Duration::from_millis(10));
        told += numbers(&mut net, peer);
    }
    assert!((4..=5).contains(&told), "{told} in a second");
    net.advance(Duration::from_millis(200));
    assert!(
        told + numbers(&mut net, peer) >= 5,
        "the last change is told, too"
    );
    net.peer_send(
        peer,
        peer_frame(protocol::TOPIC, packet::REQUEST_TOPICS, 7, ""),
    );
    let list = net.peer_only(peer);
    let list = TopicList::parse(&list.body, 1000).unwrap();
    assert_eq!(list.topics.len(), 101);
}

/// FISCO nodes announce new topics within 5 s; they are asked earlier if a unicast finds no
/// subscriber.
#[test]
fn a_fisco_node_is_asked_for_its_list_when_a_unicast_finds_nobody() {
    let mut net = Net::new(1);
    let peer = net.fisco_peer(0, 5, "old");
    let publisher = net.sdk(0);
    let asked = |net: &mut Net| -> Vec<PeerFrame> {
        let frames = net.peer_inbox(peer).into_iter();
        frames
            .filter(|frame| frame.packet == packet::REQUEST_TOPICS)
            .collect()
    };
    asked(&mut net);
    net.send(publisher, unicast(1, "new", "anybody?"));
    assert_eq!(
        net.only(publisher),
        error(1, result_code::NO_SUBSCRIBER, "")
    );
    let requests = asked(&mut net);
    assert_eq!(requests.len(), 1);
    net.peer_send(peer, topic_list(requests[0].seq, "2\told\tnew"));
    let message = unicast(2, "new", "and now?");
    net.send(publisher, message.clone());
    let arrived = net.peer_only(peer);
    assert_eq!(inner(&arrived), message);

    // They are not asked for every message of this kind, and not for multicasts.
    for number in 3..20 {
        net.send(publisher, unicast(number, "none", ""));
        assert_eq!(
            net.only(publisher),
            error(number, result_code::NO_SUBSCRIBER, "")
        );
    }
    assert_eq!(asked(&mut net).len(), 0);
    net.advance(Duration::from_secs(1));
    net.send(publisher, multicast(30, "none", ""));
    assert_eq!(asked(&mut net).len(), 0);
    net.send(publisher, unicast(31, "none", ""));
    assert_eq!(asked(&mut net).len(), 1);
}
