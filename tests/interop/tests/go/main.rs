//! go-sdk 1.1.1, the last of the 2.x line, at our nodes and with our client: messages both ways,
//! errors, and connections that are idle or lost.
//!
//! Each test needs Go and is skipped without it, aloud.
#![forbid(unsafe_code)]

mod alive;
mod ask;
mod failures;
mod go_to_go;
mod go_to_rust;
mod private;
mod rust_to_go;

use amop_interop::GoSdk;

/// What a large message holds: many TLS records, and hundreds of reads of go-sdk.
const MIB: usize = 1 << 20;

/// The program over go-sdk; `None` without Go.
fn go_sdk() -> Option<GoSdk> {
    GoSdk::build(env!("CARGO_TARGET_TMPDIR"))
}

/// Bytes of all values in no short period.
fn binary(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}
