//! `amop devnet up` as users run it: its output, its folder, and its end.
#![cfg(unix)]

mod v3;

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use amop::Client;
use amop_testkit::{
    P2P_OFFSET as P2P, PATIENCE, Program, RPC_OFFSET as RPC, free_ports, ping, v3::V3Sdk, within,
};
use amop_tls::{CertFiles, Identity};
use tempfile::TempDir;

fn up(dir: &Path, base: u16, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amop"));
    command
        .args(["devnet", "up", "--base-port", &base.to_string(), "--dir"])
        .arg(dir)
        .args(options)
        .env_remove("RUST_LOG");
    command
}

/// A network that is up, with the lines that it printed so far.
struct Devnet {
    program: Program,
    lines: Vec<String>,
}

fn start(dir: &Path, base: u16, options: &[&str]) -> Devnet {
    let mut program = Program::start(&mut up(dir, base, options));
    let mut lines = Vec::new();
    while lines
        .last()
        .is_none_or(|line| line != "Ctrl-C stops the network.")
    {
        lines.push(program.line());
    }
    Devnet { program, lines }
}

impl Devnet {
    #[track_caller]
    fn stop(self, signal: &str) {
        self.program.signal(signal);
        let finished = self.program.finish();
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        assert_eq!(finished.lines.last().unwrap(), "Stopping.");
    }
}

async fn connect(port: u16, certificates: PathBuf) -> Client {
    Client::builder()
        .endpoint(format!("127.0.0.1:{port}"))
        .certificates(certificates)
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .reconnect(amop::ReconnectPolicy::never())
        .connect()
        .await
        .unwrap()
}

/// Sends a message from one node to the other.
async fn exchange(from: u16, to: u16, certificates: &Path) {
    let publisher = connect(from, certificates.to_owned()).await;
    let subscriber = connect(to, certificates.to_owned()).await;
    ping(publisher, subscriber).await;
}

/// Returns all files below a folder with their content.
fn snapshot(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(dir)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_come_up_and_stop() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("nodes");
    let base = free_ports(2);
    let devnet = start(&dir, base, &[]);
    let sdk = dir.join("127.0.0.1/sdk");
    let expected = [
        "AMOP network of 2 nodes is up, with no chain below it.".to_owned(),
        format!(
            "  node0  SDKs 127.0.0.1:{base}  nodes 127.0.0.1:{}  JSON-RPC 127.0.0.1:{}",
            base + P2P,
            base - RPC
        ),
        format!(
            "  node1  SDKs 127.0.0.1:{}  nodes 127.0.0.1:{}  JSON-RPC 127.0.0.1:{}",
            base + 1,
            base + 1 + P2P,
            base + 1 - RPC
        ),
        format!("Certificates for SDKs: {}", sdk.display()),
        "Try, in two other terminals:".to_owned(),
        format!(
            "  cargo run --release --example subscriber -- 127.0.0.1:{} hello",
            base + 1
        ),
        format!("  cargo run --release --example unicast_publisher -- 127.0.0.1:{base} hello"),
        "Ctrl-C stops the network.".to_owned(),
    ];
    assert_eq!(devnet.lines, expected);
    let files = snapshot(&dir);
    for file in [
        "127.0.0.1/node0/config.ini",
        "127.0.0.1/node0/conf/ca.crt",
        "127.0.0.1/node0/conf/node.crt",
        "127.0.0.1/node0/conf/node.key",
        "127.0.0.1/node0/conf/node.nodeid",
        "127.0.0.1/node1/config.ini",
        "127.0.0.1/sdk/ca.crt",
        "127.0.0.1/sdk/sdk.crt",
        "127.0.0.1/sdk/sdk.key",
    ] {
        assert!(files.contains_key(file), "{file} of {:?}", files.keys());
    }
    assert!(!files.keys().any(|file| file.contains("channel_cert")));
    exchange(base, base + 1, &sdk).await;
    devnet.stop("INT");
    for port in [base, base + P2P, base - RPC]
        .map(|port| [port, port + 1])
        .concat()
    {
        assert!(is_free(port), "{port}");
    }

    // A second start keeps the certificates, and accepts SDKs that have them.
    let devnet = start(&dir, base, &[]);
    assert_eq!(devnet.lines, expected);
    assert_eq!(snapshot(&dir), files);
    exchange(base + 1, base, &sdk).await;
    devnet.stop("TERM");
    assert_eq!(snapshot(&dir), files);
}

/// The chain's properties reported to SDKs can be chosen, also for existing nodes.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_may_pose_as_another_chain() {
    let temp = TempDir::new().unwrap();
    let base = free_ports(2);
    let version = |port: u16| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let question = r#"{"jsonrpc":"2.0","id":1,"method":"getClientVersion"}"#;
        let len = question.len();
        let head = format!("POST / HTTP/1.1\r\nHost: devnet\r\nContent-Length: {len}\r\n\r\n");
        stream.write_all((head + question).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let devnet = start(temp.path(), base, &["--nodes", "1", "--chain-id", "7"]);
    assert!(version(base - RPC).contains(r#""Chain Id":"7","FISCO-BCOS Version":"2.11.1""#));
    devnet.stop("INT");

    let options = ["--chain-id", "8", "--fisco-version", "2.10.0"];
    let devnet = start(temp.path(), base, &options);
    for port in [base - RPC, base - RPC + 1] {
        let answer = version(port);
        assert!(
            answer.contains(r#""Chain Id":"8","FISCO-BCOS Version":"2.10.0""#),
            "{answer}"
        );
    }
    devnet.stop("INT");
}

/// A connected SDK does not prevent the network from stopping, and notices the end.
#[tokio::test(flavor = "multi_thread")]
async fn it_stops_under_connected_clients() {
    let temp = TempDir::new().unwrap();
    let base = free_ports(1);
    let devnet = start(temp.path(), base, &["--nodes", "1"]);
    // With only one node, no commands to try are printed.
    assert!(!devnet.lines.iter().any(|line| line.contains("Try")));
    let client = connect(base, temp.path().join("127.0.0.1/sdk")).await;
    devnet.stop("INT");
    within("the news", client.closed()).await;
    assert!(is_free(base));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_nodes_join_an_existing_network() {
    let temp = TempDir::new().unwrap();
    let base = free_ports(3);
    start(temp.path(), base, &["--nodes", "2"]).stop("INT");
    let before = snapshot(&temp.path().join("127.0.0.1/sdk"));
    let devnet = start(temp.path(), base, &["--nodes", "3"]);
    assert_eq!(
        devnet.lines[0],
        "AMOP network of 3 nodes is up, with no chain below it."
    );
    let sdk = temp.path().join("127.0.0.1/sdk");
    assert_eq!(snapshot(&sdk), before);
    exchange(base, base + 2, &sdk).await;
    exchange(base + 2, base + 1, &sdk).await;
    devnet.stop("INT");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_channel_may_have_rsa_certificates() {
    let temp = TempDir::new().unwrap();
    let base = free_ports(2);
    let devnet = start(temp.path(), base, &["--rsa"]);
    let files = snapshot(temp.path());
    for file in [
        "127.0.0.1/node0/conf/node.crt",
        "127.0.0.1/node0/conf/channel_cert/ca.crt",
        "127.0.0.1/node0/conf/channel_cert/node.crt",
        "127.0.0.1/node1/conf/channel_cert/node.key",
        "127.0.0.1/sdk/sdk.key",
    ] {
        assert!(files.contains_key(file), "{file} of {:?}", files.keys());
    }
    let sdk = temp.path().join("127.0.0.1/sdk");
    let client = connect(base, sdk.clone()).await;
    assert_eq!(client.node_public_key(), None);
    client.close().await;
    exchange(base, base + 1, &sdk).await;
    devnet.stop("INT");

    // Certificates of the other kind are not added.
    let finished = Program::start(&mut up(temp.path(), base, &[])).finish();
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    assert!(finished.errors.starts_with("amop: "), "{finished:?}");
    assert!(finished.errors.contains("RSA"), "{finished:?}");
    assert_eq!(snapshot(temp.path()), files);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let temp = TempDir::new().unwrap();
    let base = free_ports(2);
    for taken in [base + 1, base + P2P, base - RPC] {
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).unwrap();
        let finished = Program::start(&mut up(temp.path(), base, &[])).finish();
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        assert_eq!(finished.lines, [""; 0]);
        let errors = &finished.errors;
        assert!(errors.contains("amop: node"), "{errors}");
        assert!(errors.contains(&format!("127.0.0.1:{taken}")), "{errors}");
        assert!(errors.contains("choose another port"), "{errors}");
        drop(holder);
    }
    // The failed start left nothing incomplete.
    start(temp.path(), base, &[]).stop("INT");
}

#[test]
fn impossible_networks_are_refused() {
    let temp = TempDir::new().unwrap();
    let cases: [(u16, &[&str], &str); 5] = [
        (60_000, &[], "--base-port is too high"),
        (11_655, &[], "give --base-rpc-port"),
        (
            20_200,
            &["--rsa", "--fisco-version", "2.8.0"],
            "--rsa needs",
        ),
        (20_200, &["--nodes", "0"], "nodes"),
        (20_200, &["--nodes", "1000"], "nodes"),
    ];
    for (base, options, part) in cases {
        let finished = Program::start(&mut up(temp.path(), base, options)).finish();
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        assert!(finished.errors.contains(part), "{finished:?}");
    }
    assert_eq!(snapshot(temp.path()), BTreeMap::new());
}

/// A file in place of the folder, and a folder that is not writable.
#[test]
fn a_folder_that_is_none_is_named() {
    let temp = TempDir::new().unwrap();
    let file = temp.path().join("nodes");
    fs::write(&file, "not a folder").unwrap();
    let finished = Program::start(&mut up(&file, free_ports(2), &[])).finish();
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    assert!(
        finished.errors.contains(&*file.to_string_lossy()),
        "{finished:?}"
    );
}

/// The network runs although its output and its log are not read or are on a full disk.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_needs_to_read_what_it_prints() {
    let broken = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let full = || {
        let file = fs::OpenOptions::new().write(true).open("/dev/full");
        file.map_or_else(|_| broken(), Stdio::from)
    };
    for (out, log) in [(broken(), broken()), (full(), full())] {
        let temp = TempDir::new().unwrap();
        let base = free_ports(2);
        let mut command = up(temp.path(), base, &[]);
        let mut devnet = Program::start_unread(command.stdout(out).stderr(log));
        for port in [base, base + 1] {
            let listening = async {
                while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
                    assert!(devnet.is_running(), "it ended");
                    tokio::task::yield_now().await;
                }
            };
            within("a node", listening).await;
        }
        for port in [base, base + 1] {
            connect(port, temp.path().join("127.0.0.1/sdk"))
                .await
                .close()
                .await;
        }
        devnet.signal("TERM");
        let finished = tokio::task::spawn_blocking(|| devnet.finish());
        let finished = within("the end", finished).await.unwrap();
        assert_eq!(finished.status.code(), Some(0));
    }
}

/// A program that starts the network and does not read what it prints, such as a stopped pager.
#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_not_read_does_not_keep_it_from_stopping() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("nodes");
    let base = free_ports(2);
    let (_unread, mut output) = std::io::pipe().unwrap();
    // A pipe holds 64 KiB.
    output.write_all(&[b'\n'; 64 * 1024]).unwrap();
    let program = Program::start_unread(up(&dir, base, &[]).stdout(output));
    let sdk = dir.join("127.0.0.1/sdk");
    let up = async {
        // The nodes greet each other before the program prints.
        while TcpStream::connect((Ipv4Addr::LOCALHOST, base + 1)).is_err() || !sdk.exists() {
            tokio::task::yield_now().await;
        }
    };
    within("the network", up).await;
    exchange(base, base + 1, &sdk).await;

    program.signal("TERM");
    let ended = tokio::task::spawn_blocking(|| program.finish());
    // It does not wait until it is ended by force, which gives exit code 1.
    let ended = within("the end", ended).await.unwrap();
    assert_eq!(ended.status.code(), Some(0));
}
