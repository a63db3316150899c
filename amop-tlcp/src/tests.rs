//! Tests that need internal functions: recorded handshakes, and peers that violate the protocol.

#[path = "../tests/common/mod.rs"]
mod common;
mod golden;
mod hostile;
mod on_the_way;
