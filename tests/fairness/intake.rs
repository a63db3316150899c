//! The budget for incomplete frames.

use std::time::Duration;

use amop_node::{ListenLimits, Network, Node};
use amop_proto::{
    channel::{Frame, FrameType, result_code},
    p2p::{PeerCodec, PeerFrame, protocol},
};
use amop_testkit::{Bystanders, PATIENCE, RawLink, Sdk, identity, network_with, seq, within};
use amop_tls::pki::{Authority, Leaf};
use bytes::{Bytes, BytesMut};

const BUDGET: usize = 12 << 20;
const LEN: usize = 4 << 20;

/// How much of each frame is sent first.
const BEGUN: usize = 100_000;

async fn network() -> Network {
    let limits = ListenLimits {
        receiving: BUDGET,
        ..ListenLimits::default()
    };
    network_with(1, |_, builder| builder.listen_limits(limits)).await
}

async fn sdk(network: &Network, name: &str) -> Sdk {
    let identity = identity(network.agency(), Leaf::Sdk, name);
    Sdk::connect(network.endpoint(0), identity.client_config().unwrap()).await
}

fn message(number: u64, kind: FrameType) -> Bytes {
    let frame = Frame::amop(kind, seq(number), b"nobody", &vec![b'x'; LEN]);
    frame.to_bytes()
}

async fn receiving(node: &Node, ready: impl Fn(usize) -> bool) {
    within("the node's count", async {
        while !ready(node.receiving_bytes()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_room_is_refused_with_103_and_the_session_goes_on() {
    let network = network().await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let mut first = sdk(&network, "one").await;
    let long = message(1, FrameType::UNICAST);
    first.send_bytes(&long[..BEGUN]).await;
    receiving(node, |bytes| bytes >= LEN).await;

    // The same key has its share; other keys of the agency get what it leaves.
    let mut second = sdk(&network, "two").await;
    second
        .send_bytes(&message(2, FrameType::MULTICAST)[..BEGUN])
        .await;
    let refusal = second.receive().await;
    assert_eq!(refusal.seq, seq(2));
    assert_eq!(
        (refusal.kind, refusal.result),
        (FrameType::RESPONSE, result_code::OVER_LIMIT)
    );
    assert_eq!(node.stats().frames_without_room, 1);
    // The rest of the frame is dropped, and what follows is read.
    second
        .send_bytes(&message(2, FrameType::MULTICAST)[BEGUN..])
        .await;
    second.settle(3).await;
    bystanders.go_on().await;

    // An admitted frame is served; after that there is room again.
    first.send_bytes(&long[BEGUN..]).await;
    let answer = first.receive().await;
    assert_eq!(
        (answer.seq, answer.result),
        (seq(1), result_code::NO_SUBSCRIBER)
    );
    receiving(node, |bytes| bytes == 0).await;
    let answer = second
        .ask(
            FrameType::UNICAST,
            4,
            message(4, FrameType::UNICAST).slice(42..),
        )
        .await;
    assert_eq!(answer.result, result_code::NO_SUBSCRIBER);
    assert_eq!(node.stats().frames_without_room, 1);
    bystanders.stop().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hog_and_its_agency_leave_room_for_others() {
    let chain = Authority::new_ec("chain").unwrap();
    let agencies = ["good", "bad"].map(|name| chain.agency(name).unwrap());
    let issued = |agency: usize, name: &str| identity(&agencies[agency], Leaf::Sdk, name);
    let listen = ListenLimits {
        receiving: BUDGET,
        // An admitted frame stays, however long the others take.
        frame_time: PATIENCE * 4,
        ..ListenLimits::default()
    };
    let node = Node::builder()
        .identity(identity(&agencies[0], Leaf::Node, "node"))
        .timeouts(amop_testkit::patient())
        .listen_limits(listen)
        .check_cert_issuer(false)
        .start()
        .await
        .unwrap();
    let endpoint = node.channel_address().to_string();
    // Sixty sessions of one agency, each with the beginning of a long frame.
    let mut hogs = Vec::new();
    for n in 0..60 {
        let identity = issued(1, &format!("hog{}", n % 3));
        let mut hog = Sdk::connect(&endpoint, identity.client_config().unwrap()).await;
        hog.send_bytes(&message(n, FrameType::UNICAST)[..BEGUN])
            .await;
        hogs.push(hog);
    }
    within("all of them are counted", async {
        while node.receiving_bytes() / LEN + (node.stats().frames_without_room as usize) < 60 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(
        node.receiving_bytes() <= BUDGET / 2 + LEN,
        "{}",
        node.receiving_bytes()
    );
    // A long message of another agency is accepted.
    let mut other = Sdk::connect(&endpoint, issued(0, "sdk").client_config().unwrap()).await;
    let answer = other
        .ask(
            FrameType::UNICAST,
            1,
            message(1, FrameType::UNICAST).slice(42..),
        )
        .await;
    assert_eq!(answer.result, result_code::NO_SUBSCRIBER);
    drop(hogs);
    receiving(&node, |bytes| bytes == 0).await;
    node.shutdown().await;
}

/// Authorities below an agency count as the agency, and their names do not matter: neither names of
/// their own, nor the name of another agency.
#[tokio::test(flavor = "multi_thread")]
async fn an_agency_is_one_whatever_it_calls_those_below_it() {
    let names = ["e1", "e2", "e3", "e4", "e5", "e6"];
    for names in [names, ["good"; 6]] {
        hogs_below_one_agency(names).await;
    }
}

async fn hogs_below_one_agency(names: [&str; 6]) {
    amop_testkit::log();
    let chain = Authority::new_ec("chain").unwrap();
    let [good, bad] = ["good", "bad"].map(|name| chain.agency(name).unwrap());
    let listen = ListenLimits {
        receiving: BUDGET + LEN / 2,
        // An admitted frame stays, however long the others take.
        frame_time: PATIENCE * 4,
        ..ListenLimits::default()
    };
    let node = Node::builder()
        .identity(identity(&good, Leaf::Node, "node"))
        .timeouts(amop_testkit::patient())
        .listen_limits(listen)
        .check_cert_issuer(false)
        .start()
        .await
        .unwrap();
    let (channel, p2p) = (
        node.channel_address().to_string(),
        node.p2p_address().to_string(),
    );
    // An SDK and a node of each agency, which send the beginning of a long message.
    let (mut sdks, mut nodes) = (Vec::new(), Vec::new());
    for (number, name) in (1u32..).zip(names) {
        let below = bad.agency(name).unwrap();
        let sdk = identity(&below, Leaf::Sdk, "sdk").client_config().unwrap();
        let mut sdk = Sdk::connect(&channel, sdk).await;
        let long = message(number.into(), FrameType::UNICAST);
        sdk.send_bytes(&long[..BEGUN]).await;
        sdks.push(sdk);
        let config = identity(&below, Leaf::Node, "node").peer_client_config(None);
        let link = RawLink::connect(&p2p, config.unwrap());
        let mut link = within("TLS", link).await.unwrap();
        within("writing", link.write(&peer_message(number)[..BEGUN]))
            .await
            .unwrap();
        nodes.push(link);
    }
    within("all of them are counted", async {
        while node.receiving_bytes() / LEN + (node.stats().frames_without_room as usize) < 12 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    // A frame of its SDKs and one of its nodes.
    let held = node.receiving_bytes();
    assert!(held < 2 * LEN + BEGUN, "{names:?}: {held}");
    let good = identity(&good, Leaf::Sdk, "sdk").client_config().unwrap();
    let mut good = Sdk::connect(&channel, good).await;
    let body = message(1, FrameType::UNICAST).slice(42..);
    let answer = good.ask(FrameType::UNICAST, 1, body).await;
    assert_eq!(answer.result, result_code::NO_SUBSCRIBER, "{names:?}");
    drop((sdks, nodes));
    receiving(&node, |bytes| bytes == 0).await;
    node.shutdown().await;
}

/// Like [`message`], from node to node.
fn peer_message(number: u32) -> BytesMut {
    let frame = PeerFrame {
        protocol: protocol::AMOP,
        packet: 0,
        seq: number,
        body: message(number.into(), FrameType::UNICAST),
    };
    let mut wire = BytesMut::new();
    PeerCodec::default().encode(&frame, &mut wire);
    wire
}

/// A connection whose frame arrives more slowly than the lowest rate is closed, however much of the
/// frame is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_frame_that_stops_half_way_gives_its_room_back() {
    let limits = ListenLimits {
        frame_time: Duration::from_secs(1),
        frame_rate: LEN,
        ..ListenLimits::default()
    };
    let network = network_with(1, |_, builder| builder.listen_limits(limits)).await;
    let bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let mut slow = sdk(&network, "slow").await;
    slow.send_bytes(&message(1, FrameType::UNICAST)[..LEN / 2])
        .await;
    receiving(node, |bytes| bytes >= LEN).await;
    slow.closed().await;
    assert_eq!(node.stats().slow_frames, 1);
    receiving(node, |bytes| bytes == 0).await;
    bystanders.stop().await;
    network.shutdown().await;
}
