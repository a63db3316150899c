//! Names from outside cannot do anything in the log: no certificate can add its own log lines, or
//! control a terminal.

use std::{fs, path::Path, time::SystemTime};

use amop::Client;
use amop_node::layout::DevnetLayout;
use amop_testkit::{PATIENCE, Program, within};
use amop_tls::{
    CertFiles, Identity,
    pki::{Agency, Validity},
};
use tempfile::TempDir;

use super::{command, connect, exchange, layout, stopped};

/// This crate's authorities put no such name into a certificate; other authorities may.
const FORGED: &str = "x\n2026-01-01T00:00:00Z ERROR forged: \u{1b}[2Jgone\r\u{9b}2K";

/// Issues a certificate with this name.
fn issue(layout: &DevnetLayout, unit: &str, files: [&Path; 2]) {
    let cert = layout.root.with_file_name("cert");
    let read = |path: &str| fs::read_to_string(cert.join(path)).unwrap();
    let files_of_agency = ["ca.crt", "agency/agency.crt", "agency/agency.key"].map(read);
    let [root, agency, key] = &files_of_agency;
    let agency = Agency::from_pem(root, agency, key).unwrap();
    let validity = Validity::starting(SystemTime::now());
    let issued = agency.issue_unchecked(unit, FORGED, validity).unwrap();
    fs::write(files[0], &issued.cert_pem).unwrap();
    fs::write(files[1], issued.key_pem.as_str()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificates_name_writes_no_lines_of_its_own() {
    let dir = TempDir::new().unwrap();
    let layout = layout(&dir, 2);
    let sdk = layout.root.join("sdk");
    issue(&layout, "sdk", [&sdk.join("sdk.crt"), &sdk.join("sdk.key")]);
    let conf = layout.nodes[1].dir.join("conf");
    let files = [&conf.join("node.crt"), &conf.join("node.key")];
    issue(&layout, "node", files.map(|path| path.as_path()));

    let start = |node: usize| {
        let mut command = command(&layout.nodes[node].config);
        Program::start(command.env("RUST_LOG", "trace"))
    };
    let programs = [start(0), start(1)];
    let (near, far) = (connect(&layout, 0).await, connect(&layout, 1).await);
    exchange(&near, &far).await;
    let files = CertFiles::node(&conf, "node.key", "node.crt", "ca.crt");
    // A node certificate on an SDK's connection is refused, which is logged, too.
    let refused = Client::builder()
        .endpoint(layout.nodes[0].channel.to_string())
        .identity(Identity::load(&files).unwrap())
        .connect_timeout(PATIENCE)
        .connect();
    let _ = within("an answer", refused).await;
    near.close().await;
    far.close().await;
    for program in programs {
        let errors = stopped(program, "TERM").errors;
        // The name was logged, and every line was written by the node.
        assert!(errors.contains("ERROR forged"), "{errors}");
        for line in errors.lines() {
            let control = line.chars().any(char::is_control);
            let begins = line.starts_with("20") && !line.starts_with("2026-01-01T00:00:00Z ERROR");
            assert!(begins && !control, "{line:?}");
        }
    }
}
