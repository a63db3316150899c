//! Networks in which gateways of 3.x join some nodes, and tests that the checks notice faults.

use super::{all_good, is_found_with};
use amop_sim::{Invariant, Plan, Profile, Sabotage, run, run_many};

/// Seeds and shares of gateways that found a bug once, each with a description.
const PAST: [(u64, f64); 5] = [
    // A unicast that was not written yet when its connection ended went to no other node.
    (280, 0.4),
    (282, 0.4),
    // After a silent crash, a gateway whose connections were refused carried messages for moments,
    // and the gateway that could carry them stood by.
    (49, 0.4),
    // A FISCO node left while a multicast for its border node was on its way.
    (738, 0.4),
    (3949, 0.7),
];

fn plan(seed: u64, share: f64) -> Plan {
    Plan {
        share_of_gateways: Some(share),
        ..Plan::of(seed)
    }
}

#[test]
fn seeds_that_failed_before_hold() {
    let profiles = [
        None,
        Some(Profile::Crashes),
        Some(Profile::Partitions),
        Some(Profile::Storm),
    ];
    let runs = PAST.iter().flat_map(|&(seed, share)| {
        profiles.map(|profile| {
            run(&Plan {
                profile,
                ..plan(seed, share)
            })
        })
    });
    all_good(&runs.collect::<Vec<_>>());
}

#[test]
fn hundreds_of_seeds_hold() {
    let shares = [0.2, 0.4, 0.7, 1.0];
    let runs = run_many(0..400, |seed| plan(seed, shares[seed as usize % 4]));
    all_good(&runs);
    // The runs are useful only if messages cross.
    let (unicasts, multicasts) = runs.iter().fold((0, 0), |(unicasts, multicasts), run| {
        (unicasts + run.crossed.0, multicasts + run.crossed.1)
    });
    assert!(
        unicasts > 1000 && multicasts > 1000,
        "{unicasts}, {multicasts}"
    );
}

#[test]
fn a_seed_makes_the_same_run_byte_for_byte() {
    for seed in [1, 4] {
        let plan = plan(seed, 0.5);
        assert_eq!(run(&plan), run(&plan));
    }
}

/// Checks that a fault is found.
fn finds(sabotage: Sabotage, profile: Profile, invariant: Invariant) {
    let plan = |seed| Plan {
        profile: Some(profile),
        ..plan(seed, 0.5)
    };
    let found = is_found_with(sabotage, invariant, plan);
    assert!(found, "{sabotage:?} is not found");
}

#[test]
fn gateways_that_do_not_stand_by() {
    let sabotage = Sabotage::BothCarry;
    finds(sabotage, Profile::Calm, Invariant::NoDuplicate);
    finds(sabotage, Profile::Calm, Invariant::Convergence);
}

#[test]
fn messages_that_enter_the_chain_again() {
    let sabotage = Sabotage::EchoCrossing;
    finds(sabotage, Profile::Calm, Invariant::NoLoop);
}

#[test]
fn a_multicast_that_a_node_gets_twice() {
    let sabotage = Sabotage::CrossTwice;
    finds(sabotage, Profile::Calm, Invariant::NoDuplicate);
}

#[test]
fn messages_that_do_not_cross() {
    let sabotage = Sabotage::LoseCrossings;
    finds(sabotage, Profile::Calm, Invariant::UnicastsArrive);
    finds(sabotage, Profile::Faults, Invariant::MulticastsArrive);
}

#[test]
fn a_packet_that_cannot_be_read() {
    let sabotage = Sabotage::GarblePacket;
    finds(sabotage, Profile::Calm, Invariant::WellFormed);
}

#[test]
fn topics_that_no_gateway_hears_of() {
    let sabotage = Sabotage::DeafGateways;
    finds(sabotage, Profile::Calm, Invariant::Convergence);
}

#[test]
fn a_node_that_keeps_the_chain() {
    let sabotage = Sabotage::ForgetsToClose;
    finds(sabotage, Profile::Calm, Invariant::NothingLeft);
}
