//! A quick, bounded search, which must find each sabotage that a search of this size can find.

use std::time::Duration;

use amop_exhaustive::{Bound, Report, Sabotage, Scenario, Subscriber, Wile, replay, search};

/// Small enough for every test run. The command searches further; see the library's documentation.
const QUICK: Bound = Bound {
    steps: 10_000,
    threads: 2,
    time: Duration::from_secs(600),
};

/// For each scenario without a sabotage, because there are many.
const EACH: Bound = Bound {
    steps: 4_000,
    ..QUICK
};

fn named(name: &str) -> Scenario {
    Scenario::named(name).expect("a scenario of this name")
}

fn all_good(scenario: &Scenario, report: &Report) {
    if let Some(failure) = &report.failure {
        let (steps, _) = replay(scenario, &failure.path);
        panic!(
            "{}: {}\npath {:?}\n{steps:#?}",
            scenario.name, failure.text, failure.path
        );
    }
    assert!(
        report.ends > 0,
        "{}: no path was followed to its end",
        scenario.name
    );
}

#[test]
fn every_scenario_holds_so_far() {
    for scenario in Scenario::all() {
        let report = search(&scenario, EACH);
        println!("{}: {report:?}", scenario.name);
        all_good(&scenario, &report);
    }
}

/// Searches a scenario with and without a sabotage. Replaying the path of the failure must find it
/// again.
fn finds(sabotage: Sabotage, name: &str, what: &str) {
    finds_in(named(name), sabotage, what);
}

/// Like `finds`, for a node that lies in only this way while two others have an honest link, with
/// one subscriber and one message.
fn finds_lie(sabotage: Sabotage, wiles: &'static [Wile], unicast: bool, what: &str) {
    let scenario = Scenario {
        wiles,
        subscribers: vec![Subscriber {
            host: 1,
            present: true,
            changes: 0,
        }],
        unicasts: if unicast { &[true] } else { &[false] },
        ..named("hostile-ring")
    };
    finds_in(scenario, sabotage, what);
}

fn finds_in(mut scenario: Scenario, sabotage: Sabotage, what: &str) {
    scenario.sabotage = Some(sabotage);
    let report = search(&scenario, QUICK);
    let Some(failure) = report.failure else {
        panic!("{sabotage:?} is not found: {report:?}");
    };
    assert!(
        failure.text.contains(what),
        "{sabotage:?}: {}",
        failure.text
    );
    let (_, state) = replay(&scenario, &failure.path);
    let again = state
        .wrong()
        .map_or_else(|| state.ends_well(), |wrong| Err(wrong.to_owned()));
    assert_eq!(again, Err(failure.text));
    scenario.sabotage = None;
    let (_, state) = replay(&scenario, &failure.path);
    assert_eq!(state.wrong(), None, "the same path without the sabotage");
}

#[test]
fn a_multicast_that_comes_twice() {
    finds(Sabotage::MulticastTwice, "come-and-go-line", "twice");
}

#[test]
fn a_message_that_is_altered() {
    finds(Sabotage::Alter, "come-and-go-line", "never sent");
}

#[test]
fn an_answer_of_nobody() {
    finds(
        Sabotage::FalseAnswer,
        "come-and-go-line",
        "who never got it",
    );
}

#[test]
fn a_subscription_confirmed_too_early() {
    finds(
        Sabotage::EarlyBarrier,
        "come-and-go-line",
        "does not know it",
    );
}

#[test]
fn records_that_vanish() {
    finds(Sabotage::LoseRecords, "come-and-go-ring", "after 10s");
}

#[test]
fn ends_that_do_not_say_what_they_know() {
    finds(Sabotage::LoseKnown, "break-line", "after 10s");
}

#[test]
fn a_link_that_stays_out_for_an_hour() {
    finds(Sabotage::NoSignsOfLife, "silent-ring", "after 10s");
}

#[test]
fn unicasts_that_are_sent_once() {
    finds(
        Sabotage::LoseRepeats,
        "break-ring",
        "though subscriber 0 could be reached",
    );
}

#[test]
fn unicasts_that_go_round() {
    finds(Sabotage::Loop, "come-and-go-line", "round and round");
}

#[test]
fn records_that_others_sign() {
    finds_lie(
        Sabotage::BelieveSignatures,
        &[Wile::ForgeRecord],
        true,
        "though subscriber 0 could be reached",
    );
}

#[test]
fn names_that_nobody_checks() {
    finds_lie(
        Sabotage::BelieveNames,
        &[Wile::ForgeMulticast],
        false,
        "never sent",
    );
}

#[test]
fn seals_that_nobody_checks() {
    finds_lie(
        Sabotage::BelieveSeals,
        &[Wile::ForgeRelayed],
        true,
        "never sent",
    );
}

#[test]
fn answers_of_others_than_who_was_asked() {
    finds_lie(
        Sabotage::AnyAnswer,
        &[Wile::FalseAnswer],
        true,
        "who never got it",
    );
}

#[test]
fn ids_that_forged_messages_use_up() {
    finds_lie(Sabotage::UseIds, &[Wile::Preempt], false, "did not reach");
}

#[test]
fn old_records_that_count_again() {
    finds_lie(
        Sabotage::BelieveOld,
        &[Wile::ReplayRecord],
        true,
        "though subscriber 0 could be reached",
    );
}

#[test]
fn versions_that_their_node_does_not_outbid() {
    finds_lie(Sabotage::NoOutbid, &[Wile::FarVersion], true, "after 10s");
}

#[test]
fn versions_that_leave_no_room_above() {
    finds_lie(
        Sabotage::BelieveVersions,
        &[Wile::LastVersion],
        true,
        "after 10s",
    );
}
