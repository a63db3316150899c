#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod conformance;
pub mod generate;
pub mod schema;
mod show;
pub mod tap;
mod wire;

pub use wire::WireError;
