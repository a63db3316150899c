//! Tests that look inside: recorded handshakes, and peers that break the rules.

#[path = "../tests/common/mod.rs"]
mod common;
mod golden;
mod hostile;
mod on_the_way;
