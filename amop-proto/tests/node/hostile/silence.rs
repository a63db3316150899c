//! Nodes that claim subscribers and do not answer.

use std::{collections::BTreeSet, ops::Range, time::Duration};

use amop_proto::{
    channel::{Frame, FrameType, result_code},
    p2p::{
        PeerFrame,
        mesh::{UnicastHeader, packet},
    },
};

use super::{LIAR, TOPIC, counters, with_liar};
use crate::support::{
    Link, Net, Sdk, error, extension, hello, key, records, relayed_envelope, reply, state, unicast,
    with_header,
};

/// Whether a frame says that another node was asked instead.
fn is_taken_back(frame: &Frame) -> bool {
    frame.kind == FrameType::RESPONSE
        && frame.result == result_code::NO_SESSION
        && frame.body.is_empty()
}

/// Returns the number of unicasts, and how many of them were taken back.
fn asked(frames: Vec<PeerFrame>) -> (usize, usize) {
    let frames = frames.into_iter().filter_map(|frame| match frame.packet {
        packet::UNICAST => Some(with_header(&frame, packet::UNICAST).1),
        packet::RELAYED_UNICAST => Some(relayed_envelope(&frame, packet::RELAYED_UNICAST).1),
        _ => None,
    });
    let mut seqs = BTreeSet::new();
    let mut back = 0;
    for frame in frames {
        match frame.kind {
            FrameType::UNICAST => drop(seqs.insert(frame.seq.0)),
            _ => {
                assert!(is_taken_back(&frame), "{frame:?}");
                assert!(seqs.contains(&frame.seq.0));
                back += 1;
            }
        }
    }
    (seqs.len(), back)
}

/// Publishes 50 unicasts, and lets a subscriber answer its messages for some seconds. Returns the
/// number of messages that arrived, each once, and were answered.
fn publish(net: &mut Net, link: Link, honest: Sdk, seconds: u64) -> usize {
    let publisher = net.sdk(0);
    for n in 0..50 {
        net.send(publisher, unicast(n, TOPIC, ""));
    }
    let (mut got, mut answers) = (BTreeSet::new(), 0);
    for _ in 0..seconds {
        for message in net.inbox(honest) {
            assert!(got.insert(message.seq.0), "twice");
            net.send(honest, reply(&message, ""));
        }
        let answered = net.inbox(publisher);
        assert!(answered.iter().all(|answer| answer.result == 0));
        answers += answered.len();
        net.peer_send(link, hello());
        net.secs(1);
    }
    assert_eq!(got.len(), answers);
    answers
}

#[test]
fn a_silent_neighbour_holds_a_unicast_no_longer_than_a_silent_subscriber() {
    let mut net = Net::new(2);
    net.connect(0, 1);
    let honest = net.subscriber(1, &[TOPIC]);
    let silent = net.overlay_peer(0, LIAR, &[(TOPIC, 100)]);
    net.peer_inbox(silent);
    assert_eq!(publish(&mut net, silent, honest, 8), 50);
    // All are published at once, before either of the two has answered a message.
    let (drawn, back) = asked(net.peer_inbox(silent));
    assert!((4..=35).contains(&drawn), "{drawn}");
    assert_eq!(back, drawn);
    assert_eq!(net.in_flight(), 0);
}

/// Publishes unicasts one after the other; each is answered at once if the subscriber gets it.
fn publish_slowly(net: &mut Net, links: &[Link], honest: Sdk, count: u64) {
    let publisher = net.sdk(0);
    for n in 0..count {
        net.send(publisher, unicast(n, TOPIC, ""));
        for message in net.inbox(honest) {
            net.send(honest, reply(&message, ""));
        }
        net.advance(Duration::from_millis(4));
        if n % 100 == 0 {
            for &link in links {
                net.peer_send(link, hello());
            }
        }
    }
}

/// The nodes of one agency, which is neither this node's nor the honest node's.
const ISSUED: Range<usize> = 31..47;

/// Returns a node with an honest neighbour that has a subscriber, and neighbours that claim a
/// hundred each.
fn with_issued(issued: Range<usize>) -> (Net, Sdk, Vec<Link>) {
    let mut net = Net::new(2);
    net.connect(0, 1);
    let honest = net.subscriber(1, &[TOPIC]);
    let links: Vec<Link> = issued
        .map(|n| net.overlay_peer(0, n, &[(TOPIC, 100)]))
        .collect();
    for &link in &links {
        net.peer_inbox(link);
    }
    (net, honest, links)
}

/// Returns one node, and many nodes of one agency.
fn one_and_many() -> [Range<usize>; 2] {
    [LIAR..LIAR + 1, ISSUED]
}

#[test]
fn who_answers_nothing_is_given_few_whatever_it_claims_and_so_are_all_of_an_agency() {
    for issued in one_and_many() {
        let (mut net, honest, silent) = with_issued(issued.clone());
        publish_slowly(&mut net, &silent, honest, 1000);
        let drawn = silent.iter().map(|&link| asked(net.peer_inbox(link)).0);
        let drawn: usize = drawn.sum();
        assert!((1..=4).contains(&drawn), "{drawn} of {issued:?}");
    }
}

#[test]
fn who_refuses_what_it_is_given_soon_gets_none_for_a_while_and_nor_does_its_agency() {
    for issued in one_and_many() {
        let (mut net, honest, liars) = with_issued(issued.clone());
        let publisher = net.sdk(0);
        let mut refused = 0;
        let turn = |net: &mut Net, n, result| {
            net.send(publisher, unicast(n, TOPIC, ""));
            let mut asked = 0;
            // Checking this many subscribers needs more than one event.
            for _ in 0..100 {
                for &liar in &liars {
                    asked += net.answer_asked(liar, result);
                }
                for message in net.inbox(honest) {
                    net.send(honest, reply(&message, ""));
                }
                if !net.end(publisher).inbox.is_empty() {
                    break;
                }
                net.advance(Duration::from_millis(1));
            }
            assert_eq!(net.inbox(publisher).len(), 1);
            for &liar in &liars {
                net.peer_send(liar, hello());
            }
            net.advance(Duration::from_millis(4));
            asked
        };
        for n in 0..2000 {
            refused += turn(&mut net, n, result_code::NO_SESSION);
        }
        // The number of messages refused in 8 s: two at first, and then one after 250 ms, 500 ms, 1
        // s and so on.
        assert!((3..=8).contains(&refused), "{refused} by {issued:?}");
        // When they answer, they are treated like all others.
        let answered: usize = (0..4000).map(|n| turn(&mut net, n, 0)).sum();
        assert!(answered > 1000, "{answered} by {issued:?}");
    }
}

#[test]
fn nodes_of_an_agency_far_away_are_given_no_more_than_one() {
    let mut net = Net::new(1);
    let liar = net.overlay_peer(0, LIAR, &[]);
    let links: Vec<usize> = [0].into_iter().chain(ISSUED).collect();
    net.peer_send(liar, records(1, &[state(LIAR, 500, &links, &[])]));
    for n in ISSUED {
        let record = state(n, 500, &[LIAR], &[(TOPIC, 100)]);
        net.peer_send(liar, records(2, &[record]));
    }
    let honest = net.subscriber(0, &[TOPIC]);
    net.peer_inbox(liar);
    assert_eq!(publish(&mut net, liar, honest, 12), 50);
    let (drawn, back) = asked(net.peer_inbox(liar));
    assert_eq!(
        (drawn, back),
        (4, 4),
        "this node's own session can have the others"
    );
}

#[test]
fn a_new_node_is_asked_though_others_of_its_agency_answer_nothing() {
    // Few subscribers, which are all checked, and many.
    for count in [1, 100] {
        let mut net = Net::new(1);
        let links: Vec<Link> = ISSUED
            .map(|n| net.overlay_peer(0, n, &[(TOPIC, count)]))
            .collect();
        let publisher = net.sdk(0);
        let mut answered = 0;
        for n in 0..1000 {
            net.send(publisher, unicast(n, TOPIC, ""));
            answered += net.answer_asked(links[7], 0);
            net.advance(Duration::from_millis(4));
            for &link in links.iter().filter(|_| n % 100 == 0) {
                net.peer_send(link, hello());
            }
        }
        // Before that, the other nodes get as many as they may have together.
        assert!(answered > 900, "{answered}");
    }
}

#[test]
fn so_does_one_far_away() {
    let (mut net, liar) = with_liar(&[(TOPIC, 100)]);
    let honest = net.subscriber(0, &[TOPIC]);
    net.peer_inbox(liar);
    assert_eq!(publish(&mut net, liar, honest, 8), 50);
    let (drawn, back) = asked(net.peer_inbox(liar));
    assert_eq!(drawn, 4, "this node's own session can have the others");
    assert_eq!(back, drawn);
}

#[test]
fn the_only_one_there_is_has_all_its_time() {
    let (mut net, liar) = with_liar(&[(TOPIC, 1)]);
    let publisher = net.sdk(0);
    // Not even the publisher itself, which has the topic, is asked before.
    net.subscribe(publisher, &[TOPIC]);
    net.peer_inbox(liar);
    net.send(publisher, unicast(1, TOPIC, ""));
    for _ in 0..29 {
        net.peer_send(liar, hello());
        net.secs(1);
        net.nothing(publisher);
    }
    let (drawn, back) = asked(net.peer_inbox(liar));
    assert_eq!((drawn, back), (1, 0));
    net.peer_send(liar, hello());
    net.secs(2);
    assert_eq!(net.only(publisher), unicast(1, TOPIC, ""));
}

#[test]
fn somebody_who_comes_later_is_asked_then() {
    let (mut net, liar) = with_liar(&[(TOPIC, 1)]);
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, TOPIC, ""));
    let wait = |net: &mut Net, seconds| {
        for _ in 0..seconds {
            net.peer_send(liar, hello());
            net.secs(1);
        }
    };
    wait(&mut net, 10);
    let honest = net.subscriber(0, &[TOPIC]);
    wait(&mut net, 7);
    assert_eq!(net.only(honest), unicast(1, TOPIC, ""));
    net.nothing(publisher);
}

#[test]
fn a_slow_subscriber_of_another_node_has_its_time() {
    let mut net = Net::new(2);
    net.connect(0, 1);
    let slow = net.subscriber(1, &[TOPIC]);
    let publisher = net.sdk(0);
    net.send(publisher, unicast(1, TOPIC, ""));
    let message = net.only(slow);
    let other = net.subscriber(0, &[TOPIC]);
    net.advance(Duration::from_millis(4900));
    net.send(slow, reply(&message, ""));
    assert_eq!(net.only(publisher), reply(&message, ""));
    net.secs(10);
    net.nothing(other);
}

fn take_back(from: usize, id: u64) -> PeerFrame {
    let header = UnicastHeader {
        source: key(from),
        target: key(0),
        id,
    };
    let frame = error(1, result_code::NO_SESSION, "");
    extension(packet::UNICAST, 32, header.encode(&frame))
}

fn ask(from: usize, id: u64) -> PeerFrame {
    let header = UnicastHeader {
        source: key(from),
        target: key(0),
        id,
    };
    extension(packet::UNICAST, 32, header.encode(&unicast(1, TOPIC, "")))
}

#[test]
fn what_is_taken_back_is_handed_to_nobody_else() {
    let mut net = Net::new(1);
    let asker = net.overlay_peer(0, 7, &[]);
    let liar = net.overlay_peer(0, LIAR, &[]);
    let mine = [(); 3].map(|()| net.subscriber(0, &[TOPIC]));
    let got = |net: &mut Net| mine.iter().map(|&sdk| net.inbox(sdk).len()).sum::<usize>();
    let wait = |net: &mut Net, seconds| {
        for _ in 0..seconds {
            net.peer_send(asker, hello());
            net.peer_send(liar, hello());
            net.secs(1);
        }
    };
    net.peer_send(asker, ask(7, 70));
    assert_eq!(got(&mut net), 1);
    // Another node cannot take it back, in any name.
    net.peer_send(liar, take_back(7, 70));
    net.peer_send(liar, take_back(LIAR, 70));
    wait(&mut net, 6);
    assert_eq!(got(&mut net), 1, "the next one after 5 s");
    net.peer_send(asker, take_back(7, 70));
    assert_eq!(net.in_flight(), 0);
    // The same for a repeated request.
    net.peer_send(asker, ask(7, 70));
    wait(&mut net, 10);
    assert_eq!(got(&mut net), 0);
    // A request that was taken back before it arrives is not accepted.
    net.peer_send(asker, take_back(7, 71));
    net.peer_send(asker, ask(7, 71));
    assert_eq!(got(&mut net), 0);
    assert_eq!(counters(&net).unproven, 1);
    // A late answer does no harm to the node.
    net.send(mine[0], reply(&unicast(1, TOPIC, ""), ""));
    net.peer_send(asker, ask(7, 72));
    assert_eq!(got(&mut net), 1);
}
