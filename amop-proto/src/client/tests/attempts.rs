//! The order in which a message's connections are tried, and when a result is final.

use super::*;

#[test]
fn nothing_to_try_is_waited_for() {
    let mut attempts = Attempts::default();
    assert!(attempts.may_try(1));
    assert_eq!(attempts.when_exhausted(|_| true), Next::Wait);
    attempts.ended(1, Attempt::NotSent);
    assert!(!attempts.may_try(1) && attempts.may_try(2));
    assert_eq!(attempts.when_exhausted(|_| true), Next::Wait);
    assert!(!attempts.lost());
}

#[test]
fn a_verdict_of_all_nodes_stands() {
    let mut attempts = Attempts::default();
    attempts.ended(1, Attempt::Turned);
    assert!(attempts.may_try(2));
    attempts.ended(2, Attempt::Turned);
    assert_eq!(attempts.when_exhausted(|_| true), Next::Finish);
    // A connection that was lost before changes nothing.
    attempts.ended(3, Attempt::NotSent);
    assert_eq!(attempts.when_exhausted(|_| true), Next::Finish);
}

#[test]
fn a_lost_message_is_tried_again_and_again() {
    let mut attempts = Attempts::default();
    attempts.ended(1, Attempt::Lost);
    assert_eq!(attempts.when_exhausted(|_| true), Next::Wait);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        assert!(attempts.may_try(2) && !attempts.may_try(1));
        attempts.ended(2, Attempt::Turned);
        assert!(!attempts.may_try(2));
        match attempts.when_exhausted(|_| true) {
            Next::Pause(pause) => pauses.push(pause.as_millis()),
            next => panic!("{next:?}"),
        }
    }
    assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
    assert!(attempts.lost());
}

#[test]
fn the_verdict_of_a_node_that_is_gone_does_not_stand() {
    let mut attempts = Attempts::default();
    attempts.ended(1, Attempt::Turned);
    attempts.ended(2, Attempt::Turned);
    let next = attempts.when_exhausted(|link| link != 1);
    assert_eq!(next, Next::Pause(Duration::from_millis(50)));
    assert!(attempts.lost());
    assert!(!attempts.may_try(1) && attempts.may_try(2));

    let mut attempts = Attempts::default();
    attempts.ended(1, Attempt::Turned);
    assert_eq!(attempts.when_exhausted(|_| false), Next::Wait);
}

#[test]
fn unverified_subscribers_are_waited_for_unless_one_refused() {
    let mut attempts = Attempts::default();
    let mut pauses = Vec::new();
    for _ in 0..3 {
        attempts.ended(1, Attempt::Unverified);
        attempts.ended(2, Attempt::Unverified);
        match attempts.when_exhausted(|_| true) {
            Next::Pause(pause) => pauses.push(pause.as_millis()),
            next => panic!("{next:?}"),
        }
        assert!(attempts.may_try(1) && attempts.may_try(2));
    }
    assert_eq!(pauses, [50, 100, 200]);
    assert!(!attempts.lost());
    attempts.ended(1, Attempt::Unverified);
    attempts.ended(2, Attempt::Turned);
    assert_eq!(attempts.when_exhausted(|_| true), Next::Finish);
}
