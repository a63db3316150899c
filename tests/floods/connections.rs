//! Connections that only use up resources: they never finish TLS, or send their bytes very slowly.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use amop::{Client, TopicName};
use amop_node::{ListenLimits, Network};
use amop_testkit::{Bystanders, RawLink, client, counted, network, network_with, within};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

/// The beginning of a ClientHello of 512 bytes.
const HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// The file descriptors that this process may have; both ends of each connection belong to it.
fn descriptors() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    soft.and_then(|soft| soft.parse().ok()).unwrap_or(1024)
}

/// Opens `count` connections that never finish TLS: half send nothing, half send a beginning. A
/// connection that is closed or finds no place is not repeated.
pub(super) fn flood(address: SocketAddr, count: usize) -> JoinSet<()> {
    let mut flood = JoinSet::new();
    for n in 0..count {
        flood.spawn(async move {
            let Ok(mut stream) = TcpStream::connect(address).await else {
                return;
            };
            if n % 2 == 0 && stream.write_all(HELLO).await.is_err() {
                return;
            }
            // Held until the flood ends.
            std::future::pending::<()>().await;
        });
    }
    flood
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_that_never_finish_tls_keep_nobody_from_talking() {
    let limits =
        ListenLimits::default().with(|limits| limits.handshake_time = Duration::from_secs(2));
    let network = network_with(2, |_, builder| builder.listen_limits(limits)).await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let count = 2000.min((descriptors() - 300) / 2);
    let mut flood = flood(node.channel_address(), count);
    // All of them find a place, and none keeps it.
    let mut rounds = 0;
    let sent_away = || {
        let stats = node.stats();
        stats.handshakes_timed_out + stats.handshakes_displaced
    };
    while sent_away() < count as u64 {
        bystanders.go_on().await;
        rounds += 1;
    }
    println!("{count} connections, the bystanders checked {rounds} times");
    assert_eq!(sent_away(), count as u64);
    flood.abort_all();
    while flood.join_next().await.is_some() {}
    // There is room for others again.
    client(&network, 0).await.close().await;
    bystanders.stop().await;
    network.shutdown().await;
}

/// A handshake has one deadline, however often bytes arrive.
#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_trickles_is_cut_off() {
    let limits =
        ListenLimits::default().with(|limits| limits.handshake_time = Duration::from_secs(2));
    let network = network_with(2, |_, builder| builder.listen_limits(limits)).await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let mut trickling = JoinSet::new();
    for address in [node.channel_address(), node.p2p_address()] {
        for _ in 0..50 {
            trickling.spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                for byte in HELLO.iter().chain(std::iter::repeat(&0)).take(500) {
                    if stream.write_all(&[*byte]).await.is_err() {
                        return true;
                    }
                    sleep(Duration::from_millis(100)).await;
                }
                false
            });
        }
    }
    bystanders.go_on().await;
    while let Some(cut_off) = within("the end", trickling.join_next()).await {
        assert!(cut_off.unwrap(), "a connection lived for 50 s");
    }
    counted(node, "the slow ones", |stats| {
        stats.handshakes_timed_out == 100
    })
    .await;
    bystanders.stop().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_trickles_is_cut_off() {
    let limits = ListenLimits::default().with(|limits| limits.frame_time = Duration::from_secs(2));
    let network = network_with(2, |_, builder| builder.listen_limits(limits)).await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let config = network.sdk().client_config().unwrap();
    let mut link = RawLink::connect(network.endpoint(0), config).await.unwrap();
    // A frame of 1 MiB, of which a byte arrives now and then.
    link.write(&[0, 0x10, 0, 0, 0, 0x30]).await.unwrap();
    let trickle = async {
        while link.write(b"0").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    within("the end", trickle).await;
    counted(node, "the slow one", |stats| stats.slow_frames == 1).await;
    bystanders.go_on().await;
    bystanders.stop().await;
    network.shutdown().await;
}

/// Returns the median time of unicasts that are answered at once.
async fn median(publisher: &Client, topic: &TopicName) -> Duration {
    let mut times = Vec::new();
    for _ in 0..500 {
        let start = Instant::now();
        publisher
            .publish_unicast_raw(topic, "ping".into())
            .await
            .unwrap();
        times.push(start.elapsed());
        sleep(Duration::from_millis(2)).await;
    }
    times.sort();
    times[times.len() / 2]
}

/// Returns the memory of the whole process, clients and flood included, in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Of these the node holds as many as may do a handshake at once; the one that has been silent
/// longest makes room for the next. Needs about 14,000 file descriptors. Run with
/// `cargo test --release -p amop-tests --test attacks ten_thousand -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "10,000 connections, and it measures"]
async fn ten_thousand_connections_that_never_finish_tls() {
    const COUNT: usize = 10_000;
    let network: Network = network(2).await;
    let node = network.node(0).unwrap();
    let topic = TopicName::new("ping").unwrap();
    let (publisher, subscriber) = (client(&network, 0).await, client(&network, 1).await);
    let mut pings = subscriber.subscribe_raw(&topic).await.unwrap();
    let answering = tokio::spawn(async move {
        while let Some(ping) = pings.next().await {
            ping.reply_bytes("pong").unwrap();
        }
    });
    median(&publisher, &topic).await;
    let (before, memory_before) = (median(&publisher, &topic).await, memory());
    let mut flood = flood(node.channel_address(), COUNT);
    // All connections have been tried, and the node is full.
    sleep(Duration::from_secs(3)).await;
    let (during, memory_during) = (median(&publisher, &topic).await, memory());
    println!(
        "{COUNT} connections: median latency {before:?} before, {during:?} during; the process had \
         {memory_before} KiB before, {memory_during} KiB during"
    );
    // A delay by one tick of the scheduler is not the node's fault.
    assert!(during <= before * 2 + Duration::from_millis(1));
    assert!(memory_during - memory_before.min(memory_during) < 256 * 1024);
    let all_waited = timeout(Duration::from_secs(60), async {
        while node.stats().handshakes_displaced + node.stats().handshakes_timed_out < COUNT as u64 {
            sleep(Duration::from_millis(100)).await;
        }
    });
    assert!(all_waited.await.is_ok(), "some were not sent away");
    flood.abort_all();
    while flood.join_next().await.is_some() {}
    answering.abort();
    publisher.close().await;
    subscriber.close().await;
    network.shutdown().await;
}
