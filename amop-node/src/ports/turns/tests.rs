use std::{net::IpAddr, task::Waker};

use super::*;

fn source(n: u8) -> Caller {
    Caller::Stranger(Source::of(IpAddr::from([10, 0, 0, n])))
}

fn peer(n: u8) -> Caller {
    Caller::Peer(Source::of(IpAddr::from([10, 0, 1, n])))
}

#[test]
fn a_source_with_much_waiting_does_not_hold_up_one_with_little() {
    let mut queue = HandshakeQueue::new();
    for n in 0..100 {
        queue.push(source(1), (1, n));
    }
    queue.push(source(2), (2, 0));
    queue.push(source(2), (2, 1));
    queue.push(source(3), (3, 0));
    queue.push(Caller::Here, (0, 0));
    let order: Vec<_> = (0..7).filter_map(|_| queue.pop()).collect();
    assert_eq!(
        order,
        [(0, 0), (1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2)]
    );
    let rest = std::iter::from_fn(|| queue.pop()).count();
    assert_eq!(rest, 97);
    assert!(queue.strangers.sources.is_empty() && queue.strangers.order.is_empty());
}

#[test]
fn what_comes_from_a_configured_peer_s_address_leaves_every_second_turn_to_others() {
    let mut queue = HandshakeQueue::new();
    for n in 0..100 {
        queue.push(peer(1), (1, n));
    }
    for n in 0..3 {
        queue.push(source(2), (2, n));
    }
    queue.push(peer(3), (3, 0));
    queue.push(Caller::Here, (0, 0));
    let order: Vec<_> = (0..8).filter_map(|_| queue.pop()).collect();
    assert_eq!(
        order,
        [
            (1, 0),
            (2, 0),
            (3, 0),
            (2, 1),
            (0, 0),
            (2, 2),
            (1, 1),
            (1, 2)
        ]
    );
}

#[test]
fn turns_come_one_after_the_other_and_those_that_are_gone_are_passed_over() {
    let turns = HandshakeTurns::new(1);
    let mut cx = Context::from_waker(Waker::noop());
    let mut first = turns.ask(source(1));
    let second = turns.ask(source(1));
    let mut third = turns.ask(source(1));
    let Poll::Ready(Ok(turn)) = Pin::new(&mut first).poll(&mut cx) else {
        panic!("the first has no turn");
    };
    assert!(Pin::new(&mut third).poll(&mut cx).is_pending());
    drop(second);
    drop(turn);
    // It was given a turn that it did not take: dropping the turn lets the next caller work.
    drop(third);
    let mut fourth = turns.ask(Caller::Here);
    assert!(Pin::new(&mut fourth).poll(&mut cx).is_ready());
    // The turn was dropped at once.
    assert_eq!(turns.lock().free, 1);
}

#[test]
fn a_future_is_polled_only_in_its_turns() {
    let turns = HandshakeTurns::new(1);
    let mut cx = Context::from_waker(Waker::noop());
    let mut told = Vec::new();
    let mut polls = 0;
    let work = std::future::poll_fn(|_| {
        polls += 1;
        if polls == 2 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    let turn = turns.ask(Caller::Here);
    {
        let work = turns.take(source(1), |waits| told.push(waits), work);
        let mut work = std::pin::pin!(work);
        assert!(work.as_mut().poll(&mut cx).is_pending());
        assert!(work.as_mut().poll(&mut cx).is_pending());
        drop(turn);
        assert!(work.as_mut().poll(&mut cx).is_pending());
        assert!(work.as_mut().poll(&mut cx).is_ready());
    }
    assert_eq!(polls, 2);
    use Waits::{Other, Turn};
    assert_eq!(told, [Turn, Other, Turn, Other]);
}
