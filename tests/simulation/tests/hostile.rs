//! Hostile nodes and SDKs, and tests that the checks notice each removed defence.

use super::all_good;
use amop_sim::{HostilePlan, Invariant, Sabotage, Summary, Wile, run_each, run_hostile, run_late};

/// Seeds and wiles that found a bug once, each with a description.
const PAST: [(u64, &[Wile]); 1] = [
    // A node announced another one as a FISCO node behind itself, and spoke in its name.
    (73, &[Wile::ForgeMessages, Wile::ReplayRecords, Wile::Stubs]),
];

/// Seeds with their own wiles that found a bug once.
const PAST_SEEDS: [u64; 6] = [
    // A relay vouched for a message that named it as its source, and had waited for a path.
    216, 237, 240,
    // One hostile node forged the name of another, which sent the message as its own. The check took
    // this for a forgery.
    30291, 30424,
    // Liars had filled the nodes' room; after they left, a node asked for the others only 40 s later.
    40279,
];

#[test]
fn seeds_that_failed_before_hold() {
    let runs: Vec<Summary> = PAST
        .iter()
        .map(|&(seed, wiles)| {
            run_hostile(&HostilePlan {
                wiles: Some(wiles.to_vec()),
                ..HostilePlan::of(seed)
            })
        })
        .collect();
    all_good(&runs);
    all_good(&PAST_SEEDS.map(|seed| run_hostile(&HostilePlan::of(seed))));
}

/// `cargo run -p amop-sim --release -- --hostile --seeds 0..5000` runs thousands.
#[test]
fn dozens_of_seeds_hold() {
    let runs = run_each(0..40, |seed| run_hostile(&HostilePlan::of(seed)));
    all_good(&runs);
    // The runs are useful only if messages arrive in them.
    let (sent, answered) = runs.iter().fold((0, 0), |(sent, answered), run| {
        (sent + run.unicasts.0, answered + run.unicasts.1)
    });
    assert!(answered * 2 > sent, "{answered} of {sent} answered");
}

/// Searches some runs for the effect of a missing defence. With the defence the same run is good.
fn finds(sabotage: Sabotage, wiles: &[Wile], invariants: &[Invariant]) {
    let plan = |seed| HostilePlan {
        wiles: Some(wiles.to_vec()),
        sabotage: Some(sabotage),
        ..HostilePlan::of(seed)
    };
    let found = (0..60).find(|&seed| {
        let violations = run_hostile(&plan(seed)).violations;
        let mut kinds = violations.iter().map(|violation| violation.invariant);
        kinds.any(|kind| invariants.contains(&kind))
    });
    let seed = found.unwrap_or_else(|| panic!("{sabotage:?} is not found"));
    let with = run_hostile(&HostilePlan {
        sabotage: None,
        ..plan(seed)
    });
    assert!(with.is_good(), "with the defence: {with}");
}

#[test]
fn signatures_that_nobody_checks() {
    finds(
        Sabotage::BelieveSignatures,
        &[Wile::ForgeRecords],
        &[Invariant::NoForgery],
    );
}

#[test]
fn names_that_nobody_checks() {
    finds(
        Sabotage::BelieveNames,
        &[Wile::ForgeMessages],
        &[Invariant::NoForgery],
    );
}

#[test]
fn seals_that_nobody_checks() {
    finds(
        Sabotage::BelieveSeals,
        &[Wile::ForgeMessages],
        &[Invariant::NoForgery],
    );
}

#[test]
fn ids_that_forged_messages_use_up() {
    finds(
        Sabotage::UseIds,
        &[Wile::PreemptIds],
        &[Invariant::MulticastsArrive],
    );
}

#[test]
fn old_records_that_count_again() {
    finds(
        Sabotage::BelieveOld,
        &[Wile::ReplayRecords],
        &[Invariant::UnicastsArrive, Invariant::MulticastsArrive],
    );
}

#[test]
fn links_that_one_end_states() {
    finds(
        Sabotage::BelieveLinks,
        &[Wile::ClaimLinks, Wile::Mute],
        &[Invariant::UnicastsArrive, Invariant::MulticastsArrive],
    );
}

#[test]
fn messages_that_go_round() {
    finds(
        Sabotage::Echo,
        &[Wile::ForgeRecords],
        &[Invariant::BoundedWork],
    );
}

#[test]
fn records_without_a_limit() {
    finds(
        Sabotage::NoLimits,
        &[Wile::Stubs],
        &[Invariant::BoundedMemory],
    );
}

#[test]
fn questions_that_are_all_answered() {
    finds(
        Sabotage::AnswerAll,
        &[Wile::FloodQuestions],
        &[Invariant::BoundedWork],
    );
}

#[test]
fn answers_that_anybody_gives() {
    finds(
        Sabotage::BelieveAnswers,
        &[Wile::ForgeAnswers],
        &[Invariant::TrueAnswers, Invariant::NoForgery],
    );
}

/// Counters at the end of their range, and lists of the maximum length, prove nothing and cost
/// little.
#[test]
fn counters_and_lists_at_their_bounds_hold() {
    for wiles in [
        &[Wile::OddCounters][..],
        &[Wile::LongLists],
        &[Wile::OddCounters, Wile::LongLists, Wile::Stubs],
    ] {
        let runs = run_each(0..8, |seed| {
            run_hostile(&HostilePlan {
                wiles: Some(wiles.to_vec()),
                ..HostilePlan::of(seed)
            })
        });
        all_good(&runs);
    }
}

/// Messages kept by a relay are not accepted again, although their source was forgotten meanwhile;
/// and the check would notice if they were.
#[test]
fn what_was_kept_until_its_source_was_forgotten_is_not_taken_again() {
    let runs: Vec<Summary> = (0..8).map(|seed| run_late(seed, None)).collect();
    all_good(&runs);
    let found = (0..8).any(|seed| {
        let summary = run_late(seed, Some(Sabotage::TakeAgain));
        let mut violations = summary.violations.iter();
        violations.any(|violation| violation.invariant == Invariant::NoDuplicate)
    });
    assert!(found);
}
