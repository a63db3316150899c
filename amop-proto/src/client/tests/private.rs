//! Private topics: challenges that a publisher sends, and challenges that a subscriber receives.

use super::*;
use crate::{
    channel::{PrivateName, VerifyRequestError, result_code, split_topic},
    p2p::NodeId,
};

const NODE: NodeId = NodeId([0xab; 64]);
const SUFFIX: &str = "92be6ce4dbd311eaae5a983b8fda4e0e";

fn name() -> PrivateName {
    PrivateName::new("hello").unwrap()
}

fn route() -> TopicName {
    topic(&format!("#!$VerifyChannel_{}_{SUFFIX}", name().topic()))
}

fn other_route() -> TopicName {
    topic(&route().as_str().replace(SUFFIX, &"0".repeat(32)))
}

/// A node's request to verify the subscriber behind another node.
fn wish(n: u8, node: NodeId, route: &TopicName) -> Frame {
    let topic = name();
    let body = format!(
        "{{\"nodeId\":\"{node}\",\"topic\":\"{}\",\"topicForCert\":\"{route}\"}}\n",
        topic.topic()
    );
    Frame::new(FrameType::VERIFY_PEER, Seq([n; 32]), body)
}

/// Returns a session of a publisher that wants to be asked.
fn publisher() -> Harness {
    let mut harness = Harness::ready();
    harness.session.subscribe(name().push_topic());
    let frames = harness.sent();
    harness.answer_heartbeat(&frames[1]);
    harness.events();
    harness
}

/// Returns the challenge that follows a request and its acknowledgement.
fn challenge(harness: &mut Harness, n: u8) -> (Frame, Bytes) {
    let frames = harness.sent();
    let [ack, challenge] = &frames[..] else {
        panic!("{frames:?}");
    };
    assert_eq!(*ack, Frame::new(FrameType::VERIFY_PEER, Seq([n; 32]), ""));
    assert_eq!(challenge.kind, FrameType::UNICAST);
    let body = split_topic(&challenge.body).unwrap();
    assert_eq!(body.topic, route().as_bytes());
    (challenge.clone(), body.payload)
}

fn answer(harness: &mut Harness, challenge: &Frame, signature: &'static str) {
    let body = frame_topic(route().as_bytes(), signature.as_bytes());
    harness.receive(challenge.respond(0, body));
}

#[test]
fn a_wish_becomes_a_challenge_and_its_answer_a_result() {
    let mut harness = publisher();
    harness.receive(wish(1, NODE, &route()));
    let (frame, bytes) = challenge(&mut harness, 1);
    assert_eq!(bytes.len(), 32);
    assert!(bytes.iter().all(u8::is_ascii_hexdigit));
    answer(&mut harness, &frame, "signature");
    let Some(SessionEvent::Signed {
        challenge,
        signature,
    }) = harness.session.poll_event()
    else {
        panic!("no signature");
    };
    assert_eq!(challenge.bytes[..], bytes[..]);
    assert_eq!(challenge.request.node, NODE);
    assert_eq!(challenge.request.topic, name());
    assert_eq!(signature, "signature");
    assert_eq!(harness.sent(), [], "the owner decides, not the session");
    harness.session.verified(&challenge.request);
    let frame = harness.sent_one();
    assert_eq!(frame.kind, FrameType::VERIFY_RESULT);
    let body: serde_json::Value = serde_json::from_slice(&frame.body).unwrap();
    assert_eq!(body["checkResult"], 0);
    assert_eq!(body["nodeId"], NODE.to_string());
    assert_eq!(body["topic"], name().topic().as_str());
}

#[test]
fn every_challenge_is_new_and_counts_once() {
    let mut harness = publisher();
    harness.receive(wish(1, NODE, &route()));
    let (first, one) = challenge(&mut harness, 1);
    answer(&mut harness, &first, "a");
    assert!(matches!(
        harness.events()[..],
        [SessionEvent::Signed { .. }]
    ));
    // A second copy of the answer belongs to no challenge.
    answer(&mut harness, &first, "a");
    assert!(matches!(
        harness.events()[..],
        [SessionEvent::Notice(SessionNotice::UnsolicitedResponse(_))]
    ));
    harness.receive(wish(2, NODE, &route()));
    let (second, other) = challenge(&mut harness, 2);
    assert!(one != other && first.seq != second.seq);
}

#[test]
fn a_wish_that_is_repeated_is_acknowledged_only() {
    let mut harness = publisher();
    harness.receive(wish(1, NODE, &route()));
    challenge(&mut harness, 1);
    harness.receive(wish(2, NODE, &route()));
    assert_eq!(harness.sent_one().kind, FrameType::VERIFY_PEER);
    // A request about a new subscriber is handled.
    harness.receive(wish(3, NODE, &other_route()));
    assert_eq!(harness.sent().len(), 2);
}

#[test]
fn what_was_never_granted_is_not_verified() {
    let mut harness = Harness::ready();
    harness.receive(wish(1, NODE, &route()));
    assert_eq!(harness.sent_one().kind, FrameType::VERIFY_PEER);
    let events = harness.events();
    assert!(
        matches!(&events[..], [SessionEvent::Notice(SessionNotice::NotGranted(request))] if request.node == NODE),
        "{events:?}"
    );

    // A request about a topic that is no longer granted is refused, even before the node knows.
    let mut harness = publisher();
    harness.session.unsubscribe(name().push_topic());
    harness.receive(wish(1, NODE, &route()));
    assert_eq!(harness.sent()[0].kind, FrameType::VERIFY_PEER);
    assert!(matches!(
        harness.events()[..],
        [SessionEvent::Notice(SessionNotice::NotGranted(_))]
    ));
}

#[test]
fn a_wish_that_makes_no_sense_is_ignored() {
    let mut harness = publisher();
    harness.receive(wish(1, NODE, &topic("elsewhere")));
    assert_eq!(harness.sent_one().kind, FrameType::VERIFY_PEER);
    let error = VerifyRequestError::Route;
    assert_eq!(
        harness.events(),
        [SessionEvent::Notice(SessionNotice::BadVerifyRequest(error))]
    );
}

#[test]
fn a_challenge_without_a_signature_proves_nothing() {
    for (result, expected) in [
        (result_code::NO_SUBSCRIBER, RequestOutcome::NoSubscriber),
        (result_code::NO_SESSION, RequestOutcome::Unanswered),
        (result_code::DECODE, RequestOutcome::Undecodable),
    ] {
        let mut harness = publisher();
        harness.receive(wish(1, NODE, &route()));
        let (frame, _) = challenge(&mut harness, 1);
        harness.receive(frame.respond(result, Bytes::new()));
        let events = harness.events();
        let [SessionEvent::Notice(SessionNotice::Unproven { request, outcome })] = &events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!((&request.route, outcome), (&route(), &expected));
        assert_eq!(harness.sent(), []);
    }
}

#[test]
fn a_challenge_has_five_seconds() {
    let mut harness = publisher();
    harness.receive(wish(1, NODE, &route()));
    let (frame, _) = challenge(&mut harness, 1);
    let due = harness.session.next_timeout().unwrap();
    assert!(due <= harness.now + seconds(5));
    harness.pass(seconds(5));
    let events = harness.events();
    assert!(
        matches!(
            &events[..],
            [SessionEvent::Notice(SessionNotice::Unproven {
                outcome: RequestOutcome::TimedOut,
                ..
            })]
        ),
        "{events:?}"
    );
    // The answer is too late.
    answer(&mut harness, &frame, "signature");
    assert!(matches!(
        harness.events()[..],
        [SessionEvent::Notice(SessionNotice::UnsolicitedResponse(_))]
    ));
}

#[test]
fn challenges_are_bounded() {
    let mut harness = publisher();
    for n in 0..=255 {
        harness.receive(wish(1, NodeId([n; 64]), &route()));
    }
    assert_eq!(harness.sent().len(), 2 * 256);
    assert_eq!(harness.events(), []);
    harness.receive(wish(1, NodeId([0xff; 64]), &other_route()));
    assert_eq!(harness.sent().len(), 1);
    assert!(matches!(
        harness.events()[..],
        [SessionEvent::Notice(SessionNotice::TooManyChallenges(_))]
    ));
}

#[test]
fn a_subscriber_is_handed_its_challenge() {
    let mut harness = Harness::ready();
    harness.session.subscribe(&route());
    harness.session.subscribe(name().topic());
    harness.sent();
    let seq = Seq([7; 32]);
    let push = |kind, payload: &[u8]| Frame::amop(kind, seq, route().as_bytes(), payload);
    harness.receive(push(FrameType::UNICAST, b"sign this"));
    assert_eq!(
        harness.events(),
        [SessionEvent::Challenged {
            seq,
            route: route(),
            challenge: "sign this".into(),
        }]
    );
    assert!(harness.session.respond(seq, &route(), 0, b"signed"));
    let answer = harness.sent_one();
    assert_eq!((answer.kind, answer.seq), (FrameType::RESPONSE, seq));

    // A key signs only challenges.
    for payload in [&b""[..], &[0; 65]] {
        harness.receive(push(FrameType::UNICAST, payload));
        let refusal = harness.sent_one();
        assert_eq!((refusal.seq, refusal.result), (seq, result_code::DECODE));
        let (route, len) = (route(), payload.len());
        assert_eq!(
            harness.events(),
            [SessionEvent::Notice(SessionNotice::BadChallenge {
                route,
                len
            })]
        );
    }
}

#[test]
fn nothing_is_verified_once_closed() {
    let mut harness = publisher();
    harness.receive(wish(1, NODE, &route()));
    let (frame, _) = challenge(&mut harness, 1);
    answer(&mut harness, &frame, "signature");
    let Some(SessionEvent::Signed { challenge, .. }) = harness.session.poll_event() else {
        panic!("no signature");
    };
    harness.session.close();
    harness.session.verified(&challenge.request);
    assert_eq!(harness.sent(), []);
    assert_eq!(harness.session.next_timeout(), None);
}
