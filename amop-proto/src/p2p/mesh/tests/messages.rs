//! Addresses and what they carry, written and read.

use bytes::Bytes;

use crate::p2p::mesh::*;
use crate::{
    channel::{Frame, FrameType, Seq},
    p2p::{Body, FRAGMENT},
};

fn frame() -> Frame {
    Frame::new(FrameType::UNICAST, Seq([b'0'; 32]), "\x02tpayload")
}

const HEADER: UnicastHeader = UnicastHeader {
    source: RoutingKey(1),
    target: RoutingKey(2),
    id: 7,
};

const SEAL: Seal = Seal {
    counter: 8,
    mac: [9; 16],
};

#[test]
fn headers_round_trip() {
    let frame = frame();
    let body = HEADER.encode(&frame);
    assert_eq!(
        UnicastHeader::decode(body.clone()),
        Some((HEADER, frame.to_bytes()))
    );
    assert_eq!(UnicastHeader::target_of(&body), Some(RoutingKey(2)));
    assert_eq!(UnicastHeader::target_of(&body[..23]), None);
    assert_eq!(UnicastHeader::decode(body.slice(..23)), None);
    let relayed = RelayedUnicastHeader {
        header: HEADER,
        seal: SEAL,
    };
    let body = relayed.encode(&frame);
    assert_eq!(body, relayed.encode(&frame.to_bytes()[..]));
    assert_eq!(UnicastHeader::target_of(&body), Some(RoutingKey(2)));
    let header = UnicastHeader::LEN + Seal::LEN;
    assert_eq!(RelayedUnicastHeader::decode(body.slice(..header - 1)), None);
    assert_eq!(
        RelayedUnicastHeader::decode(body),
        Some((relayed, frame.to_bytes()))
    );
}

#[test]
fn spreads_round_trip() {
    let frame = frame();
    let spread = MulticastHeader {
        source: RoutingKey(1),
        id: 7,
        targets: vec![RoutingKey(2), RoutingKey(3)],
    };
    let body = spread.encode(&frame);
    assert_eq!(MulticastHeader::decode(body.slice(..33)), None);
    assert_eq!(MulticastHeader::id_of(&body), Some(7));
    assert_eq!(MulticastHeader::id_of(&body[..15]), None);
    assert_eq!(MulticastHeader::content_of(&body), frame.to_bytes());
    assert_eq!(MulticastHeader::content_of(&body[..33]), b"");
    assert_eq!(
        MulticastHeader::decode(body),
        Some((spread, frame.to_bytes()))
    );
    let spread = RelayedMulticastHeader {
        voucher: RoutingKey(4),
        source: RoutingKey(1),
        id: 7,
        targets: vec![(RoutingKey(2), SEAL), (RoutingKey(3), SEAL)],
    };
    let body = spread.encode(&frame);
    assert_eq!(RelayedMulticastHeader::decode(body.slice(..89)), None);
    assert_eq!(
        RelayedMulticastHeader::decode(body),
        Some((spread, frame.to_bytes()))
    );
}

#[test]
fn a_frame_has_one_digest_in_every_form() {
    let frame = frame();
    let bytes = frame.to_bytes();
    let body = Body {
        head: bytes.slice(..9),
        tail: bytes.slice(9..),
    };
    assert_eq!(frame.digest(), bytes[..].digest());
    assert_eq!(frame.digest(), bytes.digest());
    assert_eq!(frame.digest(), body.digest());
}

/// Returns whether the tail is in the frame's own memory.
fn shares(tail: &Bytes, frame: &Frame) -> bool {
    frame.body.as_ptr_range().contains(&tail.as_ptr())
}

#[test]
fn long_frames_are_shared_and_short_ones_copied() {
    let relayed = RelayedUnicastHeader {
        header: HEADER,
        seal: SEAL,
    };
    let direct = MulticastHeader {
        source: RoutingKey(1),
        id: 7,
        targets: vec![RoutingKey(2)],
    };
    let spread = RelayedMulticastHeader {
        voucher: RoutingKey(4),
        source: RoutingKey(1),
        id: 7,
        targets: vec![(RoutingKey(2), SEAL)],
    };
    for len in [10, FRAGMENT, FRAGMENT + 1] {
        let frame = Frame::new(FrameType::UNICAST, Seq([b'0'; 32]), vec![1; len]);
        let parts = Body {
            head: frame.header().to_vec().into(),
            tail: frame.body.clone(),
        };
        let encoded = [
            (HEADER.encode_parts(&frame), HEADER.encode(&frame)),
            (relayed.encode_parts(&parts), relayed.encode(&frame)),
            (direct.encode_parts(&frame), direct.encode(&frame)),
            (spread.encode_parts(&frame), spread.encode(&frame)),
            (spread.encode_parts(&frame.body), spread.encode(&frame.body)),
        ];
        for (n, (body, whole)) in encoded.into_iter().enumerate() {
            let long = len > FRAGMENT;
            assert_eq!(body.tail.is_empty(), !long, "{n} {len}");
            assert!(!long || shares(&body.tail, &frame), "{n} {len}");
            assert_eq!([&body.head[..], &body.tail[..]].concat(), whole, "{n}");
        }
    }
}

#[test]
fn a_spread_shows_whom_it_is_for_unopened() {
    let spread = RelayedMulticastHeader {
        voucher: RoutingKey(4),
        source: RoutingKey(1),
        id: 7,
        targets: vec![(RoutingKey(2), SEAL), (RoutingKey(3), SEAL)],
    };
    let body = spread.encode(&frame());
    let targets: Vec<RoutingKey> = RelayedMulticastHeader::targets_of(&body).collect();
    assert_eq!(targets, [RoutingKey(2), RoutingKey(3)]);
    assert_eq!(
        RelayedMulticastHeader::content_of(&body),
        frame().to_bytes()
    );
    for len in 0..body.len() {
        assert!(RelayedMulticastHeader::targets_of(&body[..len]).count() <= 2);
        RelayedMulticastHeader::content_of(&body[..len]);
    }
}
