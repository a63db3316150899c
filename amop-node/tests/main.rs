//! Tests of the node as a library. `faults.rs` is a program of its own.
#![forbid(unsafe_code)]

mod access;
mod config;
mod denial;
mod gateway;
mod http;
mod layout;
mod lock;
mod v3;
