use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::*;

fn party(agency: u64, key: u64, one: u64) -> Party {
    Party { agency, key, one }
}

fn poll<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[test]
fn turns_of_those_who_are_gone_are_passed_over() {
    let gate = Gate::new(1);
    let mut first = gate.ask(party(1, 1, 1));
    let second = gate.ask(party(1, 1, 2));
    let mut third = gate.ask(party(2, 1, 1));
    let turn = poll(&mut first).unwrap().unwrap();
    assert!(poll(&mut third).is_none());
    drop((second, turn));
    // It was given a turn that it did not take: dropping the turn lets the next caller work.
    drop(third);
    assert_eq!(gate.lock().free, 1);
    assert!(poll(gate.turn(party(1, 1, 3))).is_some());
}

#[test]
fn so_many_work_at_once_as_there_are_places() {
    let gate = Gate::new(2);
    let mut turns: Vec<_> = (0..5).map(|n| gate.ask(party(n, 1, 1))).collect();
    let mut done = Vec::new();
    while !turns.is_empty() {
        let polled: Vec<_> = turns.iter_mut().map(poll).collect();
        let working: Vec<WorkPermit> = polled.into_iter().flatten().flatten().collect();
        assert_eq!(working.len(), 2.min(turns.len()));
        done.extend(working.iter().map(|turn| turn.party.agency));
        turns.drain(..working.len());
    }
    assert_eq!(done, [0, 1, 2, 3, 4]);
    assert_eq!(gate.lock().free, 2);
}
