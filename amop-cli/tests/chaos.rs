//! `amop chaos` as users run it: a small run finds no loss, and leaves nothing behind.
#![cfg(unix)]

use std::{fs, process::Command};

use amop_testkit::Program;

fn chaos(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amop"));
    command.arg("chaos").args(options).env_remove("RUST_LOG");
    command
}

#[test]
fn nothing_acknowledged_is_lost_under_kills_and_cuts() {
    let logs = tempfile::tempdir().unwrap();
    let mut command = chaos(&[
        "--nodes=4",
        "--topology=full",
        "--unicasts=2400",
        "--rate=300",
        "--kill-every=2",
        "--cut-every=1",
        "--seed=1",
        "--json",
    ]);
    command.arg("--keep-logs").arg(logs.path());
    let finished = Program::start(&mut command).finish();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let report: serde_json::Value = serde_json::from_str(&finished.lines.concat()).unwrap();
    let unicasts = &report["unicasts"];
    assert_eq!(unicasts["sent"], 2400, "{report}");
    assert_eq!(unicasts["unfinished"], 0, "{report}");
    assert_eq!(unicasts["lost"], 0, "{report}");
    assert_eq!(unicasts["duplicated"], 0, "{report}");
    let acknowledged = unicasts["acknowledged"].as_u64().unwrap();
    assert!(acknowledged >= 1200, "{report}");
    assert!(unicasts["delivered"].as_u64().unwrap() >= acknowledged);
    assert_eq!(report["multicasts"]["sent"], 24, "{report}");
    // Check that there were faults.
    let faults = report["faults"].as_object().unwrap();
    assert!(!faults.is_empty(), "{report}");
    for node in 0..4 {
        let log = fs::read_to_string(logs.path().join(format!("node{node}.log"))).unwrap();
        assert!(log.contains("serves SDKs on"), "{log}");
    }
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for options in [
        ["--nodes=1"],
        ["--unicasts=0"],
        ["--kill-every=-1"],
        ["--cut-every=NaN"],
        ["--topology=torus"],
    ] {
        let finished = Program::start(&mut chaos(&options)).finish();
        assert_eq!(finished.status.code(), Some(2), "{finished:?}");
    }
}
