//! `amop conformance` as users run it.
#![cfg(unix)]

use std::{path::Path, process::Command};

use amop_node::{Network, Node, NodeBuilder, layout};
use amop_proto::channel::{Frame, FrameType};
use amop_testkit::{Finished, Program, free_ports};
use serde_json::Value;
use tempfile::TempDir;

use super::faulty::{Fault, FaultyNode};

async fn conformance(endpoint: &str, certs: &Path, options: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amop"));
    command
        .args(["conformance", "--endpoint", endpoint, "--certs"])
        .arg(certs)
        .args(options)
        .env_remove("RUST_LOG");
    tokio::task::spawn_blocking(move || Program::start(&mut command).finish())
        .await
        .unwrap()
}

/// Starts a node from files in the layout of `amop devnet up`.
async fn node(dir: &TempDir) -> (Node, layout::DevnetLayout) {
    let mut spec = layout::DevnetSpec::new(dir.path(), 1);
    spec.base_channel_port = free_ports(1);
    spec.base_p2p_port = spec.base_channel_port + 10_100;
    spec.base_rpc_port = spec.base_channel_port - 11_655;
    let layout = layout::write_devnet(&spec).unwrap();
    let builder = NodeBuilder::from_config_file(&layout.nodes[0].config).unwrap();
    (builder.start().await.unwrap(), layout)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_or_json_comes_out() {
    let dir = TempDir::new().unwrap();
    let (node, layout) = node(&dir).await;
    let endpoint = node.channel_address().to_string();
    let certs = layout.root.join("sdk");
    let only = ["--only", "heartbeat-*", "--only", "across/topic-spreads"];
    let finished = conformance(&endpoint, &certs, &only).await;
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let lines = &finished.lines;
    assert_eq!(lines.len(), 7, "{lines:#?}");
    assert_eq!(
        lines[0],
        format!(
            "ok      {:<34}5.2   a session that never shook hands speaks version 1: 0 is answered 1",
            "heartbeat-before-handshake"
        )
    );
    assert!(
        lines[4].starts_with("skipped across/topic-spreads "),
        "{lines:#?}"
    );
    assert_eq!(lines[5].trim(), "needs --other");
    let sum = format!("{endpoint} (2.11.1, AMOP node): 4 ok, 0 failed, 1 skipped in ");
    assert!(lines[6].starts_with(&sum), "{lines:#?}");

    let finished = conformance(&endpoint, &certs, &[&only[..], &["--json"]].concat()).await;
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let report: Value = serde_json::from_str(&finished.lines.join("\n")).unwrap();
    assert_eq!(report["passed"], 4);
    assert_eq!(report["checks"][3]["check"], "heartbeat-version-3");
    assert_eq!(report["checks"][3]["result"], "ok");
    assert_eq!(report["checks"][4]["result"], "skipped");
    node.shutdown().await;
}

struct Mute;

impl Fault for Mute {
    fn to_sdk(&mut self, frame: Frame) -> Vec<Frame> {
        match frame.kind {
            FrameType::MULTICAST => Vec::new(),
            _ => vec![frame],
        }
    }
}

/// A failure also sets the exit code. The kit waits for messages that do not arrive.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_exit_code_1() {
    let dir = TempDir::new().unwrap();
    let network = Network::start(1).await.unwrap();
    let issued = network
        .agency()
        .issue(amop_tls::pki::Leaf::Sdk, "sdk")
        .unwrap();
    for (name, text) in [
        ("sdk.crt", issued.cert_pem.as_str()),
        ("sdk.key", issued.key_pem.as_str()),
        ("ca.crt", network.agency().root_pem()),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let node = FaultyNode::start(&network, || Mute).await;
    let only = ["--only", "multicast-one", "--only", "multicast-nobody"];
    let finished = conformance(&node.endpoint(), dir.path(), &only).await;
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    let lines = &finished.lines;
    assert!(
        lines[0].starts_with("ok      multicast-nobody "),
        "{lines:#?}"
    );
    assert!(lines[1].starts_with("FAIL    multicast-one "), "{lines:#?}");
    assert!(
        lines[2].starts_with("        expected: the message: multicast (0x35) seq="),
        "{lines:#?}"
    );
    assert_eq!(lines[3], "        got:      nothing within 15 s");
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run_is_explained() {
    let dir = TempDir::new().unwrap();
    let (node, layout) = node(&dir).await;
    let endpoint = node.channel_address().to_string();
    let certs = layout.root.join("sdk");
    let finished = conformance(&endpoint, &certs, &["--only", "handshakes"]).await;
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    assert!(
        finished
            .errors
            .starts_with("amop: there is no check \"handshakes\"; there are: tls-"),
        "{finished:?}"
    );
    let finished = conformance(&endpoint, dir.path(), &[]).await;
    assert!(
        finished.errors.contains("sdk.crt does not exist"),
        "{finished:?}"
    );
    node.shutdown().await;
    // No program listens there any more.
    let finished = conformance(&endpoint, &certs, &[]).await;
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    let errors = &finished.errors;
    assert!(
        errors.contains(&format!("cannot connect to {endpoint}")),
        "{errors}"
    );
    assert_eq!(errors.matches("os error").count(), 1, "{errors}");
    // A text that is not an address is not looked up.
    for wrong in ["tcp://127.0.0.1:1", "127.0.0.1", "[::1]", "::1:20200"] {
        let finished = conformance(wrong, &certs, &[]).await;
        assert_eq!(finished.status.code(), Some(2), "{finished:?}");
        assert!(finished.errors.contains("write host:port"), "{finished:?}");
    }
}
