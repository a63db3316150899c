use bytes::Bytes;

use super::*;
use crate::channel::{Frame, FrameType, Seq};

fn message(n: u8, body: impl Into<Bytes>) -> HashedFrame {
    let frame = Frame {
        kind: FrameType::MULTICAST,
        seq: Seq([n; 32]),
        result: 0,
        body: body.into(),
    };
    frame.into()
}

#[test]
fn the_same_message_is_known_for_a_while_and_no_other_is() {
    let start = Instant::now();
    let mut repeats = Repeats::default();
    let long = vec![1; 10_000];
    for body in [vec![], vec![1], long.clone()] {
        assert!(repeats.is_first(start, &message(1, body.clone())));
        assert!(!repeats.is_first(start, &message(1, body.clone())));
        assert!(repeats.is_first(start, &message(2, body)));
    }
    // Each byte counts, also in the middle.
    for differs in [0, 200, 5_000, 9_999] {
        let mut other = long.clone();
        other[differs] = 2;
        assert!(repeats.is_first(start, &message(1, other)), "{differs}");
    }
    assert!(!repeats.is_first(start + COPIES_WITHIN / 2, &message(1, long.clone())));
    assert!(repeats.is_first(start + COPIES_WITHIN, &message(1, long)));
}

#[test]
fn the_oldest_are_forgotten_when_there_are_too_many() {
    let now = Instant::now();
    let mut repeats = Repeats::default();
    for n in 0..2 * MAX {
        assert!(repeats.is_first(now, &message(0, n.to_be_bytes().to_vec())));
    }
    assert_eq!((repeats.seen.len(), repeats.order.len()), (MAX, MAX));
    assert!(repeats.is_first(now, &message(0, 0usize.to_be_bytes().to_vec())));
}
