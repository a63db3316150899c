//! Networks over sockets, programs, certificates, and everything else that only tests of whole programs need.

pub mod attack;
mod bystanders;
mod causes;
mod certificates;
pub mod fisco;
mod graph;
mod log;
mod network;
mod peer;
mod ports;
mod process;
mod projects;
mod raw;
mod sdk;
pub mod v3;

pub use self::{
    bystanders::Bystanders,
    causes::assert_causes_once,
    certificates::{agency, identity, identity_of, issued_by, sdk_folder, write_certificates},
    graph::{Graph, once_known},
    log::{Log, NASTY, does_something, log},
    network::{
        PATIENCE, builder, client, counted, network, network_with, patient, ping, until, within,
    },
    peer::Peer,
    ports::{P2P_OFFSET, RPC_OFFSET, devnet, free_ports},
    process::{Finished, Program},
    projects::{Projects, succeeded},
    raw::RawLink,
    sdk::{Sdk, seq},
};
