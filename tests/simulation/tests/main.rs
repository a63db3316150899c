//! Runs of the simulation, with and without hostile hosts, and tests that its checks notice faults.
#![forbid(unsafe_code)]

mod bulk;
mod gateways;
mod graph;
mod hostile;
mod sabotage;
mod scale;
mod topologies;
