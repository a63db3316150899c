//! `amop conformance` as users run it.
#![cfg(unix)]

use std::{path::Path, process::Command};

use amop_node::{Network, Node, NodeBuilder, layout};
use amop_proto::channel::{Frame, FrameType};
use amop_testkit::{Finished, Program, devnet, free_ports, write_certificates};
use amop_tls::pki::Leaf;
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
    let layout = layout::write_devnet(&devnet(dir.path(), 1)).unwrap();
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
    write_certificates(network.agency(), Leaf::Sdk, dir.path());
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

/// The checks of 3.x would ignore the other node.
#[tokio::test(flavor = "multi_thread")]
async fn another_node_of_3x_is_refused() {
    let dir = TempDir::new().unwrap();
    let options = ["--chain", "3", "--other", "127.0.0.1:1"];
    let finished = conformance("127.0.0.1:1", dir.path(), &options).await;
    assert_eq!(finished.status.code(), Some(2), "{finished:?}");
    for part in ["--other cannot be used with --chain 3", "Usage: amop conf"] {
        assert!(finished.errors.contains(part), "{finished:?}");
    }
}

/// An error is printed with all its causes, each once.
#[tokio::test(flavor = "multi_thread")]
async fn errors_show_every_cause_once() {
    let dir = TempDir::new().unwrap();
    let (node, layout) = node(&dir).await;
    let (endpoint, certs) = (node.channel_address().to_string(), layout.root.join("sdk"));
    let nobody = format!("127.0.0.1:{}", free_ports(1));
    // Another chain, a folder without files, a broken file.
    let (stranger, empty, broken) = (
        dir.path().join("other"),
        dir.path().join("a"),
        dir.path().join("b"),
    );
    let spec = layout::DevnetSpec::new(&stranger, 1);
    let stranger = layout::write_devnet(&spec).unwrap().root.join("sdk");
    std::fs::create_dir_all(&empty).unwrap();
    std::fs::create_dir_all(&broken).unwrap();
    for file in ["ca.crt", "sdk.crt", "sdk.key"] {
        std::fs::copy(certs.join(file), broken.join(file)).unwrap();
    }
    std::fs::write(
        broken.join("sdk.crt"),
        "-----BEGIN CERTIFICATE-----\nMIIB\n",
    )
    .unwrap();
    let cases: [(&str, &Path, &[&str]); 4] = [
        (&endpoint, &empty, &["sdk.crt does not exist"]),
        (
            &endpoint,
            &broken,
            &["b/sdk.crt is not a PEM file", "cut off"],
        ),
        (
            &nobody,
            &certs,
            &["cannot connect to", "channel port", "(os error "],
        ),
        // Whose certificate it is: the subject, and the endpoint.
        (
            &endpoint,
            &stranger,
            &[
                "TLS with",
                &endpoint,
                "\"CN=node0",
                "was not issued by our ca.crt",
            ],
        ),
    ];
    for (endpoint, certs, parts) in cases {
        let finished = conformance(endpoint, certs, &[]).await;
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        for part in parts {
            let found = finished.errors.matches(part).count();
            assert_eq!(found, 1, "{part:?} in {}", finished.errors);
        }
    }
    node.shutdown().await;
}
