//! What tests, simulations and benchmarks share. It is never published.
//!
//! | part | what is in it |
//! | --- | --- |
//! | [`machines`] | configurations, frames and records for node machines in memory |
//! | [`topology`] | shapes of networks |
//!
//! With the feature `sockets`, for tests of whole programs:
//!
//! | part | what is in it |
//! | --- | --- |
//! | `network`, `client`, `within`, `until`, `counted` | networks, clients of them, and waiting with a deadline |
//! | `Graph` | nodes that are connected as a test says and come back on their ports |
//! | `agency`, `identity`, `write_certificates` | certificates |
//! | `RawLink`, `Sdk`, `Peer` | raw TLS connections, and other SDKs and FISCO nodes on them |
//! | `Program`, `Projects` | programs and their output, and projects as users have them |
//! | `Bystanders`, `attack` | members that exchange messages, and programs that attack |
//! | `fisco` | imitations of FISCO nodes |
//! | `log` | the log of the test's process |
#![forbid(unsafe_code)]

pub mod machines;
#[cfg(feature = "sockets")]
mod sockets;
pub mod topology;

#[cfg(feature = "sockets")]
pub use sockets::*;
