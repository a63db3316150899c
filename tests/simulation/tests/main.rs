//! Runs of the simulation, with and without hostile hosts, and tests that its checks notice faults.
#![forbid(unsafe_code)]

mod bulk;
mod gateways;
mod graph;
mod hostile;
mod replay;
mod sabotage;
mod scale;
mod topologies;

use amop_sim::{Invariant, Plan, Sabotage, Summary, run};

/// Checks that runs broke no invariant.
fn all_good(summaries: &[Summary]) {
    let failed: Vec<String> = summaries
        .iter()
        .filter(|summary| !summary.is_good())
        .map(|summary| format!("{summary}  replay: {}\n", summary.replay()))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Returns whether a fault is found with one of some seeds, which is good without it.
fn is_found_with(sabotage: Sabotage, invariant: Invariant, plan: impl Fn(u64) -> Plan) -> bool {
    (0..60).map(plan).any(|plan| {
        let summary = run(&Plan {
            sabotage: Some(sabotage),
            ..plan
        });
        let mut violations = summary.violations.iter();
        let found = violations.any(|violation| violation.invariant == invariant);
        assert!(
            !found || run(&plan).is_good(),
            "without sabotage nothing is found"
        );
        found
    })
}
