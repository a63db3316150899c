//! From the wire format to JSON.

mod values;
mod well_known;

pub(crate) use well_known::{read_field_mask, type_name, unknown_type};

use self::values::{
    bytes, fixed32, fixed64, is_default, merged, special, unpacked, unzigzag, utf8, varint,
    wrong_type,
};
use crate::{
    MAX_DEPTH, ProtoJsonError,
    schema::{Field, FieldKind, FieldShape, MessageForm, MessageSchema, SchemaIndex},
    text::MAX_NESTING,
    wire::{self, WireItem},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use std::collections::HashMap;

pub(crate) fn message(
    schema: &SchemaIndex,
    message: &MessageSchema,
    wire: &[u8],
) -> Result<Vec<u8>, ProtoJsonError> {
    let mut writer = Writer {
        schema,
        out: Vec::with_capacity(wire.len() * 2 + 2),
        nesting: 0,
        in_any: false,
    };
    writer.message(message, wire, MAX_DEPTH)?;
    Ok(writer.out)
}

struct Writer<'s> {
    schema: &'s SchemaIndex,
    out: Vec<u8>,
    /// The number of objects and arrays that are open.
    nesting: u32,
    /// Whether this is the content of an `Any`, in which unknown fields are not dropped but
    /// refused.
    in_any: bool,
}

/// The values of a message in the order of their fields' numbers, and the field of each.
struct Values<'s, 'w> {
    fields: Vec<&'s Field>,
    items: Vec<WireItem<'w>>,
}

impl<'s, 'w> Values<'s, 'w> {
    /// Drops alternatives of oneofs that do not count, and sorts the others. Equal ones keep their
    /// order.
    fn arranged(self, chosen: &[Choice]) -> Self {
        let counts = |at: usize, field: &Field| {
            let mut chosen = chosen.iter();
            let choice = chosen.find(|choice| Some(choice.oneof) == field.oneof);
            choice.is_none_or(|choice| choice.number == field.number && choice.from <= at)
        };
        let values = self.fields.into_iter().zip(self.items).enumerate();
        let values = values.filter(|(at, (field, _))| counts(*at, field));
        let mut values: Vec<_> = values.map(|(_, value)| value).collect();
        values.sort_by_key(|(field, _)| field.number);
        let (fields, items) = values.into_iter().unzip();
        Self { fields, items }
    }

    /// Returns each field with its values.
    fn groups(&self) -> impl Iterator<Item = (&'s Field, &[WireItem<'w>])> {
        let mut items = &self.items[..];
        let groups = self.fields.chunk_by(|a, b| a.number == b.number);
        groups.map(move |group| {
            let (own, others) = items.split_at(group.len());
            items = others;
            (group[0], own)
        })
    }

    /// Returns the values of a field.
    fn of(&self, number: u32) -> &[WireItem<'w>] {
        let mut groups = self.groups();
        let found = groups.find(|(field, _)| field.number == number);
        found.map_or(&[], |(_, items)| items)
    }
}

/// The alternative of a oneof that was set last.
struct Choice {
    oneof: usize,
    number: u32,
    /// Where its values begin. Those before are of a time when another alternative was set later.
    from: usize,
}

impl<'s> Writer<'s> {
    /// Writes a message that may contain `depth` more levels.
    fn message(
        &mut self,
        message: &'s MessageSchema,
        wire: &[u8],
        depth: u32,
    ) -> Result<(), ProtoJsonError> {
        match message.form {
            MessageForm::Object => {
                self.open(b'{')?;
                self.members(message, wire, depth, true)?;
                self.close(b'}');
                Ok(())
            }
            form => self.well_known(form, message, wire, depth),
        }
    }

    /// Writes a message's fields as members of the open object.
    fn members(
        &mut self,
        message: &'s MessageSchema,
        wire: &[u8],
        depth: u32,
        mut first: bool,
    ) -> Result<(), ProtoJsonError> {
        for (field, items) in self.values(message, wire)?.groups() {
            let mark = self.out.len();
            if !first {
                self.out.push(b',');
            }
            self.out.extend_from_slice(field.member.as_bytes());
            let written = self.field(field, items, depth);
            if written.map_err(|error| error.field(&field.name))? {
                first = false;
            } else {
                self.out.truncate(mark);
            }
        }
        Ok(())
    }

    /// Returns the values of a message in the order of their fields' numbers. Of the alternatives of a
    /// oneof, the last one counts.
    fn values<'w>(
        &self,
        message: &'s MessageSchema,
        wire: &'w [u8],
    ) -> Result<Values<'s, 'w>, ProtoJsonError> {
        let most = message.fields.len().min(wire.len() / 2);
        let mut values = Values {
            fields: Vec::with_capacity(most),
            items: Vec::with_capacity(most),
        };
        let mut chosen: Vec<Choice> = Vec::new();
        for part in wire::items(wire) {
            let (number, item) = part?;
            let Some(field) = message.fields.get(&number) else {
                if self.in_any {
                    return Err(ProtoJsonError::new(format!(
                        "there is a field with the number {number}, which `{}` does not have and JSON cannot \
                         represent",
                        message.name
                    )));
                }
                continue;
            };
            if let Some(oneof) = field.oneof {
                let choice = Choice {
                    oneof,
                    number,
                    from: values.items.len(),
                };
                match chosen.iter_mut().find(|earlier| earlier.oneof == oneof) {
                    Some(earlier) if earlier.number == number => {}
                    Some(earlier) => *earlier = choice,
                    None => chosen.push(choice),
                }
            }
            values.fields.push(field);
            values.items.push(item);
        }
        let is_sorted = values.fields.is_sorted_by_key(|field| field.number);
        if chosen.is_empty() && is_sorted {
            return Ok(values);
        }
        Ok(values.arranged(&chosen))
    }

    /// Writes a field's value. Returns whether there is one to write.
    fn field(
        &mut self,
        field: &Field,
        items: &[WireItem<'_>],
        depth: u32,
    ) -> Result<bool, ProtoJsonError> {
        match field.shape {
            FieldShape::Single { presence } => {
                if !presence && items.last().is_none_or(is_default) {
                    return Ok(false);
                }
                self.single(field.kind, items, depth)?;
            }
            FieldShape::List { .. } => {
                let items = unpacked(field.kind, items)?;
                if items.is_empty() {
                    return Ok(false);
                }
                self.list(field.kind, &items, depth)?;
            }
            FieldShape::Map { key } => self.map(key, field.kind, items, depth)?,
        }
        Ok(true)
    }

    fn list(
        &mut self,
        kind: FieldKind,
        items: &[WireItem<'_>],
        depth: u32,
    ) -> Result<(), ProtoJsonError> {
        self.open(b'[')?;
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            self.member(kind, std::slice::from_ref(item), depth)
                .map_err(|error| error.element(at))?;
        }
        self.close(b']');
        Ok(())
    }

    fn map(
        &mut self,
        key_kind: FieldKind,
        kind: FieldKind,
        items: &[WireItem<'_>],
        depth: u32,
    ) -> Result<(), ProtoJsonError> {
        let depth = below(depth)?;
        // Of entries with the same key, the last one counts.
        let mut entries: Vec<(String, Vec<WireItem<'_>>)> = Vec::with_capacity(items.len());
        let mut places = HashMap::new();
        for item in items {
            let WireItem::Bytes(entry) = item else {
                return Err(wrong_type());
            };
            let (mut keys, mut values) = (Vec::new(), Vec::new());
            for part in wire::items(entry) {
                match part? {
                    (1, key) => keys.push(key),
                    (2, value) => values.push(value),
                    _ => {}
                }
            }
            let key = self.key(key_kind, &keys)?;
            let place = *places.entry(key.clone()).or_insert(entries.len());
            if place == entries.len() {
                entries.push((key, values));
            } else {
                entries[place].1 = values;
            }
        }
        self.open(b'{')?;
        for (at, (key, values)) in entries.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            self.json(key)?;
            self.out.push(b':');
            self.member(kind, values, depth)
                .map_err(|error| error.element(format_args!("{key:?}")))?;
        }
        self.close(b'}');
        Ok(())
    }

    /// Returns the text of a map's key; a missing key means the default.
    fn key(&mut self, kind: FieldKind, items: &[WireItem<'_>]) -> Result<String, ProtoJsonError> {
        if kind == FieldKind::String {
            return Ok(utf8(bytes(items)?)?.to_owned());
        }
        // Numbers and booleans have the same texts as keys and as values.
        let mark = self.out.len();
        self.single(kind, items, 0)?;
        let written = self.out.split_off(mark);
        let text = String::from_utf8_lossy(&written);
        Ok(text.trim_matches('"').to_owned())
    }

    /// Writes a value in a list or a map. Google's library for Python refuses the `null` that it
    /// writes there for `google.protobuf.NullValue`, but all libraries read the name of the value.
    fn member(
        &mut self,
        kind: FieldKind,
        items: &[WireItem<'_>],
        depth: u32,
    ) -> Result<(), ProtoJsonError> {
        let mark = self.out.len();
        self.single(kind, items, depth)?;
        if let FieldKind::Enum(index) = kind
            && self.schema.enums[index].null
        {
            self.out.truncate(mark);
            self.json("NULL_VALUE")?;
        }
        Ok(())
    }

    /// Writes one value. Of several values the last one counts, and messages are merged; without a
    /// value, the default is written.
    fn single(
        &mut self,
        kind: FieldKind,
        items: &[WireItem<'_>],
        depth: u32,
    ) -> Result<(), ProtoJsonError> {
        if let FieldKind::Message(index) | FieldKind::Group(index) = kind {
            let depth = below(depth)?;
            let schema = self.schema;
            return self.message(&schema.messages[index], &merged(items)?, depth);
        }
        match kind {
            FieldKind::Double => self.double(f64::from_bits(fixed64(items)?)),
            FieldKind::Float => self.float(f32::from_bits(fixed32(items)?)),
            FieldKind::Int32 => self.json(&(varint(items)? as i32)),
            FieldKind::Uint32 => self.json(&(varint(items)? as u32)),
            FieldKind::Sint32 => {
                let value = u64::from(varint(items)? as u32);
                self.json(&(unzigzag(value) as i32))
            }
            FieldKind::Fixed32 => self.json(&fixed32(items)?),
            FieldKind::Sfixed32 => self.json(&(fixed32(items)? as i32)),
            // 64-bit integers are strings, because JavaScript would round them.
            FieldKind::Int64 => self.quoted(&(varint(items)? as i64)),
            FieldKind::Uint64 => self.quoted(&varint(items)?),
            FieldKind::Sint64 => self.quoted(&unzigzag(varint(items)?)),
            FieldKind::Fixed64 => self.quoted(&fixed64(items)?),
            FieldKind::Sfixed64 => self.quoted(&(fixed64(items)? as i64)),
            FieldKind::Bool => self.json(&(varint(items)? != 0)),
            FieldKind::String => self.json(utf8(bytes(items)?)?),
            FieldKind::Bytes => self.json(&BASE64_STANDARD.encode(bytes(items)?)),
            FieldKind::Enum(index) => self.enumeration(index, varint(items)? as i32),
            FieldKind::Message(_) | FieldKind::Group(_) => Err(wrong_type()),
        }
    }

    fn enumeration(&mut self, index: usize, number: i32) -> Result<(), ProtoJsonError> {
        let schema = self.schema;
        let of = &schema.enums[index];
        if of.null {
            if number != 0 {
                return Err(ProtoJsonError::new(format!(
                    "{number} is not a `google.protobuf.NullValue`, whose only value is 0"
                )));
            }
            return self.json(&());
        }
        match of.name_of(number) {
            Some(name) => self.json(name),
            None if of.closed => Err(ProtoJsonError::new(format!(
                "{number} is not a value of `{}`, and proto2 allows no other values",
                of.name
            ))),
            None => self.json(&number),
        }
    }

    fn double(&mut self, value: f64) -> Result<(), ProtoJsonError> {
        match special(value) {
            Some(name) => self.json(name),
            None => self.json(&value),
        }
    }

    fn float(&mut self, value: f32) -> Result<(), ProtoJsonError> {
        // The shortest notation of this number is slightly larger, and Python's library refuses it.
        if value.is_finite() && value.abs() < f32::MAX {
            self.json(&value)
        } else {
            self.double(value.into())
        }
    }

    /// Writes a value in the form in which serde_json writes it.
    fn json(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), ProtoJsonError> {
        serde_json::to_writer(&mut self.out, value)
            .map_err(|error| ProtoJsonError::new(error.to_string()))
    }

    fn quoted(&mut self, number: &impl Serialize) -> Result<(), ProtoJsonError> {
        self.out.push(b'"');
        self.json(number)?;
        self.out.push(b'"');
        Ok(())
    }

    fn open(&mut self, bracket: u8) -> Result<(), ProtoJsonError> {
        if self.nesting == MAX_NESTING {
            return Err(ProtoJsonError::new(format!(
                "objects and lists are nested deeper than {MAX_NESTING}, which JSON readers refuse"
            )));
        }
        self.nesting += 1;
        self.out.push(bracket);
        Ok(())
    }

    fn close(&mut self, bracket: u8) {
        self.nesting -= 1;
        self.out.push(bracket);
    }
}

/// Returns the remaining depth inside a message.
fn below(depth: u32) -> Result<u32, ProtoJsonError> {
    depth.checked_sub(1).ok_or_else(|| {
        ProtoJsonError::new(format!(
            "messages are nested deeper than {MAX_DEPTH}, which readers refuse"
        ))
    })
}
