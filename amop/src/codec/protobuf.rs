//! Protocol Buffers by prost.

use bytes::Bytes;
use prost::encoding::{WireType, decode_key, decode_varint};

use super::{Codec, CodecError};
use crate::__private::wrappers;

/// Protocol Buffers, by prost.
///
/// Messages with more than 100 nested levels, the limit of prost, are refused.
#[derive(Debug)]
pub enum Protobuf {}

/// The nesting limit of prost, which is the same as that of Google's libraries.
const MAX_DEPTH: usize = 100;

impl<T: prost::Message + Default + 'static> Codec<T> for Protobuf {
    const NAME: &'static str = "protobuf";

    fn encode(value: &T) -> Result<Bytes, CodecError> {
        let payload = Bytes::from(wrappers::to_vec(value));
        // A message that may be too deep is decoded to find out.
        if may_be_deeper(&payload, MAX_DEPTH) {
            T::decode(payload.clone())
                .map_err(|error| CodecError::new(<Self as Codec<T>>::NAME, error))?;
        }
        Ok(payload)
    }

    fn decode(payload: Bytes) -> Result<T, CodecError> {
        // Decoded from `Bytes`, so that `bytes` fields share the payload's memory.
        T::decode(payload).map_err(|error| CodecError::new(<Self as Codec<T>>::NAME, error))
    }
}

/// Returns whether more than `levels` messages may be nested in a message: a field with a length
/// counts as a message if it can be read as one. Every level takes two bytes, so most messages are
/// too short and are not searched.
fn may_be_deeper(message: &[u8], levels: usize) -> bool {
    if message.len() < 2 * (levels + 1) {
        return false;
    }
    deepest(message, levels).unwrap_or(false)
}

/// As [`may_be_deeper`]; `None` if this is not a message.
fn deepest(mut message: &[u8], levels: usize) -> Option<bool> {
    let mut groups = 0_usize;
    let mut found = false;
    while !message.is_empty() {
        if groups == 0
            && let Some(len) = short_field(message, levels)
        {
            message = message.get(len..)?;
            continue;
        }
        let (_, wire) = decode_key(&mut message).ok()?;
        let skip = match wire {
            WireType::Varint => {
                decode_varint(&mut message).ok()?;
                0
            }
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::LengthDelimited => {
                let len = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
                let content = message.get(..len)?;
                let levels = levels.checked_sub(groups);
                found |= match levels.and_then(|levels| levels.checked_sub(1)) {
                    Some(levels) => may_be_deeper(content, levels),
                    None => true,
                };
                len
            }
            WireType::StartGroup => {
                groups += 1;
                found |= groups > levels;
                0
            }
            WireType::EndGroup => {
                groups = groups.checked_sub(1)?;
                0
            }
        };
        message = message.get(skip..)?;
    }
    Some(found)
}

/// Returns the length of a field that is too short to be nested too deep, if its key and its length
/// or value have one byte each. Most fields do.
fn short_field(message: &[u8], levels: usize) -> Option<usize> {
    let [key @ 8..0x80, second @ 0..0x80, ..] = *message else {
        return None;
    };
    let len = usize::from(second);
    match key & 7 {
        0 => Some(2),
        // `may_be_deeper` would return false for its content.
        2 if len < 2 * levels => Some(2 + len),
        _ => None,
    }
}
