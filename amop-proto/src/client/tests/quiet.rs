//! Multicasts that are answered only if they are refused.

use super::*;
use crate::channel::{HEADER_LEN, NO_ACK, result_code};

const ANSWERED: RequestOutcome = RequestOutcome::Answered(Bytes::new());

fn shake_hands(harness: &mut Harness, quiet_multicasts: bool) {
    let hello = harness.sent_one();
    let response = HandshakeResponse {
        node_version: "2.11.1".into(),
        protocol: 3,
        quiet_multicasts,
        answer_within: None,
        max_frame: None,
    };
    harness.receive(Frame {
        body: response.to_body(),
        ..hello
    });
    assert!(matches!(harness.events()[..], [SessionEvent::Ready { .. }]));
}

/// Returns a session with a node that understands quiet multicasts.
fn quiet_with(config: ClientConfig) -> Harness {
    let mut harness = Harness::new(config);
    shake_hands(&mut harness, true);
    harness
}

fn quiet() -> Harness {
    quiet_with(ClientConfig::default())
}

fn results(frames: &[Frame]) -> Vec<i32> {
    frames.iter().map(|frame| frame.result).collect()
}

fn publish(harness: &mut Harness, tokens: impl IntoIterator<Item = u32>) -> Vec<Seq> {
    let tokens = tokens.into_iter();
    let publish = |token| harness.request(MessageKind::Multicast, "x", seconds(5), token);
    tokens.map(publish).collect()
}

fn answer(harness: &mut Harness, seq: Seq, result: i32) {
    harness.receive(Frame {
        result,
        ..Frame::new(FrameType::RESPONSE, seq, Bytes::new())
    });
}

fn all_answered(tokens: impl IntoIterator<Item = u32>) -> Vec<SessionEvent<u32>> {
    let tokens = tokens.into_iter();
    tokens.map(|token| finished(token, ANSWERED)).collect()
}

#[test]
fn the_last_one_of_what_is_sent_asks_and_confirms_the_others() {
    let mut harness = quiet();
    let seqs = publish(&mut harness, 0..3);
    let unicast = harness.request(MessageKind::Unicast, "x", seconds(5), 3);
    let frames = harness.sent();
    assert_eq!(results(&frames), [NO_ACK, NO_ACK, 0, 0]);
    assert_eq!(frames[2].seq, seqs[2]);
    assert_eq!(frames[2].body, framed("x"));
    answer(&mut harness, seqs[2], 0);
    assert_eq!(harness.events(), all_answered(0..3));
    assert_eq!(harness.session.in_flight(), 1);
    answer(&mut harness, unicast, 0);
    assert_eq!(harness.events(), all_answered([3]));
    // If sent one at a time, each asks for an answer.
    for token in 4..7 {
        let seqs = publish(&mut harness, [token]);
        assert_eq!(harness.sent_one().result, 0);
        answer(&mut harness, seqs[0], 0);
        assert_eq!(harness.events(), all_answered([token]));
    }
    assert_eq!(harness.session.in_flight(), 0);
}

#[test]
fn one_in_64_asks_and_one_in_64_kib() {
    let mut harness = quiet();
    publish(&mut harness, 0..200);
    let asking = |frames: &[Frame]| -> Vec<usize> {
        let frames = frames.iter().enumerate();
        let asking = frames.filter(|(_, frame)| frame.result == 0);
        asking.map(|(at, _)| at).collect()
    };
    assert_eq!(asking(&harness.sent()), [63, 127, 191, 199]);
    // The count starts again after each transmission.
    publish(&mut harness, 0..65);
    assert_eq!(asking(&harness.sent()), [63, 64]);
    let long = "x".repeat(20 * 1024);
    for token in 0..9 {
        harness.request(MessageKind::Multicast, &long, seconds(5), token);
    }
    assert_eq!(asking(&harness.sent()), [3, 7, 8]);
}

#[test]
fn a_refusal_in_the_middle_confirms_those_before_it_only() {
    let mut harness = quiet();
    let seqs = publish(&mut harness, 0..5);
    harness.sent();
    answer(&mut harness, seqs[2], result_code::OVER_LIMIT);
    let mut expected = all_answered(0..2);
    expected.push(finished(2, RequestOutcome::OverLimit));
    assert_eq!(harness.events(), expected);
    assert_eq!(harness.session.in_flight(), 2);
    answer(&mut harness, seqs[4], 0);
    assert_eq!(harness.events(), all_answered(3..5));
}

#[test]
fn the_asking_one_may_be_the_one_that_is_refused() {
    let mut harness = quiet();
    let seqs = publish(&mut harness, 0..2);
    harness.sent();
    answer(&mut harness, seqs[1], 7);
    let rejected = RequestOutcome::Rejected {
        code: 7,
        payload: Bytes::new(),
    };
    assert_eq!(
        harness.events(),
        [finished(0, ANSWERED), finished(1, rejected)]
    );
}

#[test]
fn answers_that_come_twice_or_to_nothing_confirm_nothing() {
    let mut harness = quiet();
    let seqs = publish(&mut harness, 0..4);
    harness.sent();
    answer(&mut harness, seqs[1], 0);
    assert_eq!(harness.events(), all_answered(0..2));
    for known in [seqs[0], seqs[1], Seq([b'f'; 32])] {
        answer(&mut harness, known, 0);
        let notice = SessionEvent::Notice(SessionNotice::UnsolicitedResponse(known));
        assert_eq!(harness.events(), [notice]);
    }
    assert_eq!(harness.session.in_flight(), 2);
}

#[test]
fn what_is_cancelled_confirms_the_others_all_the_same() {
    let mut harness = quiet();
    let seqs = publish(&mut harness, 0..4);
    harness.sent();
    for token in [1, 3] {
        let seq = &seqs[token as usize];
        assert_eq!(harness.session.cancel(seq), Some(token));
        assert_eq!(harness.session.cancel(seq), None);
    }
    assert_eq!(harness.session.in_flight(), 2);
    answer(&mut harness, seqs[3], 0);
    let mut expected = all_answered([0, 2]);
    expected.push(SessionEvent::Notice(SessionNotice::UnsolicitedResponse(
        seqs[3],
    )));
    assert_eq!(harness.events(), expected);
    assert_eq!(harness.session.in_flight(), 0);
}

#[test]
fn cancelling_before_sending_leaves_the_last_one_asking() {
    let mut harness = quiet();
    let seqs = publish(&mut harness, 0..3);
    assert_eq!(harness.session.cancel(&seqs[2]), Some(2));
    assert_eq!(results(&harness.sent()), [NO_ACK, NO_ACK, 0]);
    answer(&mut harness, seqs[2], 0);
    assert_eq!(harness.events()[..2], all_answered(0..2));
    // All are cancelled, and nothing is left to confirm.
    let seqs = publish(&mut harness, 0..2);
    for seq in &seqs {
        assert!(harness.session.cancel(seq).is_some());
    }
    assert_eq!(results(&harness.sent()), [NO_ACK, 0]);
    let later = publish(&mut harness, [9]);
    harness.sent();
    answer(&mut harness, later[0], 0);
    assert_eq!(harness.events(), all_answered([9]));
}

#[test]
fn cancelled_ones_do_not_pile_up_behind_one_that_waits() {
    let mut harness = quiet();
    publish(&mut harness, [0]);
    harness.sent();
    let mut last = None;
    for token in 1..10_000 {
        let seqs = publish(&mut harness, [token]);
        harness.sent();
        assert_eq!(harness.session.cancel(&seqs[0]), Some(token));
        last = seqs.last().copied();
        assert!(harness.session.remembered_multicasts() <= 2 + 64);
    }
    answer(&mut harness, last.unwrap(), 0);
    assert_eq!(harness.events()[0], finished(0, ANSWERED));
}

#[test]
fn deadlines_hold_without_answers() {
    let mut harness = quiet();
    let now = harness.now;
    let short = harness.request(MessageKind::Multicast, "", seconds(3), 3);
    harness.request(MessageKind::Multicast, "", seconds(1), 1);
    harness.request(MessageKind::Unicast, "", seconds(1), 2);
    harness.request(MessageKind::Multicast, "", seconds(9), 9);
    harness.sent();
    assert_eq!(harness.session.next_timeout(), Some(now + seconds(1)));
    harness.pass(seconds(1));
    assert_eq!(
        harness.events(),
        [2, 1].map(|token| finished(token, RequestOutcome::TimedOut))
    );
    // Something still waits, so the node is probed before the next deadline.
    let probe = Some(now + Duration::from_millis(2500));
    assert_eq!(harness.session.next_timeout(), probe);
    harness.pass(Duration::from_millis(1500));
    assert_eq!(harness.sent_one().kind, FrameType::HEARTBEAT);
    assert_eq!(harness.session.next_timeout(), Some(now + seconds(3)));
    harness.pass(Duration::from_millis(500));
    assert_eq!(harness.events(), [finished(3, RequestOutcome::TimedOut)]);
    assert_eq!(harness.session.in_flight(), 1);
    answer(&mut harness, short, 0);
    let notice = SessionEvent::Notice(SessionNotice::UnsolicitedResponse(short));
    assert_eq!(harness.events(), [notice]);
}

#[test]
fn bounds_and_seqs_in_use_count_them() {
    let mut harness = quiet_with(ClientConfig {
        max_in_flight: 3,
        ..ClientConfig::default()
    });
    let deadline = harness.now + seconds(5);
    let seqs = publish(&mut harness, 0..2);
    let mut again = |seq, token| {
        let (session, topic) = (&mut harness.session, hello());
        let result = session.request_as(seq, MessageKind::Multicast, &topic, b"x", deadline, token);
        result.map_err(|refused| refused.why)
    };
    assert_eq!(again(seqs[0], 2), Err(RefusalReason::SeqInUse));
    assert_eq!(again(Seq([b'a'; 32]), 2), Ok(()));
    let full = Err(RefusalReason::InFlight { limit: 3 });
    assert_eq!(again(Seq([b'b'; 32]), 3), full);
    assert_eq!(harness.sent().len(), 3);
    answer(&mut harness, seqs[1], 0);
    assert_eq!(harness.events(), all_answered(0..2));
    assert_eq!(harness.session.in_flight(), 1);
}

#[test]
fn a_session_that_closes_ends_them_in_order() {
    let mut harness = quiet();
    publish(&mut harness, 0..3);
    harness.session.handle_eof();
    let mut expected: Vec<_> = (0..3)
        .map(|token| finished(token, RequestOutcome::Disconnected))
        .collect();
    expected.push(SessionEvent::Closed(CloseReason::Peer));
    assert_eq!(harness.events(), expected);
    // Queued multicasts are still written; the last one asks for an answer.
    assert_eq!(results(&harness.sent()), [NO_ACK, NO_ACK, 0]);
}

#[test]
fn behind_other_frames_the_right_field_is_changed() {
    let mut harness = quiet();
    harness.session.subscribe(&hello());
    harness.sent();
    let push = Seq([b'p'; 32]);
    assert!(harness.session.respond(push, &hello(), 5, b"reply"));
    let seqs = publish(&mut harness, 0..2);
    assert!(harness.session.respond(push, &hello(), 6, b"reply"));
    let mut wire = BytesMut::from(&b"before"[..]);
    harness.session.poll_transmit(harness.now, &mut wire);
    let mut wire = wire.split_off("before".len());
    let decoder = FrameDecoder::default();
    let frames: Vec<Frame> = std::iter::from_fn(|| decoder.decode(&mut wire).unwrap()).collect();
    assert_eq!(results(&frames), [5, NO_ACK, 0, 6]);
    assert_eq!([frames[1].seq, frames[2].seq], seqs[..]);
    assert!(frames.iter().all(|frame| frame.wire_len() > HEADER_LEN));
}

#[test]
fn to_other_nodes_every_multicast_asks() {
    let mut harness = Harness::new(ClientConfig::default());
    shake_hands(&mut harness, false);
    let seqs = publish(&mut harness, 0..3);
    assert_eq!(results(&harness.sent()), [0, 0, 0]);
    // Their answers come in any order and do not confirm each other.
    answer(&mut harness, seqs[2], 0);
    assert_eq!(harness.events(), all_answered([2]));
    assert_eq!(harness.session.in_flight(), 2);
}
