//! The messages that a node delivers, and a recording of a FISCO node.

use super::*;
use crate::channel::AmopBodyError;

const SEQ: Seq = Seq(*b"0123456789abcdef0123456789abcdef");

fn subscribed() -> Harness {
    let mut harness = Harness::ready();
    harness.session.subscribe(&hello());
    let frames = harness.sent();
    harness.answer_heartbeat(&frames[1]);
    harness.events();
    harness
}

#[test]
fn messages_are_handed_over_without_copying() {
    for (kind, frame_type) in [
        (MessageKind::Unicast, FrameType::UNICAST),
        (MessageKind::Multicast, FrameType::MULTICAST),
    ] {
        let mut harness = subscribed();
        let body = framed("payload");
        let at = body.as_ptr() as usize + "\x06hello".len();
        harness.receive(Frame::new(frame_type, SEQ, body));
        let Some(SessionEvent::Push(push)) = harness.session.poll_event() else {
            panic!("no push");
        };
        assert_eq!(push.payload.as_ptr() as usize, at);
        assert_eq!(
            push,
            Push {
                kind,
                seq: SEQ,
                topic: hello(),
                payload: "payload".into(),
            }
        );
        assert_eq!(harness.sent(), []);
    }
}

#[test]
fn a_topic_that_leaves_is_delivered_until_the_node_knows_and_refused_after() {
    let mut harness = subscribed();
    harness.session.unsubscribe(&hello());
    let frames = harness.sent();
    let unicast = Frame::new(FrameType::UNICAST, SEQ, framed("payload"));
    harness.receive(unicast.clone());
    assert!(matches!(harness.events()[..], [SessionEvent::Push(_)]));

    harness.answer_heartbeat(&frames[1]);
    harness.events();
    harness.receive(unicast);
    let topic = Bytes::from_static(b"hello");
    let kind = MessageKind::Unicast;
    assert_eq!(
        harness.events(),
        [SessionEvent::Notice(SessionNotice::NotSubscribed {
            kind,
            topic
        })]
    );
    let refusal = harness.sent_one();
    assert_eq!(refusal.kind, FrameType::RESPONSE);
    assert_eq!((refusal.seq, refusal.result), (SEQ, 104));
    // With the framing and without the payload: some publishers cannot read anything else.
    assert_eq!(refusal.body, framed(""));

    harness.receive(Frame::new(FrameType::MULTICAST, SEQ, framed("payload")));
    assert!(matches!(
        harness.events()[..],
        [SessionEvent::Notice(SessionNotice::NotSubscribed { .. })]
    ));
    assert_eq!(harness.sent(), []);
}

#[test]
fn topics_need_not_be_text() {
    let mut harness = subscribed();
    let body = frame_topic(b"\xff", b"x");
    harness.receive(Frame::new(FrameType::UNICAST, SEQ, body));
    assert_eq!(harness.sent_one().result, 104);
}

#[test]
fn broken_messages_close_the_session() {
    let cases: [(&[u8], AmopBodyError); 3] = [
        (b"", AmopBodyError::Empty),
        (b"\x00", AmopBodyError::ZeroLength),
        (
            b"\x06hell",
            AmopBodyError::BeyondBody {
                len: 5,
                available: 4,
            },
        ),
    ];
    for (body, error) in cases {
        for kind in [FrameType::UNICAST, FrameType::MULTICAST] {
            let mut harness = subscribed();
            harness.receive(Frame::new(kind, SEQ, body));
            assert_eq!(
                harness.events(),
                [SessionEvent::Closed(CloseReason::Malformed { kind, error })]
            );
        }
    }
}

/// Replays every SDK of the recording: the session must send the same bytes as the SDK, except for
/// the seq, and must understand the frames of the SDK's node.
#[test]
fn a_fisco_nodes_transcript_is_reproduced() {
    let text = include_str!("../../../tests/data/transcripts-2.11.1.json");
    let transcript: serde_json::Value = serde_json::from_str(text).unwrap();
    let mut replayed = 0;
    for flow in transcript["flows"].as_array().unwrap() {
        let mut sdks = std::collections::BTreeMap::new();
        for record in flow["frames"].as_array().unwrap() {
            let bytes = hex::decode(record["hex"].as_str().unwrap()).unwrap();
            let to_node = match record["direction"].as_str().unwrap() {
                "sdk->node" => true,
                "node->sdk" => false,
                _ => continue,
            };
            if bytes.is_empty() {
                continue; // A record that no frame arrived.
            }
            let frame = Frame::from_bytes(bytes.into(), usize::MAX).unwrap();
            let name = record["connection"].as_str().unwrap().to_owned();
            let sdk = sdks.entry(name).or_insert_with(Sdk::new);
            if to_node {
                replayed += usize::from(sdk.send(&frame));
            } else {
                replayed += usize::from(sdk.receive(frame));
            }
        }
    }
    // A change that makes the test skip frames must be noticed.
    assert_eq!(replayed, 37);
}

struct Sdk {
    harness: Harness,
    /// Pairs of a seq in the recording and the seq in this run.
    seqs: Vec<(Seq, Seq)>,
}

impl Sdk {
    fn new() -> Self {
        let mut harness = Harness::ready();
        // The recorded subscribers subscribed in an earlier flow.
        for name in ["hello", "local0", "你好"] {
            harness.session.subscribe(&topic(name));
        }
        harness.session.subscribe(&topic(&"t".repeat(254)));
        harness.sent();
        Self {
            harness,
            seqs: Vec::new(),
        }
    }

    fn send(&mut self, recorded: &Frame) -> bool {
        let body = crate::channel::split_topic(&recorded.body);
        let kind = match recorded.kind {
            FrameType::UNICAST => MessageKind::Unicast,
            FrameType::MULTICAST => MessageKind::Multicast,
            FrameType::RESPONSE => {
                let Ok(body) = body else { return false };
                let topic = topic(std::str::from_utf8(&body.topic).unwrap());
                let (seq, result) = (recorded.seq, recorded.result);
                self.harness
                    .session
                    .respond(seq, &topic, result, &body.payload);
                assert_eq!(&self.harness.sent_one(), recorded);
                return true;
            }
            _ => return false,
        };
        let body = body.unwrap();
        let topic = topic(std::str::from_utf8(&body.topic).unwrap());
        let deadline = self.harness.now + seconds(10);
        let seq = self
            .harness
            .session
            .request(kind, &topic, &body.payload, deadline, 0)
            .unwrap();
        self.seqs.push((recorded.seq, seq));
        let sent = self.harness.sent_one();
        assert_eq!(
            &Frame {
                seq: recorded.seq,
                ..sent
            },
            recorded
        );
        true
    }

    fn receive(&mut self, mut recorded: Frame) -> bool {
        let known = self.seqs.iter().find(|(theirs, _)| *theirs == recorded.seq);
        if let Some((_, ours)) = known {
            recorded.seq = *ours;
        }
        let (kind, result, body) = (recorded.kind, recorded.result, recorded.body.clone());
        self.harness.receive(recorded);
        match (kind, &self.harness.events()[..]) {
            (FrameType::RESPONSE, [SessionEvent::Finished { outcome, .. }]) => {
                let expected = match result {
                    0 => {
                        matches!(outcome, RequestOutcome::Answered(payload) if body.ends_with(payload))
                    }
                    100 => *outcome == RequestOutcome::NoSubscriber,
                    104 => *outcome == RequestOutcome::Unanswered,
                    code => {
                        matches!(outcome, RequestOutcome::Rejected { code: c, .. } if *c == code)
                    }
                };
                assert!(expected, "{result}: {outcome:?}");
            }
            (FrameType::UNICAST | FrameType::MULTICAST, [SessionEvent::Push(push)]) => {
                assert!(body.ends_with(&push.payload));
            }
            (FrameType::UNICAST | FrameType::MULTICAST | FrameType::RESPONSE, events) => {
                panic!("{kind:?}: {events:?}")
            }
            _ => return false,
        }
        true
    }
}
