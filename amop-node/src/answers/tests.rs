use std::net::IpAddr;

use super::*;
use crate::ports::source;

const MIB: usize = 1 << 20;

fn address(n: u8) -> Source {
    source(IpAddr::from([192, 0, 2, n]))
}

#[test]
fn an_address_gets_half_of_what_is_free_and_room_is_given_back() {
    let answers = Answers::new(64 * MIB);
    let first = answers.admit(address(1), 20 * MIB).unwrap();
    assert!(answers.admit(address(1), 10 * MIB).is_none());
    let second = answers.admit(address(2), 20 * MIB).unwrap();
    assert!(answers.admit(address(3), 20 * MIB).is_none());
    let third = answers.admit(address(3), 10 * MIB).unwrap();
    drop(first);
    assert!(answers.admit(address(1), 16 * MIB).is_some());
    drop((second, third));
    let held = answers.held();
    assert_eq!((held.total, held.by_source.len()), (0, 0));
}

#[test]
fn however_many_hold_long_answers_short_ones_find_room() {
    let answers = Answers::new(64 * MIB);
    let mut rooms = Vec::new();
    for n in 0..200 {
        let mut len = 16 * MIB;
        while len > SHORT {
            rooms.extend(answers.admit(address(n), len));
            len /= 2;
        }
    }
    assert!(answers.held().total < 64 * MIB);
    assert!(answers.admit(address(1), SHORT).is_some());
    assert!(answers.admit(address(201), SHORT).is_some());
}

#[test]
fn what_is_longer_than_half_the_budget_has_no_room() {
    let answers = Answers::new(MIB);
    assert!(answers.admit(address(1), MIB / 2 + 1).is_none());
    assert!(answers.admit(address(1), MIB / 2).is_some());
    assert!(answers.admit(address(1), usize::MAX).is_none());
}
