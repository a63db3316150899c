//! Tests of the codec. The sessions have tests of their own.

mod codec;
mod json;
mod liveness;
mod vectors;

use bytes::Bytes;

use super::*;

/// The seq of the vectors.
const SEQ: &[u8] = b"0123456789abcdef0123456789abcdef";

fn seq() -> WsSeq {
    WsSeq::new(SEQ).unwrap()
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
