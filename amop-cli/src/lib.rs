//! The functions of the `amop` command as a library.
#![forbid(unsafe_code)]

pub mod conformance;
pub mod generate;
pub mod schema;
mod show;
pub mod tap;
mod wire;

pub use wire::WireError;
