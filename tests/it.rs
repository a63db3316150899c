//! Clients and nodes over sockets. Each module has one subject. All are one program, so that it is linked only once and
//! tests that wait do so at the same time; what loads the machine is in `attacks.rs`.
#![forbid(unsafe_code)]

mod auto_traits;
mod bad_input;
mod error_chains;
mod error_table;
mod error_texts;
mod every_test_runs;
mod failover;
mod fisco;
mod foreign_sdk;
mod multi_hop;
mod packages;
mod plain_english;
mod private;
mod public_api;
mod rooms;
mod sealed;
mod vertical;
