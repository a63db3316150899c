//! The tap: clients work through it, every frame is reported, and no byte is changed.
#![forbid(unsafe_code)]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use amop::Client;
use amop_cli::tap::{Direction, FrameRecord, Style, Tap, TapOptions, TapRecord, TapRecords, What};
use amop_node::Network;
use amop_proto::channel::{Frame, FrameType};
use amop_tests::{PATIENCE, Program, RawLink, identity, network, seq, within};
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
    let topic = "hello".parse().unwrap();
    let mut messages = subscriber.subscribe_raw(&topic).await.unwrap();
    let (reply, ()) = within("a message", async {
        tokio::join!(
            publisher.publish_unicast_raw(&topic, "ping".into()),
            async {
                messages.next().await.unwrap().reply_bytes("pong").unwrap();
            }
        )
    })
    .await;
    assert_eq!(reply.unwrap().payload, "pong");
    publisher.close().await;
    subscriber.close().await;
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
    let (direction, message) = frame(&mut records, "unicast").await;
    assert_eq!(direction, Direction::ToNode);
    assert_eq!(message.topic.as_deref(), Some(&b"hello"[..]));
    assert_eq!(
        (message.payload_len, &message.payload[..]),
        (4, &b"ping"[..])
    );
    let (direction, reply) = frame(&mut records, "response").await;
    assert_eq!(direction, Direction::ToSdk);
    assert_eq!((reply.seq, reply.result), (message.seq, 0));
    assert_eq!(&reply.payload[..], b"pong");
    assert_note(&other(&mut records).await, "ended: the SDK closed it");

    within("the end", tap.shutdown()).await;
    assert_eq!(records.recv().await, None);
    network.shutdown().await;
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

/// Connects to the tap, and returns both ends of the path through it.
async fn through(
    network: &Network,
    tap: &Tap,
    listener: &TcpListener,
    acceptor: &TlsAcceptor,
) -> (RawLink, TlsStream<TcpStream>) {
    let address = tap.address().to_string();
    let near = RawLink::connect(&address, network.sdk().client_config().unwrap());
    let far = async {
        let (tcp, _) = listener.accept().await.unwrap();
        acceptor.accept(tcp).await.unwrap()
    };
    let (near, far) = within("both ends", async { tokio::join!(near, far) }).await;
    (near.unwrap(), far)
}

/// Returns the content of the next TLS record.
async fn record(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let content = within("a record", stream.fill_buf())
        .await
        .unwrap()
        .to_vec();
    stream.consume(content.len());
    content
}

/// Split and joined frames arrive as they were sent, in both directions.
#[tokio::test(flavor = "multi_thread")]
async fn records_stay_as_they_are() {
    let network = network(1).await;
    let (listener, acceptor, address) = far_end(&network).await;
    let (tap, mut records) = tap(&network, &address).await;
    let (mut near, mut far) = through(&network, &tap, &listener, &acceptor).await;
    let mut joined = BytesMut::new();
    Frame::amop(FrameType::MULTICAST, seq(1), b"t", b"one").encode(&mut joined);
    Frame::amop(FrameType::MULTICAST, seq(2), b"t", &[9; 3000]).encode(&mut joined);
    let pieces = [&joined[..], &joined[..7], &joined[7..100], &joined[100..]];
    for piece in pieces {
        within("writing", near.write(piece)).await.unwrap();
    }
    for piece in pieces {
        assert_eq!(record(&mut far).await, piece);
    }
    for piece in pieces {
        far.write_all(piece).await.unwrap();
        far.flush().await.unwrap();
    }
    for piece in pieces {
        let got = within("reading", near.read()).await.unwrap();
        assert_eq!(got.as_deref(), Some(piece));
    }
    let mut lengths = Vec::new();
    for _ in 0..8 {
        let (direction, frame) = frame(&mut records, "multicast").await;
        lengths.push((
            direction,
            frame.payload_len,
            frame.payload.len() <= 64 + 254,
        ));
    }
    let of = |direction| [3, 3000, 3, 3000].map(|len| (direction, len, true));
    assert_eq!(
        lengths,
        [of(Direction::ToNode), of(Direction::ToSdk)].concat()
    );
    within("the end", tap.shutdown()).await;
    network.shutdown().await;
}

/// Bytes that are not frames are reported and passed on unchanged, up to the last byte.
#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_stream_passes_unchanged() {
    let network = network(1).await;
    let (listener, acceptor, address) = far_end(&network).await;
    let (tap, mut records) = tap(&network, &address).await;
    let (mut near, mut far) = through(&network, &tap, &listener, &acceptor).await;
    let mut sent = Frame::new(FrameType::HEARTBEAT, seq(1), "0")
        .to_bytes()
        .to_vec();
    // A length below that of a header, and then any bytes.
    sent.extend_from_slice(b"\0\0\0\x29\xff\0\x1b[2J anything");
    within("writing", near.write(&sent)).await.unwrap();
    // The other direction ends within a frame.
    far.write_all(&sent[..20]).await.unwrap();
    far.flush().await.unwrap();
    let mut got = vec![0; sent.len()];
    within("reading", far.read_exact(&mut got)).await.unwrap();
    assert_eq!(got, sent);
    let back = within("reading", near.read()).await.unwrap();
    assert_eq!(back.as_deref(), Some(&sent[..20]));
    far.shutdown().await.unwrap();
    assert_eq!(within("the end", near.read()).await.unwrap(), None);
    drop(near);

    let mut told = Vec::new();
    loop {
        let record = other(&mut records).await;
        let line = record.to_text(Style {
            hex: false,
            max: 64,
        });
        assert!(!line.chars().any(char::is_control), "{line:?}");
        let ended = line.contains(" ended: ");
        told.push(line);
        if ended {
            break;
        }
    }
    let count = |part: &str| told.iter().filter(|line| line.contains(part)).count();
    assert_eq!(count("sdk->node frame length 41 is below"), 1, "{told:#?}");
    assert_eq!(
        count("sdk->node undecodable 4 bytes 00000029"),
        1,
        "{told:#?}"
    );
    assert_eq!(
        count("sdk->node undecodable 15 bytes ff001b5b324a20616e797468696e67"),
        1,
        "{told:#?}"
    );
    assert_eq!(
        count("node->sdk truncated, 23 bytes missing after"),
        1,
        "{told:#?}"
    );
    within("the end", tap.shutdown()).await;
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

/// Writes the certificates of a leaf in the layout of the chain's script.
fn write_certificates(network: &Network, leaf: Leaf, name: &str, dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    let issued = network.agency().issue(leaf, name).unwrap();
    fs::write(dir.join(format!("{name}.crt")), &issued.cert_pem).unwrap();
    fs::write(dir.join(format!("{name}.key")), issued.key_pem.as_str()).unwrap();
    fs::write(dir.join("ca.crt"), network.agency().root_pem()).unwrap();
}

/// Runs the program with both ways to give it certificates and both output formats.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_lines() {
    let network = network(2).await;
    let dir = TempDir::new().unwrap();
    let (sdk, conf) = (dir.path().join("sdk"), dir.path().join("conf"));
    write_certificates(&network, Leaf::Sdk, "sdk", &sdk);
    write_certificates(&network, Leaf::Node, "node", &conf);
    for (signal, options) in [
        ("INT", vec!["--json"]),
        (
            "TERM",
            vec!["--node-certs", conf.to_str().unwrap(), "--max", "3"],
        ),
    ] {
        let port = amop_tests::free_ports(1);
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_amop"));
        command
            .args([
                "tap",
                "--listen",
                &address,
                "--to",
                network.endpoint(0),
                "--certs",
            ])
            .arg(&sdk)
            .args(&options)
            .env_remove("RUST_LOG");
        let program = Program::start(&mut command);
        listens(&address).await;
        exchange(&address, network.endpoint(1), network.sdk()).await;
        program.signal(signal);
        let finished = tokio::task::spawn_blocking(|| program.finish())
            .await
            .unwrap();
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        let lines = &finished.lines;
        if options[0] == "--json" {
            let message = lines
                .iter()
                .map(|line| serde_json::from_str::<Value>(line).unwrap())
                .find(|record| record["type"] == "unicast")
                .unwrap();
            assert_eq!(message["topic"], "hello");
            assert_eq!(message["text"], "ping");
        } else {
            let message = lines
                .iter()
                .find(|line| line.contains(" unicast "))
                .unwrap();
            assert!(
                message.contains(" sdk->node unicast (0x30) seq="),
                "{message}"
            );
            assert!(
                message.ends_with(" result=0 topic=\"hello\" 4 bytes \"pin\"..."),
                "{message}"
            );
        }
        assert!(finished.errors.contains("Ctrl-C stops"), "{finished:?}");
    }
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

/// A process that is killed at the end of the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Killed {
    fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Waits until the program accepts connections.
#[cfg(unix)]
async fn listens(address: &str) {
    within("listening", async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Starts the program with an output that is not read. A publisher has sent this many multicasts
/// through it.
#[cfg(unix)]
async fn unread(network: &Network, dir: &Path, multicasts: usize) -> Killed {
    write_certificates(network, Leaf::Sdk, "sdk", dir);
    let address = format!("127.0.0.1:{}", amop_tests::free_ports(1));
    let child = Command::new(env!("CARGO_BIN_EXE_amop"))
        .args(["tap", "--max", "16000", "--json", "--listen", &address])
        .args(["--to", network.endpoint(0), "--certs"])
        .arg(dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let child = Killed(child);
    listens(&address).await;
    let publisher = client(&address, network.sdk()).await;
    let topic = "hello".parse().unwrap();
    for _ in 0..multicasts {
        let sent = publisher.publish_multicast_raw(&topic, vec![b'x'; 16_000].into());
        within("a multicast", sent).await.unwrap();
    }
    publisher.close().await;
    child
}

/// Lines that could not be written are counted; the traffic goes on.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_nobody_reads_stops_no_traffic() {
    let network = network(1).await;
    let dir = TempDir::new().unwrap();
    let multicasts = 200;
    let mut program = unread(&network, dir.path(), multicasts).await;
    let output = program.0.stdout.take().unwrap();
    let (tell, lost) = tokio::sync::oneshot::channel();
    let reading = tokio::task::spawn_blocking(move || {
        let lines = BufReader::new(output).lines().map(Result::unwrap);
        let mut records = Vec::<Value>::new();
        let mut tell = Some(tell);
        for line in lines {
            let record: Value = serde_json::from_str(&line).unwrap();
            if record["event"] == "lost" {
                tell.take().map(|tell| tell.send(()));
            }
            records.push(record);
        }
        records
    });
    within("a loss", lost).await.unwrap();
    let id = program.0.id().to_string();
    let told = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(told.success());
    let records = within("the output", reading).await.unwrap();
    assert_eq!(program.ended(), Some(0));
    let shown = |record: &&Value| record["type"] == "multicast";
    let shown = records.iter().filter(shown).count();
    let lost = records.iter().filter_map(|record| record["lines"].as_u64());
    let lost = lost.sum::<u64>() as usize;
    assert!(0 < shown && shown < multicasts, "{shown}");
    assert!(shown + lost >= multicasts, "{shown} and {lost}");
    network.shutdown().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_nobody_reads_keeps_it_from_ending_for_a_second_only() {
    let network = network(1).await;
    let dir = TempDir::new().unwrap();
    let mut program = unread(&network, dir.path(), 20).await;
    let id = program.0.id().to_string();
    let told = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(told.success());
    assert_eq!(program.ended(), Some(0));
    network.shutdown().await;
}
