//! go-sdk 1.1.1, the last of the 2.x line, at overlay nodes and with the native client: messages in
//! both directions, errors, and connections that are idle or lost.
//!
//! Each test needs Go; without Go it is skipped and prints a message.

mod alive;
mod ask;
mod failures;
mod go_to_go;
mod go_to_rust;
mod private;
mod rust_to_go;

use amop_interop::GoSdk;

/// The size of a large message: many TLS records, and hundreds of reads of go-sdk.
const MIB: usize = 1 << 20;

/// Returns the program that uses go-sdk; `None` without Go.
fn go_sdk() -> Option<GoSdk> {
    GoSdk::build(env!("CARGO_TARGET_TMPDIR"))
}

/// Returns bytes of all values without a short period.
fn binary(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}
