//! Which request a frame answers: only the seq decides this.

use crate::support::{Net, Sdk, node_id, peer_frame, refused, reply, seq, unicast};
use amop_proto::{
    channel::{Frame, FrameType},
    node::NodeNotice,
    p2p::{packet, protocol},
};
use bytes::Bytes;

const TOPIC: &str = "hello";

/// Returns the subscriber that has a push in its inbox; exactly one must have one.
fn who(net: &mut Net, subscribers: &[Sdk]) -> (Sdk, Frame) {
    let mut got = Vec::new();
    for &sdk in subscribers {
        got.extend(net.inbox(sdk).into_iter().map(|push| (sdk, push)));
    }
    assert_eq!(got.len(), 1, "{got:?}");
    got.remove(0)
}

#[test]
fn two_publishers_with_one_seq_each_get_their_answer() {
    let mut net = Net::new(1);
    let publishers = [0, 0].map(|node| net.sdk(node));
    let subscribers = [0, 0].map(|node| net.subscriber(node, &[TOPIC]));
    net.send(publishers[0], unicast(1, TOPIC, "a"));
    net.send(publishers[1], unicast(1, TOPIC, "b"));
    let pushes = subscribers.map(|sdk| net.only(sdk));
    for (sdk, push) in subscribers.into_iter().zip(&pushes) {
        let payload = String::from_utf8(push.body[6..].to_vec()).unwrap();
        net.send(sdk, reply(push, &format!("answer to {payload}")));
    }
    let push = unicast(1, TOPIC, "");
    assert_eq!(net.only(publishers[0]), reply(&push, "answer to a"));
    assert_eq!(net.only(publishers[1]), reply(&push, "answer to b"));
}

#[test]
fn with_one_subscriber_a_seq_in_use_is_refused_and_not_lost() {
    let mut net = Net::mesh(2);
    let publishers = [0, 1].map(|node| net.sdk(node));
    let subscriber = net.subscriber(1, &[TOPIC]);
    net.send(publishers[0], unicast(1, TOPIC, "a"));
    net.send(publishers[1], unicast(1, TOPIC, "b"));
    assert_eq!(net.only(publishers[1]), refused(&unicast(1, TOPIC, "b")));
    let push = net.only(subscriber);
    net.send(subscriber, reply(&push, "for a"));
    assert_eq!(net.only(publishers[0]), reply(&push, "for a"));
    net.nothing(publishers[1]);
    // In the other order another node answers with the refusal.
    net.send(publishers[1], unicast(2, TOPIC, "b"));
    net.send(publishers[0], unicast(2, TOPIC, "a"));
    assert_eq!(net.only(publishers[0]), refused(&unicast(2, TOPIC, "a")));
}

#[test]
fn a_publisher_that_uses_one_seq_for_two_messages_gets_two_answers() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let subscribers = [0, 0].map(|node| net.subscriber(node, &[TOPIC]));
    for payload in ["a", "b", "c"] {
        net.send(publisher, unicast(1, TOPIC, payload));
    }
    // Two are with the subscribers; for the third no subscriber was free.
    assert_eq!(net.only(publisher), refused(&unicast(1, TOPIC, "c")));
    for sdk in subscribers {
        let push = net.only(sdk);
        net.send(sdk, reply(&push, "ok"));
    }
    assert_eq!(net.inbox(publisher).len(), 2);
    assert_eq!(net.in_flight(), 0);
}

#[test]
fn a_message_sent_again_while_it_waits_is_delivered_once_and_answered_once() {
    for node in [0, 1] {
        let mut net = Net::mesh(2);
        let publisher = net.sdk(0);
        let subscribers = [node, node].map(|node| net.subscriber(node, &[TOPIC]));
        let request = unicast(1, TOPIC, "patience");
        for _ in 0..3 {
            net.send(publisher, request.clone());
            net.advance(std::time::Duration::from_millis(10));
        }
        let (first, push) = who(&mut net, &subscribers);
        assert_eq!(push, request);
        assert_eq!(net.nodes[0].machine.router().counters().repeated, 2);
        net.send(first, reply(&push, "once"));
        assert_eq!(net.only(publisher), reply(&request, "once"));
        assert_eq!(net.in_flight(), 0);
        // Once it is answered, the same seq is a new message, as on FISCO nodes.
        net.send(publisher, request.clone());
        let (sdk, push) = who(&mut net, &subscribers);
        net.send(sdk, reply(&push, "twice"));
        assert_eq!(net.only(publisher), reply(&request, "twice"));
        // A message of another session with the same seq is another message.
        let other = net.sdk(0);
        net.send(publisher, request.clone());
        net.send(other, request.clone());
        for sdk in subscribers {
            let push = net.only(sdk);
            net.send(sdk, reply(&push, "each"));
        }
        for sdk in [publisher, other] {
            assert_eq!(net.only(sdk), reply(&request, "each"));
        }
    }
}

#[test]
fn a_message_a_fisco_node_sends_twice_is_two() {
    let mut net = Net::new(1);
    let peer = net.fisco_peer(0, 5, "x");
    let subscribers = [0, 0].map(|node| net.subscriber(node, &[TOPIC]));
    net.peer_inbox(peer);
    let request = unicast(1, TOPIC, "");
    for p2p_seq in [7, 8] {
        net.peer_send(peer, crate::support::from_node(p2p_seq, &request));
    }
    for sdk in subscribers {
        assert_eq!(net.only(sdk), request);
        net.send(sdk, reply(&request, ""));
    }
    assert_eq!(net.peer_inbox(peer).len(), 2);
}

#[test]
fn late_and_unsolicited_answers_are_ignored() {
    let mut net = Net::new(1);
    let publisher = net.sdk(0);
    let subscribers = [0, 0].map(|node| net.subscriber(node, &[TOPIC]));
    let request = unicast(1, TOPIC, "");
    net.send(publisher, request.clone());
    let (first, _) = who(&mut net, &subscribers);
    net.secs(5);
    let (second, _) = who(&mut net, &subscribers);
    net.send(first, reply(&request, "late"));
    net.nothing(publisher);
    net.send(second, reply(&request, "in time"));
    assert_eq!(net.only(publisher), reply(&request, "in time"));
    net.send(second, reply(&request, "again"));
    net.send(second, reply(&unicast(9, TOPIC, ""), "never asked"));
    net.nothing(publisher);
    let unsolicited = |session: Sdk, n| NodeNotice::UnsolicitedResponse {
        session: session.id,
        seq: seq(n),
    };
    assert_eq!(
        net.notices(0),
        [
            unsolicited(first, 1),
            unsolicited(second, 1),
            unsolicited(second, 9)
        ]
    );
    // The same for a peer's answer.
    let peer = net.raw_peer(0, node_id(5), false);
    let answer = reply(&request, "").to_bytes();
    let stray = peer_frame(-protocol::AMOP, packet::UNICAST, 3, answer);
    net.peer_send(peer, stray);
    net.nothing(publisher);
}

#[test]
fn any_frame_with_the_seq_is_the_answer_and_passes_unchanged() {
    let mut net = Net::mesh(2);
    let publisher = net.sdk(0);
    let subscriber = net.subscriber(1, &[TOPIC]);
    let kinds = [
        0x12, 0x13, 0x14, 0x15, 0x30, 0x31, 0x32, 0x35, 0x37, 0x1001, 0xffff,
    ];
    let bodies: [&[u8]; 4] = [b"\x06hellook", b"raw", b"", b"\x00"];
    let mut n = 0;
    for kind in kinds {
        for body in bodies {
            for result in [0, 7, -1, i32::MIN] {
                n += 1;
                net.send(publisher, unicast(n, TOPIC, ""));
                net.only(subscriber);
                let answer = Frame {
                    kind: FrameType(kind),
                    seq: seq(n),
                    result,
                    body: Bytes::from_static(body),
                };
                net.send(subscriber, answer.clone());
                assert_eq!(net.only(publisher), answer);
                net.nothing(subscriber);
            }
        }
    }
    // It still has the topic: the frames with type 0x32 above were answers.
    net.send(publisher, unicast(n + 1, TOPIC, ""));
    net.only(subscriber);
}
