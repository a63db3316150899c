//! What the `amop` command does, for programs that want it without the command.
#![forbid(unsafe_code)]

pub mod conformance;
pub mod generate;
pub mod schema;
mod show;
pub mod tap;
mod wire;

pub use wire::ConnectError;
