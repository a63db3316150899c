//! The checks of a node's port for SDKs of 3.x.

use std::collections::BTreeSet;

use amop_cli::conformance::CheckedChain;
use amop_proto::ws::{MAX_MESSAGE, WsMessage, WsStatus, WsType};
use amop_testkit::v3::{V3Certificates, V3Sdk, opcode};
use amop_tls::{Identity, ServerOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;

async fn run_v3(endpoint: &str, identity: Identity, only: &[&str]) -> ConformanceReport {
    let options = ConformanceOptions {
        chain: CheckedChain::V3,
        only: only.iter().map(|&name| name.to_owned()).collect(),
        ..ConformanceOptions::new(endpoint, identity)
    };
    conformance::run(&options, |_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overlay_node_passes() {
    let network = Network::start_bridged(1).await.unwrap();
    let (endpoint, sdk) = (network.v3_endpoint(0).unwrap(), network.v3_sdk().unwrap());
    let report = run_v3(endpoint, sdk, &[]).await;
    assert_all_green(&report);
    assert_eq!(report.node, "3.x, protocol version 2");
    let names: Vec<&str> = report.results.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, conformance::names_of(CheckedChain::V3));
    let unique: BTreeSet<&&str> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    assert!(names.len() >= 20, "{}", names.len());
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_check_is_an_error() {
    let network = Network::start_bridged(1).await.unwrap();
    let options = ConformanceOptions {
        chain: CheckedChain::V3,
        only: vec!["heartbeat-*".to_owned()],
        ..ConformanceOptions::new(network.v3_endpoint(0).unwrap(), network.v3_sdk().unwrap())
    };
    let error = conformance::run(&options, |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("unicast-reply"), "{error}");
    network.shutdown().await;
}

/// A node that answers every message with the message itself and the status of no error.
async fn echo(mut stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
        Sec-WebSocket-Accept: wrong\r\n\r\n";
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await?;
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head).await?;
        let len = match head[1] & 0x7f {
            126 => usize::from(stream.read_u16().await?),
            127 => usize::try_from(stream.read_u64().await?).unwrap(),
            len => usize::from(len),
        };
        let mut mask = [0; 4];
        stream.read_exact(&mut mask).await?;
        let mut payload = vec![0; len];
        stream.read_exact(&mut payload).await?;
        for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        let opcode = head[0] & 0x0f;
        if opcode == opcode::BINARY
            && let Ok(mut message) = WsMessage::decode(payload.clone().into(), MAX_MESSAGE)
        {
            if message.kind == WsType::HANDSHAKE {
                let answer = r#"{"protocolVersion":2,"groupInfoList":[],"groupBlockNumber":[]}"#;
                message.payload = answer.into();
            }
            message.status = WsStatus::SUCCESS;
            payload = message.encode().unwrap().to_bytes().to_vec();
        }
        let frame = V3Sdk::frame(opcode, false, &payload);
        stream.write_all(&frame).await?;
        stream.flush().await?;
    }
}

/// Fails where it is wrong, and only there.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_echoes_fails() {
    let certificates = V3Certificates::new();
    let config = certificates.node.server_config(ServerOptions::default());
    let acceptor = TlsAcceptor::from(config.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let _ = echo(stream).await;
                }
            });
        }
    });
    let only = [
        "upgrade-accepted",
        "handshake-answer",
        "unknown-type",
        "topics-unanswered",
        "unicast-no-subscriber",
        "broadcast-nobody",
        "short-message",
    ];
    let report = run_v3(&endpoint, certificates.sdk, &only).await;
    let failures: Vec<&str> = report.failures().map(|check| &*check.name).collect();
    let wrong: Vec<&str> = report
        .results
        .iter()
        .map(|check| &*check.name)
        .filter(|name| *name != "handshake-answer")
        .collect();
    assert_eq!(failures, wrong, "{:#?}", report.results);
    assert_eq!(failures.len(), 6);
    serving.abort();
}
