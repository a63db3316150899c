//! Large networks: all nodes agree, messages take shortest paths, and the cost is limited.

use std::time::Duration;

use amop_sim::{Topology, scale};

fn holds(nodes: usize) {
    let report = scale(1, nodes, Topology::Random, Duration::from_secs(10));
    println!("{report}");
    assert_eq!(report.violations, []);
    assert!(report.converged.is_some());
    assert_eq!(report.unicasts.0, report.unicasts.1);
    assert_eq!(report.stretch, Some((1.0, 1.0)));
    let count = nodes as u64;
    // Every node's record changes with its topic and with each of its links, three on average. A
    // node gets each version over at most all of its links, and acknowledges it.
    let most = count * count * 2 * 3 * (1 + 3);
    assert!(report.until_converged.frames <= most, "{report}");
    // Only signs of life.
    assert!(
        report.steady.frames <= 2 * 2 * report.links as u64,
        "{report}"
    );
}

#[test]
fn a_network_of_150_nodes() {
    holds(150);
}

/// `cargo test -p amop-sim --release scale -- --ignored --nocapture` takes half a minute of CPU
/// time and 1.7 GB.
#[test]
#[ignore = "half a minute of CPU time and 1.7 GB"]
fn a_network_of_1000_nodes() {
    holds(1000);
}
