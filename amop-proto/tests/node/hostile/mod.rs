//! What one node that lies can do to others: nothing of this.

mod arrivals;
mod claims;
mod flaps;
mod messages;
mod rates;
mod records;
mod room;
mod silence;
mod waits;

use amop_proto::{
    node::NodeConfig,
    p2p::mesh::{self, Record, SharedSecret},
};

use crate::support::{Link, Net, config, node_id, records, state};

const TOPIC: &str = "hello";

/// The true node that is two links away, by way of the liar.
const FAR: usize = 6;
/// The neighbour that lies.
const LIAR: usize = 5;

/// A node, a neighbour of it that the test plays, and a node behind that one.
fn with_liar(topics: &[(&str, u32)]) -> (Net, Link) {
    let mut net = Net::new(1);
    let liar = net.ours(0, LIAR, &[]);
    net.peer_send(liar, records(1, &[state(LIAR, 500, &[0, FAR], &[])]));
    net.peer_send(liar, records(2, &[state(FAR, 500, &[LIAR], topics)]));
    net.peer_inbox(liar);
    (net, liar)
}

fn counters(net: &Net) -> amop_proto::node::Counters {
    net.nodes[0].machine.router().counters()
}

fn distance(net: &Net, to: usize) -> Option<u32> {
    net.nodes[0].machine.router().distance(&node_id(to))
}

/// How many topics the node knows another to have.
fn topics_at(net: &Net, node: usize) -> usize {
    let router = net.nodes[0].machine.router();
    router.node_topics(&node_id(node)).count()
}

/// A record that somebody else than its node has signed.
fn forged(record: &Record, by: usize) -> mesh::SignedRecord {
    record
        .clone()
        .sign(&SharedSecret::new(node_id(by)))
        .unwrap()
}

fn with_limits(set: impl FnOnce(&mut NodeConfig)) -> Net {
    let mut config = config(0);
    set(&mut config);
    Net::with([config])
}

/// Topics enough to make a record of about so many bytes in memory.
fn topics_of_bytes(name: &str, bytes: usize) -> Vec<String> {
    let one = format!("{name} 0000");
    let count = bytes / (2 * one.len() + 5 + 128);
    (0..count).map(|n| format!("{name} {n:04}")).collect()
}

fn once(topics: &[String]) -> Vec<(&str, u32)> {
    topics.iter().map(|topic| (&topic[..], 1)).collect()
}

/// A record with certificates that nobody believes.
fn without_chain(record: Record) -> Record {
    let whole = record.whole.map(|whole| mesh::Whole {
        chain: Vec::new(),
        ..whole
    });
    Record { whole, ..record }
}
