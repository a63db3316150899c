//! Values of the wire format, and what they are in JSON.

use crate::{
    ProtoJsonError,
    schema::FieldKind,
    wire::{self, WireItem},
};
use prost::encoding::WireType;
use std::borrow::Cow;

pub(super) fn written(result: serde_json::Result<()>) -> Result<(), ProtoJsonError> {
    result.map_err(|error| ProtoJsonError::new(error.to_string()))
}

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

/// Returns the text of a map's key; a missing key means the default.
pub(super) fn map_key(
    kind: FieldKind,
    item: Option<WireItem<'_>>,
) -> Result<String, ProtoJsonError> {
    let signed = |value: i64| Ok(value.to_string());
    match (kind, item.unwrap_or(default_key(kind))) {
        (FieldKind::String, WireItem::Bytes(bytes)) => Ok(utf8(bytes)?.to_owned()),
        (FieldKind::Bool, WireItem::Varint(value)) => Ok((value != 0).to_string()),
        (FieldKind::Int32, WireItem::Varint(value)) => signed(i64::from(value as i32)),
        (FieldKind::Int64, WireItem::Varint(value)) => signed(value as i64),
        (FieldKind::Uint32, WireItem::Varint(value)) => Ok((value as u32).to_string()),
        (FieldKind::Uint64, WireItem::Varint(value)) => Ok(value.to_string()),
        (FieldKind::Sint32, WireItem::Varint(value)) => signed(unzigzag(u64::from(value as u32))),
        (FieldKind::Sint64, WireItem::Varint(value)) => signed(unzigzag(value)),
        (FieldKind::Fixed32, WireItem::Fixed32(value)) => Ok(value.to_string()),
        (FieldKind::Fixed64, WireItem::Fixed64(value)) => Ok(value.to_string()),
        (FieldKind::Sfixed32, WireItem::Fixed32(value)) => signed(i64::from(value as i32)),
        (FieldKind::Sfixed64, WireItem::Fixed64(value)) => signed(value as i64),
        _ => Err(wrong_type()),
    }
}

fn default_key(kind: FieldKind) -> WireItem<'static> {
    match kind {
        FieldKind::String => WireItem::Bytes(&[]),
        FieldKind::Fixed32 | FieldKind::Sfixed32 => WireItem::Fixed32(0),
        FieldKind::Fixed64 | FieldKind::Sfixed64 => WireItem::Fixed64(0),
        _ => WireItem::Varint(0),
    }
}
