//! Tests of the checks themselves: for each fault that the harness causes on purpose, the matching
//! check finds it.

use super::is_found_with;
use amop_sim::{Invariant, Plan, Profile, Sabotage, Topology, run};

fn found(sabotage: Sabotage, profile: Profile) -> Vec<Invariant> {
    let plan = Plan {
        nodes: Some(5),
        topology: Some(Topology::Line),
        profile: Some(profile),
        ..Plan::of(3)
    };
    assert!(run(&plan).is_good(), "without sabotage nothing is found");
    let summary = run(&Plan {
        sabotage: Some(sabotage),
        ..plan
    });
    let violations = summary.violations.iter();
    violations.map(|violation| violation.invariant).collect()
}

fn finds(sabotage: Sabotage, profile: Profile, invariant: Invariant) {
    let found = found(sabotage, profile);
    assert!(found.contains(&invariant), "{sabotage:?}: {found:?}");
}

#[test]
fn a_loop() {
    finds(Sabotage::Loop, Profile::Calm, Invariant::NoLoop);
}

#[test]
fn records_that_go_on_and_on() {
    finds(Sabotage::FloodAgain, Profile::Calm, Invariant::NoLoop);
}

#[test]
fn a_frame_that_cannot_be_read() {
    finds(Sabotage::Garble, Profile::Calm, Invariant::WellFormed);
}

#[test]
fn a_message_a_program_gets_twice() {
    finds(
        Sabotage::ProgramTwice,
        Profile::Calm,
        Invariant::NoDuplicate,
    );
}

#[test]
fn a_multicast_a_session_gets_twice() {
    finds(
        Sabotage::SessionTwice,
        Profile::Calm,
        Invariant::NoDuplicate,
    );
}

#[test]
fn an_answer_to_what_nobody_got() {
    finds(Sabotage::FalseAnswer, Profile::Calm, Invariant::TrueAnswers);
}

#[test]
fn unicasts_that_vanish() {
    finds(
        Sabotage::LoseUnicasts,
        Profile::Calm,
        Invariant::UnicastsArrive,
    );
}

#[test]
fn a_multicast_that_misses_one() {
    // Another copy of the lost one may arrive over a second connection, or it may be too early to
    // count: this is not the case with all of these seeds.
    let missed = (0..40).any(|seed| {
        let summary = run(&Plan {
            profile: Some(Profile::Calm),
            sabotage: Some(Sabotage::LoseMulticast),
            ..Plan::of(seed)
        });
        let mut violations = summary.violations.iter();
        violations.any(|violation| violation.invariant == Invariant::MulticastsArrive)
    });
    assert!(missed);
}

#[test]
fn a_multicast_that_nobody_confirms() {
    // Whether a message is on a link when that link is cut depends on the seed.
    let missed = (0..40).any(|seed| {
        let plan = Plan {
            profile: Some(Profile::Faults),
            ..Plan::of(seed)
        };
        assert!(run(&plan).is_good(), "without sabotage nothing is found");
        let summary = run(&Plan {
            sabotage: Some(Sabotage::ConfirmNothing),
            ..plan
        });
        let mut violations = summary.violations.iter();
        violations.any(|violation| violation.invariant == Invariant::MulticastsArrive)
    });
    assert!(missed);
}

#[test]
fn two_outcomes() {
    finds(Sabotage::AnswerTwice, Profile::Calm, Invariant::OneOutcome);
}

#[test]
fn no_outcome() {
    finds(Sabotage::NoOutcome, Profile::Calm, Invariant::OneOutcome);
}

#[test]
fn a_node_that_is_told_nothing() {
    finds(Sabotage::Deafen, Profile::Calm, Invariant::Convergence);
}

#[test]
fn a_queue_nobody_counts() {
    // Whether a queue fills up depends on the seed: for one of these a link stands still long
    // enough.
    let fills = (0..40).any(|seed| {
        let summary = run(&Plan {
            profile: Some(Profile::Slow),
            sabotage: Some(Sabotage::HideQueue),
            ..Plan::of(seed)
        });
        let mut violations = summary.violations.iter();
        violations.any(|violation| violation.invariant == Invariant::BoundedMemory)
    });
    assert!(fills);
}

#[test]
fn an_sdk_that_stays() {
    finds(Sabotage::Stays, Profile::Calm, Invariant::NothingLeft);
}

/// Returns whether a fault with SDKs of 3.x is found.
fn finds_with_v3(sabotage: Sabotage, profile: Profile, invariant: Invariant) -> bool {
    is_found_with(sabotage, invariant, |seed| Plan {
        share_of_v3: Some(0.7),
        profile: Some(profile),
        ..Plan::of(seed)
    })
}

#[test]
fn a_silent_sdk_whose_message_another_one_gets() {
    assert!(finds_with_v3(
        Sabotage::SilenceRefuses,
        Profile::Calm,
        Invariant::HandedOnce
    ));
}

#[test]
fn a_multicast_confirmed_before_it_is_read() {
    assert!(finds_with_v3(
        Sabotage::ConfirmAtOnce,
        Profile::Calm,
        Invariant::TrueAnswers
    ));
}

#[test]
fn a_multicast_confirmed_by_bytes_that_were_under_way() {
    assert!(finds_with_v3(
        Sabotage::AnyPong,
        Profile::Slow,
        Invariant::TrueAnswers
    ));
}
