//! The JSON forms of `google.protobuf` types.

use super::{JsonReader, below, scalar};
use crate::{
    ProtoJsonError,
    schema::{FieldKind, FieldShape, MessageForm, MessageSchema},
    text::{JsonKind, JsonText, expect},
    time,
    wire::WireValue,
    write::{read_field_mask, type_name, unknown_type},
};

impl JsonReader<'_> {
    pub(super) fn well_known(
        self,
        form: MessageForm,
        message: &MessageSchema,
        text: &mut JsonText<'_>,
        depth: u32,
    ) -> Result<Vec<u8>, ProtoJsonError> {
        match form {
            MessageForm::Any => self.any(text, depth),
            MessageForm::Timestamp => {
                expect(text, JsonKind::String)?;
                let (seconds, nanos) = time::read_timestamp(&text.string()?)?;
                Ok(seconds_and_nanos(seconds, nanos))
            }
            MessageForm::Duration => {
                expect(text, JsonKind::String)?;
                let (seconds, nanos) = time::read_duration(&text.string()?)?;
                Ok(seconds_and_nanos(seconds, nanos))
            }
            MessageForm::FieldMask => {
                expect(text, JsonKind::String)?;
                field_mask(&text.string()?)
            }
            MessageForm::Struct => {
                let field = message.field(1)?;
                let FieldShape::Map { key } = field.shape else {
                    return Err(message.unusual());
                };
                let mut wire = Vec::new();
                self.map(key, field, text, depth, &mut wire)?;
                Ok(wire)
            }
            MessageForm::ListValue => {
                let field = message.field(1)?;
                let mut wire = Vec::new();
                self.list(field.kind, text, depth, |value| {
                    value.put(field.number, &mut wire);
                })?;
                Ok(wire)
            }
            MessageForm::Value => self.any_value(message, text, depth),
            MessageForm::Wrapper | MessageForm::Object => {
                let value = self.value(message.field(1)?.kind, text, depth)?;
                let mut wire = Vec::new();
                value.put_unless_default(1, &mut wire);
                Ok(wire)
            }
        }
    }

    fn any_value(
        self,
        message: &MessageSchema,
        text: &mut JsonText<'_>,
        depth: u32,
    ) -> Result<Vec<u8>, ProtoJsonError> {
        let (number, value) = match text.next()? {
            JsonKind::Null => {
                text.null()?;
                (1, WireValue::Varint(0))
            }
            JsonKind::Number => (2, scalar::read(FieldKind::Double, text)?),
            JsonKind::String => (3, scalar::read(FieldKind::String, text)?),
            JsonKind::Bool => (4, scalar::read(FieldKind::Bool, text)?),
            container => {
                let number = if container == JsonKind::Object { 5 } else { 6 };
                (
                    number,
                    self.value(message.field(number)?.kind, text, depth)?,
                )
            }
        };
        // A default is written as well: the chosen alternative is part of the value.
        let mut wire = Vec::new();
        value.put(number, &mut wire);
        Ok(wire)
    }

    fn any(self, text: &mut JsonText<'_>, depth: u32) -> Result<Vec<u8>, ProtoJsonError> {
        expect(text, JsonKind::Object)?;
        let Some(url) = find_type(text.clone())? else {
            // An empty object has no type.
            text.object(|_, _| Err(ProtoJsonError::new("an `Any` lacks the member \"@type\"")))?;
            return Ok(Vec::new());
        };
        let name = type_name(&url)?;
        let found = self.schema.find(name);
        let message = found.ok_or_else(|| unknown_type(name))?;
        let depth = below(depth)?;
        let content = if message.form == MessageForm::Object {
            self.members(message, text, depth, true)?
        } else {
            let (mut content, mut types) = (None, 0);
            text.object(|text, member| {
                types += usize::from(member == "@type");
                if types > 1 || member == "value" && content.is_some() {
                    return Err(ProtoJsonError::new("the field appears twice").field(&member));
                }
                if member != "value" {
                    return text.skip();
                }
                let read = self.message(message, text, depth);
                content = Some(read.map_err(|error| error.field("value"))?);
                Ok(())
            })?;
            content.ok_or_else(|| {
                ProtoJsonError::new(format!(
                    "an `Any` with a `{name}` lacks the member \"value\""
                ))
            })?
        };
        let mut wire = Vec::new();
        for (number, bytes) in [(1, url.into_bytes()), (2, content)] {
            WireValue::Bytes(bytes).put_unless_default(number, &mut wire);
        }
        Ok(wire)
    }
}

/// Finds the type of an `Any`, at any place in the object.
fn find_type(mut text: JsonText<'_>) -> Result<Option<String>, ProtoJsonError> {
    let mut found = None;
    let mut rest = Ok(());
    let read = text.object(|text, name| {
        if name != "@type" {
            return text.skip();
        }
        expect(text, JsonKind::String).map_err(|error| error.field("@type"))?;
        found = Some(text.string()?.into_owned());
        // The rest is not needed here: it is read and checked with the content.
        rest = Err(());
        Err(ProtoJsonError::new("found"))
    });
    match (read, rest) {
        (Err(error), Ok(())) => Err(error),
        _ => Ok(found),
    }
}

fn seconds_and_nanos(seconds: i64, nanos: i32) -> Vec<u8> {
    let mut wire = Vec::new();
    for (number, value) in [(1, seconds), (2, i64::from(nanos))] {
        WireValue::Varint(value as u64).put_unless_default(number, &mut wire);
    }
    wire
}

fn field_mask(text: &str) -> Result<Vec<u8>, ProtoJsonError> {
    let paths = read_field_mask(text).ok_or_else(|| {
        ProtoJsonError::new(format!(
            "{text:?} is not a field mask: write paths in lowerCamelCase with commas between them"
        ))
    })?;
    let mut wire = Vec::new();
    for path in paths {
        WireValue::Bytes(path.into_bytes()).put(1, &mut wire);
    }
    Ok(wire)
}
