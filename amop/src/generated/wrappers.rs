//! Encodes messages as prost does, except `google.protobuf.DoubleValue` and `FloatValue`: these are
//! `f64` and `f32` in Rust, and prost treats their -0.0 as the default and leaves it out.

use std::any::Any;

pub use ::prost::encoding::message::{merge, merge_repeated};
use ::prost::{
    Message,
    bytes::BufMut,
    encoding::{self, WireType, encode_key, encode_varint, encoded_len_varint, key_len},
};

/// Field 1 with the value -0.0.
const DOUBLE: &[u8] = &[0x09, 0, 0, 0, 0, 0, 0, 0, 0x80];
const FLOAT: &[u8] = &[0x0d, 0, 0, 0, 0x80];

/// Returns the encoding of a wrapper that prost would leave empty.
fn signed_zero<M: Any>(message: &M) -> Option<&'static [u8]> {
    let message: &dyn Any = message;
    let double = message.downcast_ref::<f64>();
    let float = message.downcast_ref::<f32>();
    if double.is_some_and(|value| value.to_bits() == (-0.0_f64).to_bits()) {
        Some(DOUBLE)
    } else if float.is_some_and(|value| value.to_bits() == (-0.0_f32).to_bits()) {
        Some(FLOAT)
    } else {
        None
    }
}

/// Encodes a whole message.
pub(crate) fn to_vec<M: Message + Any>(message: &M) -> Vec<u8> {
    signed_zero(message).map_or_else(|| message.encode_to_vec(), Vec::from)
}

pub fn encode<M: Message + Any>(tag: u32, message: &M, buf: &mut impl BufMut) {
    match signed_zero(message) {
        None => encoding::message::encode(tag, message, buf),
        Some(zero) => {
            encode_key(tag, WireType::LengthDelimited, buf);
            encode_varint(zero.len() as u64, buf);
            buf.put_slice(zero);
        }
    }
}

pub fn encode_repeated<M: Message + Any>(tag: u32, messages: &[M], buf: &mut impl BufMut) {
    for message in messages {
        encode(tag, message, buf);
    }
}

fn len<M: Message + Any>(message: &M) -> usize {
    let len = signed_zero(message).map_or_else(|| message.encoded_len(), <[u8]>::len);
    encoded_len_varint(len as u64) + len
}

#[inline]
pub fn encoded_len<M: Message + Any>(tag: u32, message: &M) -> usize {
    key_len(tag) + len(message)
}

#[inline]
pub fn encoded_len_repeated<M: Message + Any>(tag: u32, messages: &[M]) -> usize {
    key_len(tag) * messages.len() + messages.iter().map(len).sum::<usize>()
}
