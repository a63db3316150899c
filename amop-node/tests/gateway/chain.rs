//! A 3.x chain whose nodes are embedded nodes.

use std::{
    net::{SocketAddr, TcpListener},
    sync::LazyLock,
    time::Duration,
};

use amop::{Client, ClientBuilder, Delivery, RawSubscription};
use amop_node::{GatewayOptions, Node, NodeBuilder};
use amop_testkit::{PATIENCE, agency, identity, identity_of, log, patient, until, within};
use amop_tls::{
    Identity,
    pki::{Agency, Leaf, RsaAuthority},
};
use bytes::Bytes;

/// The authority of the 3.x chain. Its keys take long to make.
static AUTHORITY: LazyLock<RsaAuthority> = LazyLock::new(|| RsaAuthority::new("chain3").unwrap());

/// The agency of the 2.x chain.
static AGENCY: LazyLock<Agency> = LazyLock::new(agency);

/// Returns the certificate of a new 3.x node.
pub(super) fn certificate() -> Identity {
    let issued = AUTHORITY.issue().unwrap();
    identity_of(&issued.cert_pem, &issued.key_pem, AUTHORITY.cert_pem())
}

/// Returns the settings of a gateway that dials these addresses.
pub(super) fn gateway(own: Identity, peers: &[SocketAddr]) -> GatewayOptions {
    GatewayOptions::new(own).with(|gateway| {
        gateway.peers = peers
            .iter()
            .map(|peer| peer.to_string().parse().unwrap())
            .collect();
        gateway.redial = Duration::from_millis(200);
    })
}

/// Returns a node of 2.x that nobody has connected to any other.
pub(super) fn builder() -> NodeBuilder {
    log();
    Node::builder()
        .identity(identity(&AGENCY, Leaf::Node, "node"))
        .timeouts(patient())
}

/// Starts a node with a gateway that dials these addresses.
pub(super) async fn node(peers: &[SocketAddr]) -> Node {
    start(gateway(certificate(), peers)).await
}

pub(super) async fn start(gateway: GatewayOptions) -> Node {
    builder().gateway(gateway).start().await.unwrap()
}

/// Returns an address that nothing uses now.
pub(super) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Waits until a node has this many gateway connections.
pub(super) async fn joined(node: &Node, count: usize) {
    until("the gateway connections", || {
        node.gateway_peers().len() == count
    })
    .await;
}

pub(super) fn client_builder(node: &Node) -> ClientBuilder {
    Client::builder()
        .endpoint(node.channel_address().to_string())
        .identity(identity(&AGENCY, Leaf::Sdk, "sdk"))
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE)
}

pub(super) async fn client(node: &Node) -> Client {
    client_builder(node).connect().await.unwrap()
}

pub(super) async fn subscribe(client: &Client, topic: &str) -> RawSubscription {
    let topic = topic.parse().unwrap();
    client.subscribe_raw(&topic).await.unwrap()
}

/// Returns the next message of a subscription.
pub(super) async fn next(messages: &mut RawSubscription) -> Delivery<Bytes> {
    within("a message", messages.next()).await.unwrap()
}

/// Answers every message with this reply.
pub(super) fn echo(mut messages: RawSubscription, reply: &'static str) {
    tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            let _ = message.reply_bytes(reply);
        }
    });
}

/// Publishes a unicast until it has a subscriber, and returns the reply.
pub(super) async fn ask(client: &Client, topic: &str, payload: &'static str) -> Bytes {
    let topic = topic.parse().unwrap();
    within("a subscriber", async {
        loop {
            match client.publish_unicast_raw(&topic, payload.into()).await {
                Ok(reply) => return reply.payload,
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

/// Waits until a node with a gateway has sent multicasts on a topic to this many 3.x nodes at once.
pub(super) async fn known_by(publisher: &Client, node: &Node, topic: &str, count: u64) {
    let topic = topic.parse().unwrap();
    let sent = || node.gateway_counters().unwrap().multicasts_sent;
    within("the subscribers", async {
        loop {
            let before = sent();
            publisher
                .publish_multicast_raw(&topic, "probe".into())
                .await
                .unwrap();
            let all = async {
                while sent() < before + count {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            if tokio::time::timeout(Duration::from_millis(200), all)
                .await
                .is_ok()
            {
                return;
            }
        }
    })
    .await;
}
