//! The same floods on the port for SDKs of 3.x, and those that only WebSocket has. A 3.x client and a
//! 2.x client exchange messages meanwhile.

use std::time::Duration;

use amop::{Client, TopicName};
use amop_node::{Limits, ListenLimits, Network, NodeBuilder};
use amop_proto::ws::{WsRpcRequest, WsType};
use amop_testkit::{
    Bystanders, PATIENCE, client, counted, log, patient, until,
    v3::{V3Sdk, opcode, seq, ws_seq},
    within,
};
use amop_tls::Identity;
use futures::FutureExt;

use super::connections::flood;

const MIB: usize = 1 << 20;

/// A unicast to a topic that nobody has.
const PING: &[u8] = b"\0\0\0\0\0\x06nobodyping";

/// Two nodes that serve SDKs of both generations.
async fn bridged(configure: impl Fn(NodeBuilder) -> NodeBuilder) -> Network {
    log();
    let configure = |_, builder: NodeBuilder| configure(builder.timeouts(patient()));
    Network::start_bridged_with(2, configure).await.unwrap()
}

/// A publisher of 3.x at the first node, and a subscriber of 2.x at the other.
async fn bystanders(network: &Network) -> Bystanders {
    let publisher = Client::builder()
        .endpoint(network.v3_endpoint(0).unwrap())
        .identity(network.v3_sdk().unwrap())
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .connect();
    Bystanders::between(publisher.await.unwrap(), client(network, 1).await).await
}

/// Returns certificates of an SDK that nobody else has.
fn stranger(network: &Network) -> Identity {
    let authority = network.v3_authority().unwrap();
    let issued = authority.issue().unwrap();
    let [cert, key] = [&issued.cert_pem, &issued.key_pem].map(|pem| pem.as_bytes());
    Identity::from_pem(cert, key, authority.cert_pem().as_bytes()).unwrap()
}

async fn connect(network: &Network, identity: &Identity) -> V3Sdk {
    let endpoint = network.v3_endpoint(0).unwrap();
    within("an SDK of 3.x", V3Sdk::connect(endpoint, identity)).await
}

async fn connect_stranger(network: &Network) -> V3Sdk {
    connect(network, &stranger(network)).await
}

/// Asks for the groups, and waits for the answer: everything sent before has been handled.
async fn settle(sdk: &mut V3Sdk, name: &str) {
    let request = WsRpcRequest::new(1, "getGroupList", Vec::new()).to_payload();
    sdk.send(WsType::RPC, &seq(name), request).await;
    let answered = async { while sdk.message().await.unwrap().seq != ws_seq(name) {} };
    within("an answer", answered).await;
}

/// Returns a message many times, as WebSocket frames, with seqs from `first` on.
fn many_from(first: usize, count: usize, kind: WsType, payload: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    for n in first..first + count {
        let mut message = vec![0, 0];
        message.extend(kind.0.to_be_bytes());
        message.extend([0, 0, 0, 32]);
        message.extend(format!("{n:032}").as_bytes());
        message.extend([0, 0]);
        message.extend(payload);
        frames.extend(V3Sdk::frame(opcode::BINARY, true, &message));
    }
    frames
}

fn many(count: usize, kind: WsType, payload: &[u8]) -> Vec<u8> {
    many_from(0, count, kind, payload)
}

/// Sends the same bytes until the node closes the connection. Returns how often it took them.
async fn until_closed(sdk: &mut V3Sdk, bytes: &[u8]) -> usize {
    until_closed_by(sdk, |_| bytes.to_vec()).await
}

/// Sends bytes, which may be others each time, until the node closes the connection.
async fn until_closed_by(sdk: &mut V3Sdk, bytes: impl Fn(usize) -> Vec<u8>) -> usize {
    within("the end", async {
        let mut count = 0;
        while sdk.write(&bytes(count)).await.is_ok() {
            count += 1;
        }
        count
    })
    .await
}

async fn stop(network: Network, mut bystanders: Bystanders) {
    bystanders.go_on().await;
    bystanders.stop().await;
    network.shutdown().await;
}

/// Neither TLS nor the upgrade may stay half-done.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_never_finish_tls_or_the_upgrade_are_sent_away() {
    const COUNT: usize = 200;
    let limits =
        ListenLimits::default().with(|limits| limits.handshake_time = Duration::from_secs(2));
    let network = bridged(|builder| builder.listen_limits(limits)).await;
    let mut bystanders = bystanders(&network).await;
    let node = network.node(0).unwrap();
    let mut half_open = flood(node.v3_address().unwrap(), COUNT);
    let (identity, endpoint) = (stranger(&network), network.v3_endpoint(0).unwrap());
    let mut upgrading = Vec::new();
    for n in 0..20 {
        // One of them may be among those that make room for others.
        if let Ok(mut sdk) = V3Sdk::tls(endpoint, &identity).await
            && (n % 2 == 0 || sdk.write(b"GET / HTTP/1.1\r\n").await.is_ok())
        {
            upgrading.push(sdk);
        }
        bystanders.go_on().await;
    }
    let count = upgrading.len() as u64;
    assert!(count > 0);
    counted(node, "those without TLS and without the upgrade", |stats| {
        stats.handshakes_timed_out + stats.handshakes_displaced >= COUNT as u64
            && stats.upgrades_refused >= count
    })
    .await;
    half_open.abort_all();
    settle(&mut connect_stranger(&network).await, "later").await;
    stop(network, bystanders).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_received_messages_of_many_sessions_take_no_more_than_their_share() {
    const LIMIT: usize = 16 * MIB;
    let limits = ListenLimits::default().with(|limits| limits.receiving = LIMIT);
    let network = bridged(|builder| builder.listen_limits(limits)).await;
    let mut bystanders = bystanders(&network).await;
    let node = network.node(0).unwrap();
    let identity = stranger(&network);
    let whole = V3Sdk::frame(opcode::BINARY, true, &vec![0; 2 * MIB]);
    let mut sessions = Vec::new();
    for _ in 0..20 {
        let mut sdk = connect(&network, &identity).await;
        // A session without room is closed while it writes.
        let _ = sdk.write(&whole[..MIB]).await;
        sessions.push(sdk);
        assert!(node.receiving_bytes() <= LIMIT / 2);
        bystanders.go_on().await;
    }
    counted(node, "messages without room", |stats| {
        stats.frames_without_room > 0
    })
    .await;
    assert!(node.receiving_bytes() <= LIMIT / 2);
    drop(sessions);
    until("the room is free", || node.receiving_bytes() == 0).await;
    stop(network, bystanders).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_megabytes_keep_nobody_from_talking() {
    let network = bridged(|builder| builder).await;
    let mut bystanders = bystanders(&network).await;
    let mut sdk = connect_stranger(&network).await;
    let list = format!("{{\"topics\":[{}1]}}", "\"\",".repeat(600_000));
    let batch = format!("{{\"params\":[{}1]}}", "[[[]]],".repeat(140_000));
    let handshake = format!("{{\"clientType\":\"{}\"}}", "x".repeat(2_000_000));
    for round in 0..2 {
        let name = |kind| seq(&format!("{kind}{round}"));
        sdk.send(WsType::SET_TOPICS, &name("list"), &list).await;
        sdk.send(WsType::RPC, &name("rpc"), &batch).await;
        sdk.send(WsType::HANDSHAKE, &name("hello"), &handshake)
            .await;
        sdk.send(WsType::EVENT_REGISTER, &name("event"), &batch)
            .await;
        bystanders.go_on().await;
    }
    // Nothing else has happened to the session.
    settle(&mut sdk, "still here").await;
    stop(network, bystanders).await;
}

/// Sessions are not read from until their texts are paid for, also if the texts change nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_more_texts_than_it_may_have_waits_and_nobody_else_does() {
    // The text below is worth two minutes.
    let limits = Limits::default().with(|limits| limits.session_text = 16 * 1024);
    let network = bridged(|builder| builder.limits(limits)).await;
    let mut bystanders = bystanders(&network).await;
    let mut sdk = connect_stranger(&network).await;
    settle(&mut sdk, "first").await;
    let none = format!("{{\"topics\":[],\"x\":\"{}\"}}", "x".repeat(2_000_000));
    sdk.send(WsType::SET_TOPICS, &seq("list"), none).await;
    let request = WsRpcRequest::new(1, "getGroupList", Vec::new()).to_payload();
    sdk.send(WsType::RPC, &seq("second"), request).await;
    let mut other = connect_stranger(&network).await;
    for n in 0..10 {
        settle(&mut other, &format!("other{n}")).await;
        bystanders.go_on().await;
    }
    assert_eq!(sdk.message().now_or_never(), None);
    stop(network, bystanders).await;
}

/// More topics than a session may have, and other ones each time.
#[tokio::test(flavor = "multi_thread")]
async fn lists_of_countless_topics_keep_nobody_from_talking() {
    let limits = Limits::default().with(|limits| limits.session_text = 1 << 30);
    let network = bridged(|builder| builder.limits(limits)).await;
    let mut bystanders = bystanders(&network).await;
    let mut sdk = connect_stranger(&network).await;
    let lists = ["a", "b"].map(|prefix| {
        let topics: Vec<String> = (0..20_000).map(|n| format!("\"{prefix}{n}\"")).collect();
        format!("{{\"topics\":[{}]}}", topics.join(","))
    });
    for n in 0..50 {
        let name = seq(&format!("list{n}"));
        sdk.send(WsType::SET_TOPICS, &name, &lists[n % 2]).await;
        if n % 10 == 0 {
            bystanders.go_on().await;
        }
    }
    settle(&mut sdk, "after the lists").await;
    stop(network, bystanders).await;
}

/// Answers of the WebSocket session itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_does_not_read_its_answers_is_closed() {
    let limits = Limits::default().with(|limits| {
        limits.session_queue = MIB;
        limits.session_text = 1 << 30;
    });
    let network = bridged(|builder| builder.limits(limits)).await;
    let bystanders = bystanders(&network).await;
    let mut sdk = connect_stranger(&network).await;
    let request = WsRpcRequest::new(1, "getGroupList", Vec::new()).to_payload();
    let requests = many(500, WsType::RPC, &request);
    let count = until_closed(&mut sdk, &requests).await;
    println!("{count} times 500 requests");
    stop(network, bystanders).await;
}

/// Answers that come through the node: it stops to read, and ends the session in the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_does_not_read_the_answers_to_its_unicasts_is_closed() {
    let limits = Limits::default().with(|limits| limits.session_queue = MIB);
    let timeouts = patient().with(|timeouts| timeouts.session_idle = Duration::from_secs(10));
    let network = bridged(|builder| builder.limits(limits).timeouts(timeouts)).await;
    let bystanders = bystanders(&network).await;
    let node = network.node(0).unwrap();
    let mut sdk = connect_stranger(&network).await;
    let count = until_closed_by(&mut sdk, |round| {
        many_from(round * 500, 500, WsType::UNICAST, PING)
    });
    let count = count.await;
    println!("{count} times 500 unicasts");
    // The node forgets what waited for it a moment after the connection has ended.
    let forgotten = || node.session_bytes() <= MIB / 2;
    until("the answers are forgotten", forgotten).await;
    stop(network, bystanders).await;
}

/// Unicasts with the seqs of others that wait: nobody can answer them, so there is nothing to keep.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_unicasts_again_and_again_take_no_room() {
    const ROUNDS: usize = 200;
    let limits = Limits::default().with(|limits| limits.session_queue = MIB);
    let network = bridged(|builder| builder.limits(limits)).await;
    let mut bystanders = bystanders(&network).await;
    let node = network.node(0).unwrap();
    let mut sdk = connect_stranger(&network).await;
    let unicasts = many(500, WsType::UNICAST, PING);
    for round in 0..ROUNDS {
        // Nothing is read from it. It may be closed.
        let sent = within("a round", sdk.write(&unicasts)).await;
        assert!(node.session_bytes() <= 2 * MIB);
        if round % 50 == 0 {
            bystanders.go_on().await;
        }
        if sent.is_err() {
            break;
        }
    }
    stop(network, bystanders).await;
}

/// A subscriber of 3.x takes as little room as one of 2.x.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_stops_reading_costs_no_more_than_its_queue() {
    const PAYLOAD: usize = 64 * 1024;
    const COUNT: u64 = 400;
    let limits = Limits::default().with(|limits| limits.session_queue = MIB);
    let network = bridged(|builder| builder.limits(limits)).await;
    let bystanders = bystanders(&network).await;
    let node = network.node(0).unwrap();
    let (publisher, subscriber) = (client(&network, 0).await, client(&network, 0).await);
    let topic = TopicName::new("news").unwrap();
    let mut news = subscriber.subscribe_raw(&topic).await.unwrap();
    let mut sdk = connect_stranger(&network).await;
    within("the subscription", sdk.subscribe(&["news"])).await;
    // From here on it is not read from. One message at a time, so that the others keep up.
    let mut most = 0;
    for _ in 0..COUNT {
        let payload = vec![b'x'; PAYLOAD];
        let sent = publisher.publish_multicast_raw(&topic, payload.into());
        sent.await.unwrap();
        let delivery = within("the news", news.next()).await.unwrap();
        assert_eq!(delivery.to_vec().len(), PAYLOAD);
        most = most.max(node.session_bytes());
    }
    let dropped = node.stats().messages.dropped;
    println!("at most {most} bytes queued, {dropped} dropped");
    assert!(dropped > 0);
    assert!(most <= MIB + 8 * PAYLOAD, "{most}");
    publisher.close().await;
    subscriber.close().await;
    stop(network, bystanders).await;
}

/// Pings are not read without end while their answers are not.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_does_not_read_its_pongs_is_not_read_from_and_ends() {
    let network = bridged(|builder| builder).await;
    let bystanders = bystanders(&network).await;
    let mut sdk = connect_stranger(&network).await;
    let pings = V3Sdk::frame(opcode::PING, true, &[7; 125]).repeat(1000);
    let count = until_closed(&mut sdk, &pings).await;
    let bytes = count * pings.len();
    println!("{bytes} bytes of pings");
    // What the buffers of the connection hold.
    assert!(bytes < 64 * MIB, "{bytes}");
    stop(network, bystanders).await;
}
