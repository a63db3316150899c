//! What tests, simulations and benchmarks share. It is never published.
#![forbid(unsafe_code)]

pub mod attack;
mod bystanders;
pub mod fisco;
mod graph;
mod log;
mod peer;
mod ports;
mod process;
mod projects;
mod raw;
mod sdk;

use std::{future::Future, time::Duration};

use amop::{Client, ClientBuilder};
use amop_node::{Network, NodeBuilder, Timeouts};
use amop_tls::{
    Identity,
    pki::{Agency, Leaf},
};

use tempfile::TempDir;

pub use self::{
    bystanders::Bystanders,
    graph::{Graph, once_known},
    log::{Log, NASTY, does_something, log},
    peer::Peer,
    ports::free_ports,
    process::{Finished, Program},
    projects::{Projects, succeeded},
    raw::RawLink,
    sdk::{Sdk, seq},
};

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
    Timeouts {
        session_answer: PATIENCE,
        peer_answer: PATIENCE * 2,
        unicast: PATIENCE * 2,
        neighbours: Duration::from_secs(5),
        ..Timeouts::default()
    }
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

/// Returns a folder with an SDK's certificate of a network's agency, with the file names that SDKs
/// expect.
pub fn sdk_folder(network: &Network) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let issued = network.agency().issue(Leaf::Sdk, "sdk").unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("ca.crt", network.agency().root_pem());
    write("sdk.crt", &issued.cert_pem);
    write("sdk.key", &issued.key_pem);
    folder
}

/// Issues new certificates of an agency.
///
/// # Panics
///
/// If they cannot be made.
pub fn identity(agency: &Agency, leaf: Leaf, name: &str) -> Identity {
    let issued = agency.issue(leaf, name).unwrap();
    identity_of(&issued.cert_pem, &issued.key_pem, agency.root_pem())
}

/// Returns an identity from the texts of its three files.
///
/// # Panics
///
/// If they do not belong together.
pub fn identity_of(cert: &str, key: &str, ca: &str) -> Identity {
    Identity::from_pem(cert.as_bytes(), key.as_bytes(), ca.as_bytes()).unwrap()
}

/// Sends a unicast from one client to another, gets the reply, and closes both.
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
