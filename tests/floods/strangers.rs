//! Unknown clients that try to take all places of a port, or all lines of a log.
#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports))]

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use amop_node::{ListenLimits, Network, Node, NodeBuilder};
use amop_testkit::{
    Bystanders, PATIENCE, client, counted, free_ports, identity, identity_of, log, network_with,
    within,
};
use amop_tls::{
    Identity,
    pki::{Leaf, Validity},
    rustls::ClientConnection,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::sleep,
};

/// The beginning of a ClientHello of 512 bytes.
const HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// Few places, and no timeout that would make room by itself.
fn few_places() -> ListenLimits {
    ListenLimits::default().with(|limits| {
        limits.handshakes = 24;
        limits.first_byte_time = PATIENCE * 10;
        limits.hello_time = PATIENCE * 10;
        limits.handshake_time = PATIENCE * 10;
    })
}

/// Connects from an address of this machine's own network 127.0.0.0/8.
async fn connect_from(from: [u8; 4], to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::from(from), 0))?;
    socket.connect(to).await
}

/// Opens connections that stay and send nothing, or half of something.
async fn hold(to: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for n in 0..count {
        let mut stream = within("TCP", TcpStream::connect(to)).await.unwrap();
        if n % 2 == 0 {
            // It may have lost its place already.
            let _ = stream.write_all(HELLO).await;
        }
        held.push(stream);
    }
    held
}

/// Returns the builder of a node whose peer is the other one.
fn builder_of(network: &Network, name: &str, peer: SocketAddr) -> NodeBuilder {
    Node::builder()
        .identity(identity(network.agency(), Leaf::Node, name))
        .listen_limits(few_places())
        .peer(peer.to_string().parse().unwrap())
}

/// Enough connections to fill all places five times over, from the same address as the other
/// clients, and they stay. The places of silent connections go to clients that send something.
#[tokio::test(flavor = "multi_thread")]
async fn silent_strangers_on_all_places_keep_neither_sdks_nor_nodes_out() {
    let network = network_with(2, |_, builder| builder.listen_limits(few_places())).await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let on_channel = hold(node.channel_address(), 120).await;
    let on_p2p = hold(node.p2p_address(), 120).await;
    counted(node, "those that lost their places", |stats| {
        // Some places are kept for configured peers; this node has no such peers.
        stats.handshakes_displaced == 2 * (120 - 24)
    })
    .await;
    for _ in 0..5 {
        client(&network, 0).await.close().await;
    }
    let third = builder_of(&network, "third", node.p2p_address());
    let third = third.start().await.unwrap();
    third.wait_for_peers(1, PATIENCE).await.unwrap();
    bystanders.go_on().await;
    third.shutdown().await;
    drop((on_channel, on_p2p));
    bystanders.stop().await;
    network.shutdown().await;
}

/// Two nodes that have each other in their configuration, and unknown clients on both.
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_dial_each_other_meet_whoever_holds_their_ports() {
    let network = network_with(1, |_, builder| builder).await;
    // Both ports must be known in advance.
    let base = free_ports(2);
    let [left, right] = [base, base + 1].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let first = builder_of(&network, "left", right).p2p_listen(left);
    let first = first.start().await.unwrap();
    let on_first = hold(left, 120).await;
    let second = builder_of(&network, "right", left).p2p_listen(right);
    let second = second.start().await.unwrap();
    let on_second = hold(right, 120).await;
    first.wait_for_peers(1, PATIENCE).await.unwrap();
    second.wait_for_peers(1, PATIENCE).await.unwrap();
    drop((on_first, on_second));
    first.shutdown().await;
    second.shutdown().await;
    network.shutdown().await;
}

/// Connects again as soon as a connection is closed, many times in parallel, until told to stop;
/// every second connection begins with `bytes`.
#[cfg(target_os = "linux")]
fn storm(from: [u8; 4], to: SocketAddr, bytes: &[u8], stop: &Arc<AtomicBool>) -> JoinSet<()> {
    let mut storm = JoinSet::new();
    for n in 0..48 {
        let (stop, bytes) = (stop.clone(), bytes.to_vec());
        storm.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let Ok(mut stream) = connect_from(from, to).await else {
                    sleep(Duration::from_millis(5)).await;
                    continue;
                };
                if n % 2 == 0 {
                    let _ = stream.write_all(&bytes).await;
                }
                // Until the node closes it.
                let mut rest = [0; 64];
                let ended = stream.read(&mut rest);
                let _ = tokio::time::timeout(Duration::from_secs(1), ended).await;
            }
        });
    }
    storm
}

/// Addresses have shares: one that connects as fast as it can takes places only from itself, and
/// clients from other addresses get in at the first attempt.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_storms_takes_places_from_itself_alone() {
    let network = network_with(2, |_, builder| builder.listen_limits(few_places())).await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut storms = [node.channel_address(), node.p2p_address()]
        .map(|to| storm([127, 0, 0, 2], to, HELLO, &stop));
    counted(node, "the storm", |stats| stats.handshakes_displaced > 500).await;
    for _ in 0..5 {
        client(&network, 0).await.close().await;
    }
    let third = builder_of(&network, "third", node.p2p_address());
    let third = third.start().await.unwrap();
    third.wait_for_peers(1, PATIENCE).await.unwrap();
    bystanders.go_on().await;
    let stats = node.stats();
    // No other client was refused either.
    assert_eq!(
        (stats.handshakes_timed_out, stats.sessions_turned_away),
        (0, 0)
    );
    stop.store(true, Ordering::Relaxed);
    for storm in &mut storms {
        while within("the end of the storm", storm.join_next())
            .await
            .is_some()
        {}
    }
    third.shutdown().await;
    bystanders.stop().await;
    network.shutdown().await;
}

/// A complete ClientHello makes the node calculate, but costs the sender nothing, because it is
/// always the same. Clients from other addresses still get their turns.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_whole_hellos_holds_nobody_else_up() {
    let network = network_with(2, |_, builder| builder.listen_limits(few_places())).await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let config = network.sdk().client_config().unwrap();
    let mut tls = ClientConnection::new(config, Identity::server_name()).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut storm = storm([127, 0, 0, 4], node.channel_address(), &hello, &stop);
    counted(node, "the storm", |stats| stats.handshakes_displaced > 100).await;
    for _ in 0..5 {
        client(&network, 0).await.close().await;
    }
    bystanders.go_on().await;
    stop.store(true, Ordering::Relaxed);
    while within("the end of the storm", storm.join_next())
        .await
        .is_some()
    {}
    bystanders.stop().await;
    network.shutdown().await;
}

/// Failed handshakes are logged up to a limit, and then counted: each of them is either in its own
/// line or in a summary.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_refused_handshakes_is_a_handful_of_lines() {
    const COUNT: u64 = 600;
    let from = [127, 0, 0, 3];
    let network = network_with(1, |_, builder| builder).await;
    let node = network.node(0).unwrap();
    let start = Instant::now();
    for _ in 0..COUNT {
        let mut stream = connect_from(from, node.channel_address()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        let _ = within("the end", stream.read_to_end(&mut rest)).await;
    }
    counted(node, "the refused", |stats| {
        stats.handshakes_failed == COUNT
    })
    .await;
    network.shutdown().await;
    let windows = start.elapsed().as_secs() / 10 + 2;
    let (summaries, lines): (Vec<String>, Vec<String>) = log()
        .find_all(&["SDK at 127.0.0.3:", "refused"])
        .into_iter()
        .partition(|line| line.contains("like this within"));
    assert!(
        (lines.len() as u64) <= 10 * windows,
        "{} lines",
        lines.len()
    );
    assert!((summaries.len() as u64) <= windows, "{summaries:?}");
    let counted = summaries.iter().map(|line| {
        let (before, _) = line.split_once(" more line").unwrap();
        let number = before.rsplit(' ').next().unwrap();
        number.parse::<u64>().unwrap()
    });
    assert_eq!(counted.sum::<u64>() + lines.len() as u64, COUNT);
}

/// The name in a certificate can be any text that its issuer chose.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_cannot_write_lines_of_its_own() {
    log();
    let network = network_with(1, |_, builder| builder).await;
    let name = "evil\n2030-01-01 INFO all is well\u{202e}\u{1b}[2J";
    let (agency, validity) = (network.agency(), Validity::starting(SystemTime::now()));
    let issued = agency.issue_unchecked("sdk", name, validity).unwrap();
    let evil = identity_of(&issued.cert_pem, &issued.key_pem, agency.root_pem());
    let client = amop_testkit::builder(&network, 0).identity(evil);
    let client = client.connect().await.unwrap();
    let line = log().wait_for(&["INFO all is well", "opened"]).await;
    assert!(line.contains("(evil\\n2030"), "{line}");
    assert!(line.contains("well\\u{202e}\\u{1b}[2J, key "), "{line}");
    assert!(
        !line.chars().any(|c| c.is_control() || c == '\u{202e}'),
        "{line}"
    );
    client.close().await;
    network.shutdown().await;
}
