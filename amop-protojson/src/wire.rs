//! The wire format, without knowledge of the fields' types.

use crate::ProtoJsonError;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use std::borrow::Cow;

/// A field's content.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum WireItem<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
    Group(&'a [u8]),
}

/// Returns the fields of a message in their order in the bytes. After an error there are no more.
pub(crate) fn items(
    mut bytes: &[u8],
) -> impl Iterator<Item = Result<(u32, WireItem<'_>), ProtoJsonError>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let read = key(&mut bytes)
            .and_then(|(number, wire)| Ok((number, item(&mut bytes, number, wire)?)));
        if read.is_err() {
            bytes = &[];
        }
        Some(read)
    })
}

fn broken(error: impl std::fmt::Display) -> ProtoJsonError {
    ProtoJsonError::new(format!("this is not a protobuf message: {error}"))
}

fn key(bytes: &mut &[u8]) -> Result<(u32, WireType), ProtoJsonError> {
    decode_key(bytes).map_err(broken)
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Result<&'a [u8], ProtoJsonError> {
    let (taken, rest) = bytes
        .split_at_checked(len)
        .ok_or_else(|| broken("it ends too early"))?;
    *bytes = rest;
    Ok(taken)
}

fn array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], ProtoJsonError> {
    let mut array = [0; N];
    array.copy_from_slice(take(bytes, N)?);
    Ok(array)
}

/// Reads one value of a wire type from the start of `bytes`.
pub(crate) fn item<'a>(
    bytes: &mut &'a [u8],
    number: u32,
    wire: WireType,
) -> Result<WireItem<'a>, ProtoJsonError> {
    Ok(match wire {
        WireType::Varint => WireItem::Varint(decode_varint(bytes).map_err(broken)?),
        WireType::SixtyFourBit => WireItem::Fixed64(u64::from_le_bytes(array(bytes)?)),
        WireType::ThirtyTwoBit => WireItem::Fixed32(u32::from_le_bytes(array(bytes)?)),
        WireType::LengthDelimited => {
            let len = decode_varint(bytes).map_err(broken)?;
            let len = usize::try_from(len).map_err(broken)?;
            WireItem::Bytes(take(bytes, len)?)
        }
        WireType::StartGroup => WireItem::Group(group(bytes, number)?),
        WireType::EndGroup => return Err(broken("a group ends that was not started")),
    })
}

/// Returns the content of a group. Nested groups are tracked in a list, without recursion.
fn group<'a>(bytes: &mut &'a [u8], number: u32) -> Result<&'a [u8], ProtoJsonError> {
    let start = *bytes;
    let mut open = vec![number];
    loop {
        let before = bytes.len();
        let (number, wire) = key(bytes)?;
        match wire {
            WireType::StartGroup => open.push(number),
            WireType::EndGroup => {
                if open.pop() != Some(number) {
                    return Err(broken("groups overlap"));
                }
                if open.is_empty() {
                    return Ok(&start[..start.len() - before]);
                }
            }
            other => {
                item(bytes, number, other)?;
            }
        }
    }
}

/// A value to be written.
#[derive(Debug, PartialEq)]
pub(crate) enum WireValue<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(Vec<u8>),
    Text(Cow<'a, str>),
    Group(Vec<u8>),
}

impl WireValue<'_> {
    /// Returns whether a field without presence does not write this value. A negative zero is
    /// written.
    fn is_default(&self) -> bool {
        match self {
            Self::Varint(value) | Self::Fixed64(value) => *value == 0,
            Self::Fixed32(value) => *value == 0,
            Self::Bytes(value) => value.is_empty(),
            Self::Text(value) => value.is_empty(),
            Self::Group(_) => false,
        }
    }

    /// Writes the value as a field.
    pub(crate) fn put(&self, number: u32, out: &mut Vec<u8>) {
        let wire = match self {
            Self::Varint(_) => WireType::Varint,
            Self::Fixed64(_) => WireType::SixtyFourBit,
            Self::Fixed32(_) => WireType::ThirtyTwoBit,
            Self::Bytes(_) | Self::Text(_) => WireType::LengthDelimited,
            Self::Group(_) => WireType::StartGroup,
        };
        encode_key(number, wire, out);
        self.put_bare(out);
        if let Self::Group(_) = self {
            encode_key(number, WireType::EndGroup, out);
        }
    }

    /// Writes the value as a field without presence.
    pub(crate) fn put_unless_default(&self, number: u32, out: &mut Vec<u8>) {
        if !self.is_default() {
            self.put(number, out);
        }
    }

    /// Writes the value without a key, as in a packed list.
    pub(crate) fn put_bare(&self, out: &mut Vec<u8>) {
        match self {
            Self::Varint(value) => encode_varint(*value, out),
            Self::Fixed64(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::Fixed32(value) => out.extend_from_slice(&value.to_le_bytes()),
            Self::Bytes(value) => {
                encode_varint(value.len() as u64, out);
                out.extend_from_slice(value);
            }
            Self::Text(value) => {
                encode_varint(value.len() as u64, out);
                out.extend_from_slice(value.as_bytes());
            }
            Self::Group(value) => out.extend_from_slice(value),
        }
    }
}
