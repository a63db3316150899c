//! Tests with other TLCP libraries as client and as server: TASSL, which FISCO BCOS 3.x and its
//! SDKs use, and Tongsuo.
//!
//! The tests are opt-in, since these libraries are rarely installed. Both are in packages, as
//! shared libraries that `peers/peer.py` loads:
//!
//! * `AMOP_TASSL`: `libbcos-sdk-jni.so` in the jar `org.fisco-bcos:bcos-sdk-jni:3.6.0` of Maven Central;
//! * `AMOP_TONGSUO`: `_tongsuo.abi3.so` in the wheel `tongsuopy==1.0.1` of PyPI.
//!
//! If `AMOP_REQUIRE_PEERS` is 1, the tests fail without the libraries.

use std::env;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use super::common::{self, Who};
use amop_tlcp::{Config, Flavour, stream};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

fn library(variable: &str) -> Option<String> {
    let path = env::var(variable).ok();
    if path.is_none() {
        assert!(
            env::var("AMOP_REQUIRE_PEERS").as_deref() != Ok("1"),
            "{variable} has to name a library"
        );
        eprintln!(
            "SKIPPED: {variable} does not name a library; see the head of amop-tlcp/tests/peers.rs"
        );
    }
    path
}

/// Starts the library as the peer, with the files of `who`.
fn peer(library: &str, role: &[&str], who: Who) -> Child {
    Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/peer.py"))
        .arg(library)
        .args(role)
        .arg(common::data(common::authority(Flavour::Tlcp)))
        .args(common::files(Flavour::Tlcp, who).map(|name| common::data(&name)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("python3 is installed")
}

fn config(who: Who, encrypt_then_mac: bool) -> Arc<Config> {
    Arc::new(common::config(Flavour::Tlcp, who).encrypt_then_mac(encrypt_then_mac))
}

/// This side connects to it, and it sends back the data that it receives.
async fn as_server(library: &str, offer: bool, taken: bool) {
    let mut child = peer(library, &["server"], Who::Node);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("it says its port");
    let port: u16 = line.strip_prefix("port ").unwrap().parse().unwrap();
    let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut stream = stream::connect(config(Who::Sdk, offer), socket, PATIENCE)
        .await
        .unwrap();
    assert_eq!(stream.connection().encrypts_then_macs(), taken);
    let node = *common::identity(Flavour::Tlcp, Who::Node).public_key();
    assert_eq!(stream.connection().peer_keys().unwrap().signature, node);
    for length in [1, 15, 16, 17, 1_000, 16_384, 40_000] {
        let data: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        stream.write_all(&data).await.unwrap();
        stream.flush().await.unwrap();
        let mut echo = vec![0; length];
        stream.read_exact(&mut echo).await.unwrap();
        assert_eq!(echo, data);
    }
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
    assert_eq!(
        lines.next_line().await.unwrap().as_deref(),
        Some("suite 0xe013")
    );
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("done"));
    assert!(child.wait().await.unwrap().success());
}

/// It connects to this side, which sends back the data that it receives.
async fn as_client(library: &str, take: bool, taken: bool) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut child = peer(library, &["client", &port], Who::Sdk);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (socket, _) = listener.accept().await.unwrap();
    let mut stream = stream::accept(config(Who::Node, take), socket, PATIENCE)
        .await
        .unwrap();
    assert_eq!(stream.connection().encrypts_then_macs(), taken);
    let sdk = *common::identity(Flavour::Tlcp, Who::Sdk).public_key();
    assert_eq!(stream.connection().peer_keys().unwrap().signature, sdk);
    let mut left = 40_000;
    let mut buffer = vec![0; 8_192];
    while left > 0 {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "it sends 40,000 bytes");
        stream.write_all(&buffer[..count]).await.unwrap();
        stream.flush().await.unwrap();
        left -= count;
    }
    assert_eq!(stream.read(&mut buffer).await.unwrap(), 0, "it closes");
    stream.shutdown().await.unwrap();
    assert_eq!(
        lines.next_line().await.unwrap().as_deref(),
        Some("suite 0xe013")
    );
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("done"));
    assert!(child.wait().await.unwrap().success());
}

async fn in_time(test: impl Future<Output = ()>) {
    timeout(PATIENCE, test).await.expect("it ends in a minute");
}

#[tokio::test]
async fn tassl_is_the_server() {
    let Some(library) = library("AMOP_TASSL") else {
        return;
    };
    in_time(as_server(&library, true, true)).await;
    in_time(as_server(&library, false, false)).await;
}

#[tokio::test]
async fn tassl_is_the_client() {
    let Some(library) = library("AMOP_TASSL") else {
        return;
    };
    in_time(as_client(&library, true, true)).await;
    in_time(as_client(&library, false, false)).await;
}

/// It does not support MACs over the ciphertext in this protocol.
#[tokio::test]
async fn tongsuo_is_the_server() {
    let Some(library) = library("AMOP_TONGSUO") else {
        return;
    };
    in_time(as_server(&library, true, false)).await;
    in_time(as_server(&library, false, false)).await;
}

#[tokio::test]
async fn tongsuo_is_the_client() {
    let Some(library) = library("AMOP_TONGSUO") else {
        return;
    };
    in_time(as_client(&library, true, false)).await;
    in_time(as_client(&library, false, false)).await;
}
