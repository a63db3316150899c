//! What the tests that cross the crates share; the tests themselves live in the folders beside.
#![forbid(unsafe_code)]

pub mod attack;
mod bystanders;
pub mod fisco;
mod graph;
mod log;
mod peer;
mod ports;
mod process;
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
    raw::RawLink,
    sdk::{Sdk, seq},
};

/// How long anything may take on a machine that is busy with other things. Nothing waits that long
/// unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that must happen.
///
/// # Panics
///
/// With `what` if it does not happen within [`PATIENCE`].
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {} s", PATIENCE.as_secs()),
    }
}

/// A network whose nodes wait long for answers, so that a busy machine changes no outcome.
///
/// # Panics
///
/// If it cannot be started.
pub async fn network(nodes: usize) -> Network {
    network_with(nodes, |_, builder| builder).await
}

/// As [`network`], with a say in the configuration of each node.
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

/// The node's default patience, multiplied where it decides the fate of a message.
pub fn patient() -> Timeouts {
    Timeouts {
        session_answer: PATIENCE,
        peer_answer: PATIENCE * 2,
        unicast: PATIENCE * 2,
        neighbours: Duration::from_secs(5),
        ..Timeouts::default()
    }
}

/// A client builder for a node of a network, as patient as the network.
pub fn builder(network: &Network, node: usize) -> ClientBuilder {
    Client::builder()
        .endpoint(network.endpoint(node))
        .identity(network.sdk())
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE)
}

/// A client of a node of a network.
///
/// # Panics
///
/// If it cannot connect.
pub async fn client(network: &Network, node: usize) -> Client {
    builder(network, node).connect().await.unwrap()
}

/// A folder with an SDK's certificate of a network's agency, named as SDKs look for it.
pub fn sdk_folder(network: &Network) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let issued = network.agency().issue(Leaf::Sdk, "sdk").unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("ca.crt", network.agency().root_pem());
    write("sdk.crt", &issued.cert_pem);
    write("sdk.key", &issued.key_pem);
    folder
}

/// New certificates of an agency.
///
/// # Panics
///
/// If they cannot be made.
pub fn identity(agency: &Agency, leaf: Leaf, name: &str) -> Identity {
    let issued = agency.issue(leaf, name).unwrap();
    identity_of(&issued.cert_pem, &issued.key_pem, agency.root_pem())
}

/// An identity from the texts of its three files.
///
/// # Panics
///
/// If they do not belong together.
pub fn identity_of(cert: &str, key: &str, ca: &str) -> Identity {
    Identity::from_pem(cert.as_bytes(), key.as_bytes(), ca.as_bytes()).unwrap()
}
