//! Single values that are not messages.

use crate::{
    ProtoJsonError, number,
    schema::{Enum, FieldKind},
    text::{JsonKind, JsonText, expect},
    wire::WireValue,
};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use std::borrow::Cow;

pub(super) fn read<'t>(
    kind: FieldKind,
    text: &mut JsonText<'t>,
) -> Result<WireValue<'t>, ProtoJsonError> {
    match kind {
        FieldKind::Bool => {
            expect(text, JsonKind::Bool)?;
            text.bool().map(|value| WireValue::Varint(value.into()))
        }
        FieldKind::String => {
            expect(text, JsonKind::String)?;
            text.string().map(WireValue::Text)
        }
        FieldKind::Bytes => {
            expect(text, JsonKind::String)?;
            base64(&text.string()?).map(WireValue::Bytes)
        }
        FieldKind::Double => {
            let text = numeral(text, "a number")?;
            let value = special(&text.0).or_else(|| text.parse(f64::is_finite));
            let value = value.ok_or_else(|| no_number(&text.0))?;
            Ok(WireValue::Fixed64(value.to_bits()))
        }
        FieldKind::Float => {
            let text = numeral(text, "a number")?;
            let value = special(&text.0).map(|value| value as f32);
            // Not through a double, which would round twice.
            let value = value.or_else(|| text.parse(f32::is_finite));
            let value = value.ok_or_else(|| no_number(&text.0))?;
            Ok(WireValue::Fixed32(value.to_bits()))
        }
        kind => integer(kind, &numeral(text, "an integer")?),
    }
}

/// Returns the value of a number for which JSON has no notation.
fn special(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// The text of a number, and whether it is one in JSON's notation.
struct Numeral<'a>(Cow<'a, str>, bool);

impl Numeral<'_> {
    fn parse<F: std::str::FromStr + Copy>(&self, is_finite: fn(F) -> bool) -> Option<F> {
        let number = self.number()?;
        number.parse().ok().filter(|value| is_finite(*value))
    }

    fn number(&self) -> Option<&str> {
        Some(&*self.0).filter(|_| self.1)
    }

    /// Reads a text that may not be a number.
    fn of(text: Cow<'_, str>) -> Numeral<'_> {
        let is_number = number::is_number(&text);
        Numeral(text, is_number)
    }
}

fn no_number(text: &str) -> ProtoJsonError {
    ProtoJsonError::new(format!(
        "{text:?} is not a number in the range of this type"
    ))
}

/// Returns the text of a number, which may be in quotes.
fn numeral<'a>(text: &mut JsonText<'a>, what: &str) -> Result<Numeral<'a>, ProtoJsonError> {
    match text.next()? {
        JsonKind::Number => Ok(Numeral(text.number()?.into(), true)),
        JsonKind::String => text.string().map(Numeral::of),
        other => Err(ProtoJsonError::new(format!(
            "expected {what}, found {}",
            other.name()
        ))),
    }
}

fn integer(kind: FieldKind, text: &Numeral<'_>) -> Result<WireValue<'static>, ProtoJsonError> {
    let value = text.number().and_then(number::integer).ok_or_else(|| {
        ProtoJsonError::new(format!("{:?} is not an integer of this type", text.0))
    })?;
    let range = || ProtoJsonError::new(format!("{value} is out of range"));
    let signed32 = || i32::try_from(value).map_err(|_| range());
    let signed64 = || i64::try_from(value).map_err(|_| range());
    let unsigned32 = || u32::try_from(value).map_err(|_| range());
    let unsigned64 = || u64::try_from(value).map_err(|_| range());
    Ok(match kind {
        FieldKind::Int32 => WireValue::Varint(i64::from(signed32()?) as u64),
        FieldKind::Int64 => WireValue::Varint(signed64()? as u64),
        FieldKind::Uint32 => WireValue::Varint(unsigned32()?.into()),
        FieldKind::Uint64 => WireValue::Varint(unsigned64()?),
        FieldKind::Sint32 => WireValue::Varint(zigzag(signed32()?.into())),
        FieldKind::Sint64 => WireValue::Varint(zigzag(signed64()?)),
        FieldKind::Fixed32 => WireValue::Fixed32(unsigned32()?),
        FieldKind::Fixed64 => WireValue::Fixed64(unsigned64()?),
        FieldKind::Sfixed32 => WireValue::Fixed32(signed32()? as u32),
        FieldKind::Sfixed64 => WireValue::Fixed64(signed64()? as u64),
        other => {
            return Err(ProtoJsonError::new(format!(
                "{other:?} is not an integer type"
            )));
        }
    })
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Decodes either alphabet, with or without padding.
fn base64(text: &str) -> Result<Vec<u8>, ProtoJsonError> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let standard: String = text
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    LENIENT
        .decode(standard)
        .map_err(|error| ProtoJsonError::new(format!("this is not base64: {error}")))
}

pub(super) fn enumeration(
    of: &Enum,
    text: &mut JsonText<'_>,
) -> Result<WireValue<'static>, ProtoJsonError> {
    let number = match text.next()? {
        JsonKind::Null if of.null => {
            text.null()?;
            0
        }
        JsonKind::String => {
            let name = text.string()?;
            match of.number_of(&name) {
                Some(number) => number,
                // Python's library reads numbers in quotes.
                None => enum_number(&Numeral::of(Cow::Borrowed(&name))).ok_or_else(|| {
                    ProtoJsonError::new(format!("`{}` has no value {name:?}", of.name))
                })?,
            }
        }
        JsonKind::Number => {
            let written = Numeral(text.number()?.into(), true);
            enum_number(&written).ok_or_else(|| {
                ProtoJsonError::new(format!("{} is not the number of an enum value", written.0))
            })?
        }
        other => {
            return Err(ProtoJsonError::new(format!(
                "expected the name of a value of `{}`, found {}",
                of.name,
                other.name()
            )));
        }
    };
    let known = of.name_of(number).is_some();
    if !known && (of.closed || of.null) {
        return Err(ProtoJsonError::new(format!(
            "`{}` has no value {number}",
            of.name
        )));
    }
    Ok(WireValue::Varint(i64::from(number) as u64))
}

fn enum_number(text: &Numeral<'_>) -> Option<i32> {
    i32::try_from(number::integer(text.number()?)?).ok()
}

/// Reads a map's key, which is always a string.
pub(super) fn map_key(kind: FieldKind, text: &str) -> Result<WireValue<'static>, ProtoJsonError> {
    match (kind, text) {
        (FieldKind::String, text) => Ok(WireValue::Bytes(text.as_bytes().to_vec())),
        (FieldKind::Bool, "true") => Ok(WireValue::Varint(1)),
        (FieldKind::Bool, "false") => Ok(WireValue::Varint(0)),
        (FieldKind::Bool, _) => Err(ProtoJsonError::new(
            "a key is neither \"true\" nor \"false\"",
        )),
        (kind, text) => integer(kind, &Numeral::of(text.into())),
    }
}
