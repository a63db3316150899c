//! Attacks by a lying node on others; none of them succeeds.

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
    node::MachineConfig,
    p2p::mesh::{self, Record, SharedSecret},
};

use crate::support::{Link, Net, config, node_id, records, state};

const TOPIC: &str = "hello";

/// The honest node that is two links away, behind the liar.
const FAR: usize = 6;
/// The neighbour that lies.
const LIAR: usize = 5;

/// Returns a node, a neighbour of it that the test plays, and a node behind that neighbour.
fn with_liar(topics: &[(&str, u32)]) -> (Net, Link) {
    let mut net = Net::new(1);
    let liar = net.overlay_peer(0, LIAR, &[]);
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

/// Returns the number of topics of another node that the node knows.
fn topics_at(net: &Net, node: usize) -> usize {
    let router = net.nodes[0].machine.router();
    router.node_topics(&node_id(node)).count()
}

/// Returns a record that a node other than its own has signed.
fn forged(record: &Record, by: usize) -> mesh::SignedRecord {
    record
        .clone()
        .sign(&SharedSecret::new(node_id(by)))
        .unwrap()
}

fn with_limits(set: impl FnOnce(&mut MachineConfig)) -> Net {
    let mut config = config(0);
    set(&mut config);
    Net::with([config])
}

/// Returns topics for a record that needs about this many bytes of memory.
fn topics_of_bytes(name: &str, bytes: usize) -> Vec<String> {
    let one = format!("{name} 0000");
    let count = bytes / (2 * one.len() + 5 + 128);
    (0..count).map(|n| format!("{name} {n:04}")).collect()
}

fn once(topics: &[String]) -> Vec<(&str, u32)> {
    topics.iter().map(|topic| (&topic[..], 1)).collect()
}

/// Returns a record with certificates that are not accepted.
fn without_chain(record: Record) -> Record {
    let whole = record.whole.map(|whole| mesh::Whole {
        chain: Vec::new(),
        ..whole
    });
    Record { whole, ..record }
}
