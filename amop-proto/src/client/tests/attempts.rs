//! The order in which a message's connections are tried, and when a result is final.

use super::*;

#[test]
fn nothing_to_try_is_waited_for() {
    let mut attempts = Attempts::default();
    assert!(attempts.may_try(1));
    assert_eq!(attempts.when_exhausted(|_| true), NextAttempt::Wait);
    attempts.ended(1, AttemptEnd::NotSent);
    assert!(!attempts.may_try(1) && attempts.may_try(2));
    assert_eq!(attempts.when_exhausted(|_| true), NextAttempt::Wait);
    assert!(!attempts.lost());
}

#[test]
fn a_verdict_of_all_nodes_stands() {
    let mut attempts = Attempts::default();
    attempts.ended(1, AttemptEnd::Refused);
    assert!(attempts.may_try(2));
    attempts.ended(2, AttemptEnd::Refused);
    assert_eq!(attempts.when_exhausted(|_| true), NextAttempt::Finish);
    // A connection that was lost before changes nothing.
    attempts.ended(3, AttemptEnd::NotSent);
    assert_eq!(attempts.when_exhausted(|_| true), NextAttempt::Finish);
}

#[test]
fn a_lost_message_is_tried_again_and_again() {
    let mut attempts = Attempts::default();
    attempts.ended(1, AttemptEnd::Lost);
    assert_eq!(attempts.when_exhausted(|_| true), NextAttempt::Wait);
    let mut pauses = Vec::new();
    for _ in 0..7 {
        assert!(attempts.may_try(2) && !attempts.may_try(1));
        attempts.ended(2, AttemptEnd::Refused);
        assert!(!attempts.may_try(2));
        match attempts.when_exhausted(|_| true) {
            NextAttempt::Pause(pause) => pauses.push(pause.as_millis()),
            next => panic!("{next:?}"),
        }
    }
    assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
    assert!(attempts.lost());
}

#[test]
fn the_verdict_of_a_node_that_is_gone_does_not_stand() {
    let mut attempts = Attempts::default();
    attempts.ended(1, AttemptEnd::Refused);
    attempts.ended(2, AttemptEnd::Refused);
    let next = attempts.when_exhausted(|link| link != 1);
    assert_eq!(next, NextAttempt::Pause(Duration::from_millis(50)));
    assert!(attempts.lost());
    assert!(!attempts.may_try(1) && attempts.may_try(2));

    let mut attempts = Attempts::default();
    attempts.ended(1, AttemptEnd::Refused);
    assert_eq!(attempts.when_exhausted(|_| false), NextAttempt::Wait);
}

#[test]
fn unverified_subscribers_are_waited_for_unless_one_refused() {
    let mut attempts = Attempts::default();
    let mut pauses = Vec::new();
    for _ in 0..3 {
        attempts.ended(1, AttemptEnd::Unverified);
        attempts.ended(2, AttemptEnd::Unverified);
        match attempts.when_exhausted(|_| true) {
            NextAttempt::Pause(pause) => pauses.push(pause.as_millis()),
            next => panic!("{next:?}"),
        }
        assert!(attempts.may_try(1) && attempts.may_try(2));
    }
    assert_eq!(pauses, [50, 100, 200]);
    assert!(!attempts.lost());
    attempts.ended(1, AttemptEnd::Unverified);
    attempts.ended(2, AttemptEnd::Refused);
    assert_eq!(attempts.when_exhausted(|_| true), NextAttempt::Finish);
}
