//! The conformance kit: overlay nodes pass all of it, and nodes with one fault each fail exactly
//! the checks of that fault.

mod command;
mod faults;
mod faulty;
mod v3;

use amop_cli::conformance::{self, CheckOutcome, ConformanceOptions, ConformanceReport};
use amop_node::Network;

/// Runs checks against a network.
async fn run(
    network: &Network,
    endpoint: &str,
    other: Option<&str>,
    only: &[&str],
) -> ConformanceReport {
    let options = ConformanceOptions {
        other: other.map(str::to_owned),
        only: only.iter().map(|&name| name.to_owned()).collect(),
        ..ConformanceOptions::new(endpoint, network.sdk())
    };
    conformance::run(&options, |_| {}).await.unwrap()
}

#[track_caller]
fn assert_all_green(report: &ConformanceReport) {
    let bad: Vec<String> = report
        .results
        .iter()
        .filter(|result| result.outcome != CheckOutcome::Passed { remark: None })
        .map(ToString::to_string)
        .collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// Two overlay nodes pass every check, without remarks and without skipped checks.
#[tokio::test(flavor = "multi_thread")]
async fn overlay_nodes_pass() {
    let network = Network::start(2).await.unwrap();
    let report = run(
        &network,
        network.endpoint(0),
        Some(network.endpoint(1)),
        &[],
    )
    .await;
    assert_all_green(&report);
    let names: Vec<&str> = report.results.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, conformance::names());
    assert!(names.len() >= 75, "{}", names.len());
    let across = names.iter().filter(|name| name.starts_with("across/"));
    assert!(across.count() >= 20);
    network.shutdown().await;
}

/// Without a second node, the checks across two nodes are skipped with a reason.
#[tokio::test(flavor = "multi_thread")]
async fn one_node_is_enough() {
    let network = Network::start(1).await.unwrap();
    let report = run(
        &network,
        network.endpoint(0),
        None,
        &["across/*", "multicast-one"],
    )
    .await;
    let (passed, failed, skipped) = report.counts();
    assert_eq!((passed, failed), (1, 0));
    assert_eq!(skipped, report.results.len() - 1);
    let skipped = CheckOutcome::Skipped {
        reason: "needs --other".into(),
    };
    assert_eq!(report.results.last().unwrap().outcome, skipped);
    network.shutdown().await;
}

/// The same checks over RSA certificates.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_rsa_certificates_pass() {
    let authority = amop_tls::pki::RsaAuthority::new("agency").unwrap();
    let identity = || {
        let issued = authority.issue().unwrap();
        amop_testkit::identity_of(&issued.cert_pem, &issued.key_pem, authority.cert_pem())
    };
    let network = Network::start_with(1, |_, builder| builder.channel_identity(identity()))
        .await
        .unwrap();
    let options = ConformanceOptions {
        only: vec!["tls-*".into(), "handshake-versions".into()],
        ..ConformanceOptions::new(network.endpoint(0), identity())
    };
    let report = conformance::run(&options, |_| {}).await.unwrap();
    assert_all_green(&report);
    assert_eq!(report.results.len(), 4);
    network.shutdown().await;
}
