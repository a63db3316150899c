use bytes::Bytes;

use super::*;
use crate::{node::mesh::extension, p2p::mesh::packet::MULTICAST};

fn message(len: usize) -> PeerMessage {
    extension(MULTICAST, 32, Bytes::from(vec![0; len])).into()
}

fn push(unconfirmed: &mut UnconfirmedMulticasts, len: usize, queued: usize) -> (u32, u64) {
    let mut message = message(len);
    let given_up = unconfirmed.push(Lane::Control, &mut message, queued);
    let numbered = Numbered::of(message.frame.seq);
    assert_eq!(numbered.hops_left, 32);
    (numbered.number, given_up)
}

fn numbers(unconfirmed: &UnconfirmedMulticasts) -> Vec<u32> {
    let sent = unconfirmed.clone().into_sent();
    sent.map(|(_, message)| Numbered::of(message.frame.seq).number)
        .collect()
}

#[test]
fn what_is_not_confirmed_is_kept_in_its_order() {
    let mut unconfirmed = UnconfirmedMulticasts::default();
    for number in 1..=6 {
        assert_eq!(push(&mut unconfirmed, 10, 0), (number, 0));
    }
    unconfirmed.confirmed(3, 2);
    assert_eq!(numbers(&unconfirmed), [1, 2, 5, 6]);
    unconfirmed.confirmed(1, 1);
    unconfirmed.confirmed(1, 1);
    assert_eq!(numbers(&unconfirmed), [2, 5, 6]);
    // Confirmations of numbers that were never sent have no effect.
    unconfirmed.confirmed(7, 1000);
    unconfirmed.confirmed(100, 1);
    assert_eq!(numbers(&unconfirmed), [2, 5, 6]);
    unconfirmed.confirmed(2, 5);
    assert_eq!((numbers(&unconfirmed), unconfirmed.bytes), (vec![], 0));
    assert_eq!(push(&mut unconfirmed, 10, 0), (7, 0));
    unconfirmed.confirmed(6, 1);
    assert_eq!(numbers(&unconfirmed), [7]);
}

#[test]
fn numbers_go_round() {
    let last = Numbered::NUMBERS - 1;
    let mut unconfirmed = UnconfirmedMulticasts {
        last: last - 2,
        ..UnconfirmedMulticasts::default()
    };
    let sent: Vec<u32> = (0..4).map(|_| push(&mut unconfirmed, 1, 0).0).collect();
    assert_eq!(sent, [last - 1, last, 1, 2]);
    unconfirmed.confirmed(last, 2);
    assert_eq!(numbers(&unconfirmed), [last - 1, 2]);
    unconfirmed.confirmed(last - 1, 4);
    assert_eq!(push(&mut unconfirmed, 1, 0), (3, 0));
}

#[test]
fn of_a_neighbour_that_confirms_nothing_so_much_is_kept() {
    let mut unconfirmed = UnconfirmedMulticasts::default();
    let mut given_up = 0;
    for _ in 0..40 {
        given_up += push(&mut unconfirmed, 1 << 20, 0).1;
    }
    assert_eq!(given_up, 25);
    assert!(unconfirmed.bytes <= UNDER_WAY);
    // Bytes that wait to be written are in memory anyway.
    assert_eq!(push(&mut unconfirmed, 1 << 20, 8 << 20).1, 0);
    // A single message may be longer.
    assert_eq!(push(&mut unconfirmed, 32 << 20, 0).1, 16);
    assert_eq!(unconfirmed.clone().into_sent().count(), 1);
}

#[test]
fn what_comes_is_confirmed_in_runs() {
    let mut came = ToConfirm::default();
    let last = Numbered::NUMBERS - 1;
    for number in [last - 1, last, 1, 2, 9, 10, 5] {
        assert!(!came.push(number, 10));
    }
    assert_eq!(came.take(), [(last - 1, 4), (9, 2), (5, 1)]);
    assert!(came.is_empty());
    assert!(!came.push(11, MUCH - 1));
    assert!(came.push(12, 1));
    came.take();
    let in_time = (0..MANY).position(|n| came.push(n + 1, 1));
    assert_eq!(in_time, Some(MANY as usize - 1));
    came.take();
    let in_time = (0..MANY).position(|n| came.push(2 * n + 1, 1));
    assert_eq!(in_time, Some(GAPS - 1));
}
