//! The node machines of the fuzz targets.

use std::sync::Arc;

use amop_proto::{
    channel::{Frame, FrameType, Seq, frame_topic},
    node::{Limits, MachineConfig, Timeouts, rpc::NodeFacts},
    p2p::{NodeId, mesh::SharedSecret},
};
use bytes::Bytes;

/// The start time of the machines, in microseconds since 1970.
pub const EPOCH: u64 = 1_790_000_000_000_000;

/// Returns the facts that a node reports about itself.
pub fn facts(node: NodeId) -> NodeFacts {
    NodeFacts {
        fisco_version: "2.11.1".into(),
        chain_id: "1".into(),
        node_id: node.to_string(),
        name: "node0".into(),
        agency: "agency".into(),
        address: "127.0.0.1:30300".into(),
        groups: Vec::new(),
    }
}

/// Returns the configuration of a machine without transit for FISCO nodes, with limits that are
/// soon reached.
pub fn node_config(node: NodeId) -> MachineConfig {
    MachineConfig {
        node,
        facts: facts(node),
        limits: Limits::default().with(|limits| {
            limits.nodes = 32;
            limits.peer_topics = 64;
            limits.topics = 64;
            limits.in_flight = 64;
        }),
        timeouts: Timeouts::default(),
        stubs: [].into(),
        signer: Arc::new(SharedSecret::new(node)),
        epoch: EPOCH,
        seed: [1; 32],
    }
}

/// Returns a multicast of a bystander with a unique number, and the body that the other bystander
/// must get.
pub fn bystanders_multicast(topic: &[u8], number: u64) -> (Frame, Bytes) {
    let mut seq = [b'0'; 32];
    seq[..8].copy_from_slice(&number.to_be_bytes());
    let body = frame_topic(topic, &number.to_be_bytes());
    let message = Frame::new(FrameType::MULTICAST, Seq(seq), body.clone());
    (message, body)
}
