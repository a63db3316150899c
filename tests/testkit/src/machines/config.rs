//! Configurations of machines.

use std::{collections::BTreeSet, sync::Arc};

use amop_proto::{
    node::{Limits, MachineConfig, Timeouts, rpc::NodeFacts},
    p2p::{
        NodeId,
        mesh::{Agreement, SharedSecret},
    },
};

/// The first version of the records of a machine with the configuration of [`config`].
pub const EPOCH: u64 = 1000;

/// Returns the configuration of node number `n`, which has this ID: the default limits and timeouts.
pub fn config(node: NodeId, n: usize) -> MachineConfig {
    MachineConfig {
        node,
        signer: Arc::new(SharedSecret::new(node)),
        facts: NodeFacts {
            fisco_version: "2.11.1".into(),
            chain_id: "1".into(),
            node_id: node.to_string(),
            name: format!("node{n}"),
            agency: "agency".into(),
            address: format!("127.0.0.1:{}", 30300 + n),
            groups: Vec::new(),
        },
        limits: Limits::default(),
        timeouts: Timeouts::default(),
        stubs: BTreeSet::new(),
        epoch: EPOCH,
        seed: [n as u8; 32],
    }
}

/// Returns the key pair that a machine with the configuration of [`config`] has when it starts.
pub fn agreement(node: NodeId, n: usize) -> Agreement {
    Agreement::new(node, &[n as u8; 32], EPOCH)
}
