//! Networks over sockets in which a busy machine changes no outcome, and clients of them.

use std::{future::Future, time::Duration};

use amop::{Client, ClientBuilder};
use amop_node::{Network, Node, NodeBuilder, Stats, Timeouts};
use tokio::time::sleep;

use crate::log;

/// How long anything may take on a machine that is busy with other work. Nothing waits this long
/// unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that must happen.
///
/// # Panics
///
/// With `what` in the message, if it does not happen within [`PATIENCE`].
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {} s", PATIENCE.as_secs()),
    }
}

/// Waits until a condition holds.
///
/// # Panics
///
/// With `what` in the message, if this does not happen within [`PATIENCE`].
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    within(what, async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Waits until a node's counters fulfil `ready`.
///
/// # Panics
///
/// With `what` in the message, if this does not happen within [`PATIENCE`].
pub async fn counted(node: &Node, what: &str, ready: impl Fn(&Stats) -> bool) {
    until(what, || ready(&node.stats())).await;
}

/// Starts a network whose nodes wait long for answers, so that a busy machine changes no outcome.
///
/// # Panics
///
/// If it cannot be started.
pub async fn network(nodes: usize) -> Network {
    network_with(nodes, |_, builder| builder).await
}

/// Like [`network`], but calls a function that may change each node's configuration.
///
/// # Panics
///
/// If it cannot be started.
pub async fn network_with(
    nodes: usize,
    configure: impl Fn(usize, NodeBuilder) -> NodeBuilder,
) -> Network {
    log();
    let patient = |index, builder: NodeBuilder| configure(index, builder.timeouts(patient()));
    Network::start_with(nodes, patient).await.unwrap()
}

/// Returns the node's default timeouts, multiplied where they decide what happens to a message.
pub fn patient() -> Timeouts {
    Timeouts::default().with(|timeouts| {
        timeouts.session_answer = PATIENCE;
        timeouts.peer_answer = PATIENCE * 2;
        timeouts.unicast = PATIENCE * 2;
        timeouts.neighbours = Duration::from_secs(5);
    })
}

/// Returns a client builder for a node of a network, with timeouts as long as those of the network.
pub fn builder(network: &Network, node: usize) -> ClientBuilder {
    Client::builder()
        .endpoint(network.endpoint(node))
        .identity(network.sdk())
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE)
}

/// Connects a client to a node of a network.
///
/// # Panics
///
/// If it cannot connect.
pub async fn client(network: &Network, node: usize) -> Client {
    builder(network, node).connect().await.unwrap()
}

/// Sends a unicast from one client to another, gets the reply, and closes both.
///
/// # Panics
///
/// If the message or its reply does not arrive.
pub async fn ping(publisher: Client, subscriber: Client) {
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
