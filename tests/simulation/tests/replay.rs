//! The command printed for a failed run repeats this run.

use std::process::Command;

use amop_sim::{HostilePlan, Plan, Profile, Summary, Wile, run, run_hostile, run_late};

/// Runs the printed command's options and checks that the program prints the same result.
fn check(summary: &Summary) {
    let replay = summary.replay();
    let (_, options) = replay.split_once(" -- ").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_amop-sim"))
        .args(options.split_whitespace())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{replay}: {stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(stdout, summary.to_string(), "{replay}");
}

#[test]
fn the_printed_command_repeats_a_run() {
    check(&run(&Plan {
        nodes: Some(4),
        profile: Some(Profile::Faults),
        share_of_v3: Some(0.5),
        share_of_gateways: Some(0.4),
        ..Plan::of(7)
    }));
}

#[test]
fn the_printed_command_repeats_a_run_with_hostile_hosts() {
    check(&run_hostile(&HostilePlan::of(3)));
    check(&run_hostile(&HostilePlan {
        wiles: Some(vec![Wile::Alter, Wile::ForgeMessages]),
        ..HostilePlan::of(4)
    }));
    check(&run_late(2, None));
}
