//! The tap: clients work through it, every frame is reported, and no byte is changed.

mod command;
mod streams;
mod v3;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use amop::Client;
use amop_cli::tap::{Direction, FrameRecord, Style, Tap, TapOptions, TapRecord, TapRecords, What};
use amop_node::Network;
use amop_proto::channel::{Frame, FrameType};
use amop_testkit::{
    PATIENCE, Program, RawLink, identity, network, ping, seq, within, write_certificates,
};
use amop_tls::{Identity, ServerOptions, pki::Leaf};
use bytes::BytesMut;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Starts a tap with the certificates of a network.
async fn tap(network: &Network, to: &str) -> (Tap, TapRecords) {
    let options = TapOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        to: to.to_owned(),
        sdk: network.sdk(),
        node: identity(network.agency(), Leaf::Node, "tap"),
        preview: 64,
    };
    Tap::start(options).await.unwrap()
}

async fn client(endpoint: &str, sdk: Identity) -> Client {
    Client::builder()
        .endpoint(endpoint)
        .identity(sdk)
        // The tap may have only an SDK's certificates.
        .sdk_certificates_as_nodes(true)
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .reconnect(amop::ReconnectPolicy::never())
        .connect()
        .await
        .unwrap()
}

/// Sends a unicast from a client behind the tap to a direct client, and gets the reply.
async fn exchange(endpoint: &str, direct: &str, sdk: Identity) {
    let publisher = client(endpoint, sdk.clone()).await;
    let subscriber = client(direct, sdk).await;
    ping(publisher, subscriber).await;
}

/// Checks the records of what [`ping`] sends. Returns the code of the unicast.
async fn ping_and_pong(records: &mut TapRecords) -> u16 {
    let (direction, message) = frame(records, "unicast").await;
    assert_eq!(direction, Direction::ToNode);
    assert_eq!(message.topic.as_deref(), Some(&b"hello"[..]));
    assert_eq!(
        (message.payload_len, &message.payload[..]),
        (4, &b"ping"[..])
    );
    let (direction, reply) = frame(records, "response").await;
    assert_eq!(direction, Direction::ToSdk);
    assert_eq!((reply.seq, reply.result), (message.seq, 0));
    assert_eq!(&reply.payload[..], b"pong");
    message.code
}

/// Returns the next record of a frame of this type.
async fn frame(records: &mut TapRecords, name: &str) -> (Direction, FrameRecord) {
    loop {
        let record = within("a record", records.recv()).await.unwrap();
        if let What::Frame(frame) = record.what
            && frame.name == name
        {
            return (record.direction.unwrap(), frame);
        }
    }
}

/// Returns the next record that is not a frame.
async fn other(records: &mut TapRecords) -> TapRecord {
    loop {
        let record = within("a record", records.recv()).await.unwrap();
        if !matches!(record.what, What::Frame(_)) {
            return record;
        }
    }
}

#[track_caller]
fn assert_note(record: &TapRecord, part: &str) {
    match &record.what {
        What::Note(text) => assert!(text.contains(part), "{text}"),
        what => panic!("{what:?} instead of a note of {part:?}"),
    }
}

/// Creates an endpoint that is not a node, so that the test sees all bytes that pass the tap.
async fn far_end(network: &Network) -> (TcpListener, TlsAcceptor, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let tls = identity(network.agency(), Leaf::Node, "far")
        .server_config(ServerOptions::default())
        .unwrap();
    (listener, tls.into(), address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_works_through_it() {
    let network = network(2).await;
    let (tap, mut records) = tap(&network, network.endpoint(0)).await;
    let address = tap.address().to_string();
    exchange(&address, network.endpoint(1), network.sdk()).await;

    assert_note(&other(&mut records).await, "connection from 127.0.0.1:");
    let (direction, handshake) = frame(&mut records, "handshake").await;
    assert_eq!(direction, Direction::ToNode);
    let (direction, answer) = frame(&mut records, "handshake").await;
    assert_eq!(direction, Direction::ToSdk);
    assert_eq!(answer.seq, handshake.seq);
    assert_eq!(
        answer.payload,
        "{\"nodeVersion\":\"2.11.1\",\"protocol\":3,\"quietMulticasts\":true,\"answerWithin\":60000,\"maxFrame\":33554432}\n"
    );
    ping_and_pong(&mut records).await;
    assert_note(&other(&mut records).await, "ended: the SDK closed it");

    within("the end", tap.shutdown()).await;
    assert_eq!(records.recv().await, None);
    network.shutdown().await;
}

/// A node that does not exist, and an SDK without TLS.
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_told() {
    let network = network(1).await;
    let (listener, _, address) = far_end(&network).await;
    drop(listener);
    let (tap, mut records) = tap(&network, &address).await;
    let endpoint = tap.address().to_string();
    let mut link = within(
        "TLS",
        RawLink::connect(&endpoint, network.sdk().client_config().unwrap()),
    )
    .await
    .unwrap();
    assert_eq!(within("the end", link.read()).await.unwrap(), None);
    assert_note(&other(&mut records).await, "connection from");
    assert_note(
        &other(&mut records).await,
        &format!("cannot connect to {address}"),
    );

    let mut plain = TcpStream::connect(&endpoint).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = within("the end", plain.read_to_end(&mut rest)).await;
    assert_note(&other(&mut records).await, "connection from");
    assert_note(&other(&mut records).await, "TLS with the SDK failed");
    within("the end", tap.shutdown()).await;
    network.shutdown().await;
}

/// Stopping does not wait for connected SDKs.
#[tokio::test(flavor = "multi_thread")]
async fn it_stops_under_connected_clients() {
    let network = network(1).await;
    let (tap, mut records) = tap(&network, network.endpoint(0)).await;
    let address = tap.address();
    let client = client(&address.to_string(), network.sdk()).await;
    within("the end", tap.shutdown()).await;
    within("the news", client.closed()).await;
    while within("the last record", records.recv()).await.is_some() {}
    assert!(std::net::TcpListener::bind(address).is_ok());
    network.shutdown().await;
}

/// Connections that send nothing do not keep others out.
#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_give_way_to_newcomers() {
    let network = network(2).await;
    let (tap, mut records) = tap(&network, network.endpoint(0)).await;
    let address = tap.address().to_string();
    let mut silent = Vec::new();
    for _ in 0..300 {
        let stream = within("TCP", TcpStream::connect(&address)).await;
        silent.push(stream.unwrap());
    }
    let told = tokio::spawn(async move {
        let mut gave_way = 0;
        while let Some(record) = records.recv().await {
            if let What::Note(text) = record.what {
                gave_way += usize::from(text.contains("to make room for a new connection"));
            }
        }
        gave_way
    });
    exchange(&address, network.endpoint(1), network.sdk()).await;
    // The oldest connection is closed. The newest is not: it has waited for less time.
    let mut byte = [0];
    let first = within("its end", silent[0].read(&mut byte)).await;
    assert!(matches!(first, Ok(0) | Err(_)));
    drop(silent);
    tap.shutdown().await;
    let gave_way = within("the records", told).await.unwrap();
    assert!(gave_way > 200, "{gave_way}");
    network.shutdown().await;
}
