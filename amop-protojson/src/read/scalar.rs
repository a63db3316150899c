//! Single values that are not messages.

use super::expect;
use crate::{
    Error, number,
    schema::{Enum, Kind},
    text::{Next, Text},
    wire::Value,
};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use std::borrow::Cow;

pub(super) fn read<'t>(kind: Kind, text: &mut Text<'t>) -> Result<Value<'t>, Error> {
    match kind {
        Kind::Bool => {
            expect(text, Next::Bool)?;
            text.bool().map(|value| Value::Varint(value.into()))
        }
        Kind::String => {
            expect(text, Next::String)?;
            text.string().map(Value::Text)
        }
        Kind::Bytes => {
            expect(text, Next::String)?;
            base64(&text.string()?).map(Value::Bytes)
        }
        Kind::Double => {
            let text = numeral(text, "a number")?;
            let value = special(&text).or_else(|| parse(&text, f64::is_finite));
            let value = value.ok_or_else(|| no_number(&text))?;
            Ok(Value::Fixed64(value.to_bits()))
        }
        Kind::Float => {
            let text = numeral(text, "a number")?;
            let value = special(&text).map(|value| value as f32);
            // Not through a double, which would round twice.
            let value = value.or_else(|| parse(&text, f32::is_finite));
            let value = value.ok_or_else(|| no_number(&text))?;
            Ok(Value::Fixed32(value.to_bits()))
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

fn parse<F: std::str::FromStr + Copy>(text: &str, is_finite: fn(F) -> bool) -> Option<F> {
    let number = Some(text).filter(|text| number::is_number(text))?;
    number.parse().ok().filter(|value| is_finite(*value))
}

fn no_number(text: &str) -> Error {
    Error::new(format!(
        "{text:?} is not a number in the range of this type"
    ))
}

/// Returns the text of a number, which may be in quotes.
fn numeral<'a>(text: &mut Text<'a>, what: &str) -> Result<Cow<'a, str>, Error> {
    match text.next()? {
        Next::Number => text.number().map(Cow::Borrowed),
        Next::String => text.string(),
        other => Err(Error::new(format!(
            "expected {what}, found {}",
            other.name()
        ))),
    }
}

pub(super) fn integer(kind: Kind, text: &str) -> Result<Value<'static>, Error> {
    let value = Some(text)
        .filter(|text| number::is_number(text))
        .and_then(number::integer)
        .ok_or_else(|| Error::new(format!("{text:?} is not an integer of this type")))?;
    let range = || Error::new(format!("{value} is out of range"));
    let signed32 = || i32::try_from(value).map_err(|_| range());
    let signed64 = || i64::try_from(value).map_err(|_| range());
    let unsigned32 = || u32::try_from(value).map_err(|_| range());
    let unsigned64 = || u64::try_from(value).map_err(|_| range());
    Ok(match kind {
        Kind::Int32 => Value::Varint(i64::from(signed32()?) as u64),
        Kind::Int64 => Value::Varint(signed64()? as u64),
        Kind::Uint32 => Value::Varint(unsigned32()?.into()),
        Kind::Uint64 => Value::Varint(unsigned64()?),
        Kind::Sint32 => Value::Varint(zigzag(signed32()?.into())),
        Kind::Sint64 => Value::Varint(zigzag(signed64()?)),
        Kind::Fixed32 => Value::Fixed32(unsigned32()?),
        Kind::Fixed64 => Value::Fixed64(unsigned64()?),
        Kind::Sfixed32 => Value::Fixed32(signed32()? as u32),
        Kind::Sfixed64 => Value::Fixed64(signed64()? as u64),
        other => return Err(Error::new(format!("{other:?} is not an integer type"))),
    })
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Decodes either alphabet, with or without padding.
fn base64(text: &str) -> Result<Vec<u8>, Error> {
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
        .map_err(|error| Error::new(format!("this is not base64: {error}")))
}

pub(super) fn enumeration(of: &Enum, text: &mut Text<'_>) -> Result<Value<'static>, Error> {
    let number = match text.next()? {
        Next::Null if of.null => {
            text.null()?;
            0
        }
        Next::String => {
            let name = text.string()?;
            match of.number_of(&name) {
                Some(number) => number,
                // Python's library reads numbers in quotes.
                None => enum_number(&name)
                    .ok_or_else(|| Error::new(format!("`{}` has no value {name:?}", of.name)))?,
            }
        }
        Next::Number => {
            let written = text.number()?;
            enum_number(written).ok_or_else(|| {
                Error::new(format!("{written} is not the number of an enum value"))
            })?
        }
        other => {
            return Err(Error::new(format!(
                "expected the name of a value of `{}`, found {}",
                of.name,
                other.name()
            )));
        }
    };
    let known = of.name_of(number).is_some();
    if !known && (of.closed || of.null) {
        return Err(Error::new(format!("`{}` has no value {number}", of.name)));
    }
    Ok(Value::Varint(i64::from(number) as u64))
}

fn enum_number(text: &str) -> Option<i32> {
    let number = Some(text).filter(|text| number::is_number(text))?;
    i32::try_from(number::integer(number)?).ok()
}

/// Reads a map's key, which is always a string.
pub(super) fn map_key(kind: Kind, text: &str) -> Result<Value<'static>, Error> {
    match (kind, text) {
        (Kind::String, text) => Ok(Value::Bytes(text.as_bytes().to_vec())),
        (Kind::Bool, "true") => Ok(Value::Varint(1)),
        (Kind::Bool, "false") => Ok(Value::Varint(0)),
        (Kind::Bool, _) => Err(Error::new("a key is neither \"true\" nor \"false\"")),
        (kind, text) => integer(kind, text),
    }
}
