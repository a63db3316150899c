//! Values of the wire format, and what they are in JSON.

use crate::{
    ProtoJsonError,
    schema::FieldKind,
    wire::{self, WireItem},
};
use prost::encoding::WireType;
use std::borrow::Cow;

pub(super) fn wrong_type() -> ProtoJsonError {
    ProtoJsonError::new("the value is encoded as another type")
}

pub(super) fn is_default(item: &WireItem<'_>) -> bool {
    match item {
        WireItem::Varint(value) | WireItem::Fixed64(value) => *value == 0,
        WireItem::Fixed32(value) => *value == 0,
        WireItem::Bytes(value) => value.is_empty(),
        WireItem::Group(_) => false,
    }
}

/// Returns the JSON name of a number that JSON cannot write.
pub(super) fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("Infinity")
    } else if value == f64::NEG_INFINITY {
        Some("-Infinity")
    } else {
        None
    }
}

pub(super) fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

/// Returns the last value; without a value, the default.
pub(super) fn varint(items: &[WireItem<'_>]) -> Result<u64, ProtoJsonError> {
    match items.last() {
        None => Ok(0),
        Some(WireItem::Varint(value)) => Ok(*value),
        Some(_) => Err(wrong_type()),
    }
}

pub(super) fn fixed64(items: &[WireItem<'_>]) -> Result<u64, ProtoJsonError> {
    match items.last() {
        None => Ok(0),
        Some(WireItem::Fixed64(value)) => Ok(*value),
        Some(_) => Err(wrong_type()),
    }
}

pub(super) fn fixed32(items: &[WireItem<'_>]) -> Result<u32, ProtoJsonError> {
    match items.last() {
        None => Ok(0),
        Some(WireItem::Fixed32(value)) => Ok(*value),
        Some(_) => Err(wrong_type()),
    }
}

pub(super) fn bytes<'w>(items: &[WireItem<'w>]) -> Result<&'w [u8], ProtoJsonError> {
    match items.last() {
        None => Ok(&[]),
        Some(WireItem::Bytes(bytes)) => Ok(bytes),
        Some(_) => Err(wrong_type()),
    }
}

pub(super) fn utf8(bytes: &[u8]) -> Result<&str, ProtoJsonError> {
    std::str::from_utf8(bytes)
        .map_err(|error| ProtoJsonError::new(format!("a string is not UTF-8: {error}")))
}

/// Returns the content of a message that was sent in pieces: all pieces, one after the other.
pub(super) fn merged<'w>(items: &[WireItem<'w>]) -> Result<Cow<'w, [u8]>, ProtoJsonError> {
    let content = |item: &WireItem<'w>| match item {
        WireItem::Bytes(bytes) | WireItem::Group(bytes) => Ok(*bytes),
        _ => Err(wrong_type()),
    };
    match items {
        [] => Ok(Cow::Borrowed(&[])),
        [one] => content(one).map(Cow::Borrowed),
        many => {
            let parts = many.iter().map(content).collect::<Result<Vec<_>, _>>()?;
            Ok(Cow::Owned(parts.concat()))
        }
    }
}

/// Returns the elements of a list, some of which may be packed.
pub(super) fn unpacked<'i, 'w>(
    kind: FieldKind,
    items: &'i [WireItem<'w>],
) -> Result<Cow<'i, [WireItem<'w>]>, ProtoJsonError> {
    let wire = match kind {
        FieldKind::String | FieldKind::Bytes | FieldKind::Message(_) | FieldKind::Group(_) => {
            return Ok(Cow::Borrowed(items));
        }
        FieldKind::Double | FieldKind::Fixed64 | FieldKind::Sfixed64 => WireType::SixtyFourBit,
        FieldKind::Float | FieldKind::Fixed32 | FieldKind::Sfixed32 => WireType::ThirtyTwoBit,
        _ => WireType::Varint,
    };
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        match item {
            WireItem::Bytes(packed) => {
                let mut packed = *packed;
                while !packed.is_empty() {
                    all.push(wire::item(&mut packed, 0, wire)?);
                }
            }
            one => all.push(one.clone()),
        }
    }
    Ok(Cow::Owned(all))
}
