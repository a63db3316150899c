use bytes::Bytes;

use super::*;
use crate::channel::{FrameType, Seq};

fn frame(n: u8, body: impl Into<Bytes>) -> Frame {
    Frame {
        kind: FrameType::MULTICAST,
        seq: Seq([n; 32]),
        result: 0,
        body: body.into(),
    }
}

#[test]
fn the_same_message_is_known_for_a_while_and_no_other_is() {
    let start = Instant::now();
    let mut repeats = Repeats::default();
    let long = vec![1; 10_000];
    for body in [vec![], vec![1], long.clone()] {
        assert!(repeats.is_first(start, &frame(1, body.clone())));
        assert!(!repeats.is_first(start, &frame(1, body.clone())));
        assert!(repeats.is_first(start, &frame(2, body)));
    }
    let mut other = long.clone();
    other[9_999] = 2;
    assert!(repeats.is_first(start, &frame(1, other)));
    assert!(!repeats.is_first(start + COPIES_WITHIN / 2, &frame(1, long.clone())));
    assert!(repeats.is_first(start + COPIES_WITHIN, &frame(1, long)));
}

#[test]
fn the_oldest_are_forgotten_when_there_are_too_many() {
    let now = Instant::now();
    let mut repeats = Repeats::default();
    for n in 0..2 * MAX {
        assert!(repeats.is_first(now, &frame(0, n.to_be_bytes().to_vec())));
    }
    assert_eq!((repeats.seen.len(), repeats.order.len()), (MAX, MAX));
    assert!(repeats.is_first(now, &frame(0, 0usize.to_be_bytes().to_vec())));
}
