//! Tests that need internal functions: recorded handshakes, and peers that violate the protocol.

#[path = "../tests/common/mod.rs"]
mod common;
mod golden;
mod hostile;
mod hostile_certificates;
mod on_the_way;
mod records_on_the_way;
