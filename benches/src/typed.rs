//! The client's session, and typed values to payloads and back.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use amop::{Codec, Topic};
use amop_proto::{
    TopicName,
    channel::{Frame, FrameDecoder, FrameType, HandshakeResponse, Seq},
    client::{ClientConfig, ClientSession, MessageKind, RequestOutcome, SessionEvent},
};
use amop_schemas::{
    hello::Hello,
    price::{Level, PriceTick},
    settlement::{Money, SettlementNotice},
};
use bytes::BytesMut;

use super::{Case, Operation};

pub(crate) static CASES: &[Case] = &[
    Case::new("client.publish", 1000, publish),
    Case::new("client.publish.quiet/64", 100, publish_quietly),
    Case::new("client.push", 1000, push),
    Case::new("typed.text.encode", 1000, || encode(hello())),
    Case::new("typed.text.decode", 1000, || decode(hello())),
    Case::new("typed.json.encode", 1000, || encode(price())),
    Case::new("typed.json.decode", 1000, || decode(price())),
    Case::new("typed.protobuf.encode", 1000, || encode(settlement())),
    Case::new("typed.protobuf.decode", 1000, || decode(settlement())),
];

const TOPIC: &str = "price.tick";

/// Returns a session after its handshake with a FISCO node, or with a node that supports quiet
/// multicasts.
fn session(now: Instant, quiet_multicasts: bool) -> (ClientSession<u32>, TopicName) {
    let mut session = ClientSession::new(ClientConfig::default(), [7; 32], now);
    let mut wire = BytesMut::new();
    session.poll_transmit(now, &mut wire);
    let Ok(Some(hello)) = FrameDecoder::default().decode(&mut wire) else {
        unreachable!("a session begins with its handshake");
    };
    let response = HandshakeResponse {
        node_version: "2.11.1".into(),
        protocol: 3,
        quiet_multicasts,
        answer_within: None,
        max_frame: None,
    };
    let body = response.to_body();
    session.handle_frame(now, Frame { body, ..hello });
    assert!(matches!(
        session.poll_event(),
        Some(SessionEvent::Ready { .. })
    ));
    let topic = TopicName::new(TOPIC).expect("a good name");
    (session, topic)
}

/// Returns a case: 256 bytes are published, written out and acknowledged.
fn publish() -> Operation {
    let now = Instant::now();
    let (mut session, topic) = session(now, false);
    let payload = vec![7; 256];
    let framed = Frame::amop(
        FrameType::RESPONSE,
        Seq([0; 32]),
        TOPIC.as_bytes(),
        &payload,
    );
    let mut out = BytesMut::new();
    let deadline = now + Duration::from_secs(5);
    Box::new(move || {
        let seq = session
            .request(
                MessageKind::Multicast,
                &topic,
                black_box(&payload),
                deadline,
                1,
            )
            .expect("nothing else is in flight");
        out.clear();
        assert!(session.poll_transmit(now, &mut out));
        let answer = Frame {
            seq,
            ..framed.clone()
        };
        session.handle_frame(now, answer);
        let event = session.poll_event();
        assert!(matches!(
            black_box(event),
            Some(SessionEvent::Finished {
                outcome: RequestOutcome::Answered(_),
                ..
            })
        ));
    })
}

/// Returns a case: 256 bytes are published 64 times, written out at once and acknowledged by an
/// overlay node.
fn publish_quietly() -> Operation {
    let now = Instant::now();
    let (mut session, topic) = session(now, true);
    let payload = vec![7; 256];
    let mut out = BytesMut::new();
    let deadline = now + Duration::from_secs(5);
    Box::new(move || {
        let mut publish = || {
            session
                .request(
                    MessageKind::Multicast,
                    &topic,
                    black_box(&payload),
                    deadline,
                    1,
                )
                .expect("few others are in flight")
        };
        let last = (0..64).map(|_| publish()).last();
        let seq = last.expect("there are 64");
        out.clear();
        assert!(session.poll_transmit(now, &mut out));
        session.handle_frame(now, Frame::new(FrameType::RESPONSE, seq, ""));
        for _ in 0..64 {
            let event = session.poll_event();
            assert!(matches!(
                black_box(event),
                Some(SessionEvent::Finished { .. })
            ));
        }
    })
}

/// Returns a case: 256 bytes are pushed.
fn push() -> Operation {
    let now = Instant::now();
    let (mut session, topic) = session(now, false);
    session.subscribe(&topic);
    let message = Frame::amop(
        FrameType::MULTICAST,
        Seq([7; 32]),
        TOPIC.as_bytes(),
        &[7; 256],
    );
    Box::new(move || {
        session.handle_frame(now, black_box(message.clone()));
        assert!(matches!(
            black_box(session.poll_event()),
            Some(SessionEvent::Push(_))
        ));
    })
}

fn encode<T: Topic>(value: T) -> Operation {
    Box::new(move || {
        let payload = T::Codec::encode(black_box(&value));
        black_box(payload.expect("it can be expressed"));
    })
}

fn decode<T: Topic>(value: T) -> Operation {
    let payload = T::Codec::encode(&value).expect("it can be expressed");
    Box::new(move || {
        let value = T::Codec::decode(black_box(payload.clone()));
        assert!(black_box(value).is_ok());
    })
}

fn hello() -> Hello {
    Hello {
        text: "The quick brown fox jumps over the lazy dog. ".repeat(6),
    }
}

fn price() -> PriceTick {
    let level = |n| Level {
        price_cents: 4200 + n,
        quantity: 100,
    };
    PriceTick {
        isin: "DE0007164600".into(),
        sequence: 1_234_567,
        time_ms: 1_795_500_000_000,
        bids: (0..5).map(|n| level(-n)).collect(),
        asks: (1..6).map(level).collect(),
        last_cents: Some(4200),
        signature: vec![7; 64],
        ..PriceTick::default()
    }
}

fn settlement() -> SettlementNotice {
    SettlementNotice {
        reference: "eb6305c9-1f7f-49de-aed0-16487c27b42d".into(),
        amount: Some(Money {
            currency: "EUR".into(),
            minor_units: 1250,
        }),
        settled_at_ms: 1_795_500_000_000,
        remittance: vec!["invoice 2026-1107".into(), "invoice 2026-1108".into()],
        ..SettlementNotice::default()
    }
}
