//! Tests over connections: with this crate at both ends, and with other implementations.
#![forbid(unsafe_code)]

mod common;
mod peers;
mod stream;
