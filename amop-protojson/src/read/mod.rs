//! From JSON to the wire format.

mod scalar;
mod well_known;

use crate::{
    MAX_DEPTH, ProtoJsonError,
    schema::{Field, FieldKind, FieldShape, MessageForm, MessageSchema, SchemaIndex},
    text::{JsonKind, JsonText, expect},
    wire::WireValue,
};
use std::collections::HashSet;

pub(crate) fn message(
    schema: &SchemaIndex,
    message: &MessageSchema,
    json: &[u8],
) -> Result<Vec<u8>, ProtoJsonError> {
    let text = std::str::from_utf8(json)
        .map_err(|error| ProtoJsonError::new(format!("the text is not UTF-8: {error}")))?;
    let mut text = JsonText::new(text);
    let reader = JsonReader { schema };
    let wire = reader.message(message, &mut text, MAX_DEPTH)?;
    text.end()?;
    Ok(wire)
}

#[derive(Clone, Copy)]
struct JsonReader<'s> {
    schema: &'s SchemaIndex,
}

impl JsonReader<'_> {
    /// Reads a message that may contain `depth` more levels.
    fn message(
        self,
        message: &MessageSchema,
        text: &mut JsonText<'_>,
        depth: u32,
    ) -> Result<Vec<u8>, ProtoJsonError> {
        match message.form {
            MessageForm::Object => self.members(message, text, depth, false),
            form => self.well_known(form, message, text, depth),
        }
    }

    /// Reads an object with a message's fields. In an `Any` it has the type as well.
    fn members(
        self,
        message: &MessageSchema,
        text: &mut JsonText<'_>,
        depth: u32,
        in_any: bool,
    ) -> Result<Vec<u8>, ProtoJsonError> {
        let twice = || ProtoJsonError::new("the field appears twice");
        let mut fields = FieldRanges::default();
        let mut wire = Vec::new();
        let mut chosen = Vec::new();
        let mut typed = false;
        text.object(|text, name| {
            if in_any && name == "@type" {
                if std::mem::replace(&mut typed, true) {
                    return Err(twice().field(&name));
                }
                return text.skip();
            }
            let Some(field) = message.by_name(&name) else {
                return text.skip();
            };
            let at = |error: ProtoJsonError| error.field(&field.name);
            if !fields.begin(field.number, wire.len()) {
                return Err(at(twice()));
            }
            if text.next()? == JsonKind::Null && !self.takes_null(field) {
                return text.null();
            }
            if let Some(oneof) = field.oneof {
                if chosen.contains(&oneof) {
                    return Err(at(ProtoJsonError::new(
                        "another alternative of its oneof is set as well",
                    )));
                }
                chosen.push(oneof);
            }
            self.field(field, text, depth, &mut wire).map_err(at)
        })?;
        Ok(fields.sorted(wire))
    }

    /// Returns whether `null` is a value of the field, instead of a missing value.
    fn takes_null(self, field: &Field) -> bool {
        matches!(field.shape, FieldShape::Single { .. })
            && match field.kind {
                FieldKind::Message(index) => self.schema.messages[index].form == MessageForm::Value,
                FieldKind::Enum(index) => self.schema.enums[index].null,
                _ => false,
            }
    }

    fn field(
        self,
        field: &Field,
        text: &mut JsonText<'_>,
        depth: u32,
        wire: &mut Vec<u8>,
    ) -> Result<(), ProtoJsonError> {
        match field.shape {
            FieldShape::Single { presence } => {
                let value = self.value(field.kind, text, depth)?;
                if presence {
                    value.put(field.number, wire);
                } else {
                    value.put_unless_default(field.number, wire);
                }
            }
            FieldShape::List { packed } => {
                let mut bare = Vec::new();
                self.list(field.kind, text, depth, |value| {
                    if packed {
                        value.put_bare(&mut bare);
                    } else {
                        value.put(field.number, wire);
                    }
                })?;
                if !bare.is_empty() {
                    WireValue::Bytes(bare).put(field.number, wire);
                }
            }
            FieldShape::Map { key } => self.map(key, field, text, depth, wire)?,
        }
        Ok(())
    }

    fn list(
        self,
        kind: FieldKind,
        text: &mut JsonText<'_>,
        depth: u32,
        mut take: impl FnMut(WireValue<'_>),
    ) -> Result<(), ProtoJsonError> {
        expect(text, JsonKind::Array)?;
        text.array(|text, at| {
            let value = self.value(kind, text, depth);
            take(value.map_err(|error| error.element(at))?);
            Ok(())
        })
    }

    fn map(
        self,
        key_kind: FieldKind,
        field: &Field,
        text: &mut JsonText<'_>,
        depth: u32,
        wire: &mut Vec<u8>,
    ) -> Result<(), ProtoJsonError> {
        let depth = below(depth)?;
        let mut keys = HashSet::new();
        expect(text, JsonKind::Object)?;
        text.object(|text, name| {
            let at = |error: ProtoJsonError| error.element(format_args!("{name:?}"));
            let mut entry = Vec::new();
            scalar::map_key(key_kind, &name)
                .map_err(at)?
                .put(1, &mut entry);
            if !keys.insert(entry.clone()) {
                return Err(at(ProtoJsonError::new("the key appears twice")));
            }
            let value = self.value(field.kind, text, depth).map_err(at)?;
            value.put(2, &mut entry);
            WireValue::Bytes(entry).put(field.number, wire);
            Ok(())
        })
    }

    /// Reads one value.
    fn value<'t>(
        self,
        kind: FieldKind,
        text: &mut JsonText<'t>,
        depth: u32,
    ) -> Result<WireValue<'t>, ProtoJsonError> {
        match kind {
            FieldKind::Message(index) => self
                .message(&self.schema.messages[index], text, below(depth)?)
                .map(WireValue::Bytes),
            FieldKind::Group(index) => self
                .message(&self.schema.messages[index], text, below(depth)?)
                .map(WireValue::Group),
            FieldKind::Enum(index) => scalar::enumeration(&self.schema.enums[index], text),
            kind => scalar::read(kind, text),
        }
    }
}

/// Where the fields of a message begin in its wire format, in the order in which they were read.
#[derive(Default)]
struct FieldRanges {
    begins: Vec<(u32, usize)>,
    /// The highest number of all.
    highest: u32,
}

impl FieldRanges {
    /// Begins a field. Returns whether it is new.
    fn begin(&mut self, number: u32, at: usize) -> bool {
        // Usually they come in order.
        let new = number > self.highest || self.begins.iter().all(|(other, _)| *other != number);
        if new {
            self.begins.push((number, at));
            self.highest = self.highest.max(number);
        }
        new
    }

    /// Puts the fields into the order of their numbers, as other implementations write them.
    fn sorted(self, wire: Vec<u8>) -> Vec<u8> {
        if self.begins.is_sorted() {
            return wire;
        }
        let ends = self.begins.iter().skip(1).map(|(_, at)| *at);
        let ends = ends.chain([wire.len()]);
        let mut parts: Vec<_> = self.begins.iter().zip(ends).collect();
        parts.sort_by_key(|((number, _), _)| *number);
        let parts = parts.into_iter().map(|((_, from), to)| &wire[*from..to]);
        parts.collect::<Vec<_>>().concat()
    }
}

/// Returns the remaining depth inside a message.
fn below(depth: u32) -> Result<u32, ProtoJsonError> {
    depth
        .checked_sub(1)
        .ok_or_else(|| ProtoJsonError::new(format!("messages are nested deeper than {MAX_DEPTH}")))
}
