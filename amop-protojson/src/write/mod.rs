//! From the wire format to JSON.

mod values;
mod well_known;

pub(crate) use well_known::{read_field_mask, type_name, unknown_type};

use self::values::{
    bytes, is_default, map_key, merged, special, unpacked, unzigzag, utf8, written, wrong_type,
};
use crate::{
    MAX_DEPTH, ProtoJsonError,
    schema::{Field, FieldKind, FieldShape, MessageForm, MessageSchema, SchemaIndex},
    text::MAX_NESTING,
    wire::{self, WireItem},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};

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

/// The values of a message's fields, each with the index of its field. The values of one field are
/// together.
type Values<'w> = Vec<(usize, WireItem<'w>)>;

impl Writer<'_> {
    /// Writes a message that may contain `depth` more levels.
    fn message(
        &mut self,
        message: &MessageSchema,
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
        message: &MessageSchema,
        wire: &[u8],
        depth: u32,
        mut first: bool,
    ) -> Result<(), ProtoJsonError> {
        let values = self.values(message, wire)?;
        for values in values.chunk_by(|(a, _), (b, _)| a == b) {
            let field = &message.fields[values[0].0];
            let mark = self.out.len();
            if !first {
                self.out.push(b',');
            }
            self.out.extend_from_slice(&field.key);
            let written = match values {
                [(_, one)] => self.field(field, std::slice::from_ref(one), depth),
                many => {
                    let items: Vec<_> = many.iter().map(|(_, item)| item.clone()).collect();
                    self.field(field, &items, depth)
                }
            };
            if written.map_err(|error| error.field(&field.name))? {
                first = false;
            } else {
                self.out.truncate(mark);
            }
        }
        Ok(())
    }

    /// Groups the values of a message by field. Of the alternatives of a oneof, the last one
    /// counts.
    fn values<'w>(
        &self,
        message: &MessageSchema,
        wire: &'w [u8],
    ) -> Result<Values<'w>, ProtoJsonError> {
        let mut found: Values<'w> = Vec::with_capacity(message.fields.len());
        let mut chosen: Vec<(usize, usize)> = Vec::new();
        let mut in_order = true;
        for part in wire::each(wire) {
            let (number, item) = part?;
            let Some(index) = message.by_number(number) else {
                if self.in_any {
                    return Err(ProtoJsonError::new(format!(
                        "there is a field with the number {number}, which `{}` does not have and JSON cannot \
                         represent",
                        message.name
                    )));
                }
                continue;
            };
            if let Some(oneof) = message.fields[index].oneof {
                chosen.retain(|(known, _)| *known != oneof);
                chosen.push((oneof, index));
            }
            in_order &= found.last().is_none_or(|(last, _)| *last <= index);
            found.push((index, item));
        }
        if !chosen.is_empty() {
            found.retain(|(index, _)| {
                let oneof = message.fields[*index].oneof;
                oneof.is_none_or(|oneof| chosen.contains(&(oneof, *index)))
            });
        }
        if !in_order {
            // A stable sort: the values of a field stay in their order.
            found.sort_by_key(|(index, _)| *index);
        }
        Ok(found)
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
        let mut places = std::collections::HashMap::new();
        for item in items {
            let WireItem::Bytes(entry) = item else {
                return Err(wrong_type());
            };
            let (mut key, mut values) = (None, Vec::new());
            for (number, part) in wire::items(entry)? {
                match number {
                    1 => key = Some(part),
                    2 => values.push(part),
                    _ => {}
                }
            }
            let key = map_key(key_kind, key)?;
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
            self.string(key)?;
            self.out.push(b':');
            self.member(kind, values, depth)
                .map_err(|error| error.element(format_args!("{key:?}")))?;
        }
        self.close(b'}');
        Ok(())
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
            self.string("NULL_VALUE")?;
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
        let varint = || match items.last() {
            None => Ok(0),
            Some(WireItem::Varint(value)) => Ok(*value),
            Some(_) => Err(wrong_type()),
        };
        let fixed64 = || match items.last() {
            None => Ok(0),
            Some(WireItem::Fixed64(value)) => Ok(*value),
            Some(_) => Err(wrong_type()),
        };
        let fixed32 = || match items.last() {
            None => Ok(0),
            Some(WireItem::Fixed32(value)) => Ok(*value),
            Some(_) => Err(wrong_type()),
        };
        match kind {
            FieldKind::Double => self.double(f64::from_bits(fixed64()?)),
            FieldKind::Float => self.float(f32::from_bits(fixed32()?)),
            FieldKind::Int32 => self.signed((varint()? as i32).into()),
            FieldKind::Uint32 => self.unsigned((varint()? as u32).into()),
            FieldKind::Sint32 => self.signed((unzigzag(u64::from(varint()? as u32)) as i32).into()),
            FieldKind::Fixed32 => self.unsigned(fixed32()?.into()),
            FieldKind::Sfixed32 => self.signed((fixed32()? as i32).into()),
            // 64-bit integers are strings, because JavaScript would round them.
            FieldKind::Int64 => {
                let value = varint()? as i64;
                self.quoted(|this| this.signed(value))
            }
            FieldKind::Uint64 => {
                let value = varint()?;
                self.quoted(|this| this.unsigned(value))
            }
            FieldKind::Sint64 => {
                let value = unzigzag(varint()?);
                self.quoted(|this| this.signed(value))
            }
            FieldKind::Fixed64 => {
                let value = fixed64()?;
                self.quoted(|this| this.unsigned(value))
            }
            FieldKind::Sfixed64 => {
                let value = fixed64()? as i64;
                self.quoted(|this| this.signed(value))
            }
            FieldKind::Bool => self.word(if varint()? == 0 { "false" } else { "true" }),
            FieldKind::String => self.string(utf8(bytes(items)?)?),
            FieldKind::Bytes => {
                let bytes = bytes(items)?;
                let text = BASE64_STANDARD.encode(bytes);
                self.quoted(|this| this.word(&text))
            }
            FieldKind::Enum(index) => self.enumeration(index, varint()? as i32),
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
            return self.word("null");
        }
        match of.name_of(number) {
            Some(name) => self.string(name),
            None if of.closed => Err(ProtoJsonError::new(format!(
                "{number} is not a value of `{}`, and proto2 allows no other values",
                of.name
            ))),
            None => self.signed(number.into()),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), ProtoJsonError> {
        self.out.extend_from_slice(word.as_bytes());
        Ok(())
    }

    fn signed(&mut self, value: i64) -> Result<(), ProtoJsonError> {
        if value < 0 {
            self.out.push(b'-');
        }
        self.unsigned(value.unsigned_abs())
    }

    fn unsigned(&mut self, mut value: u64) -> Result<(), ProtoJsonError> {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[at..]);
        Ok(())
    }

    fn quoted(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), ProtoJsonError>,
    ) -> Result<(), ProtoJsonError> {
        self.out.push(b'"');
        write(self)?;
        self.out.push(b'"');
        Ok(())
    }

    fn double(&mut self, value: f64) -> Result<(), ProtoJsonError> {
        match special(value) {
            Some(name) => self.string(name),
            None => written(serde_json::to_writer(&mut self.out, &value)),
        }
    }

    fn float(&mut self, value: f32) -> Result<(), ProtoJsonError> {
        match special(f64::from(value)) {
            Some(name) => self.string(name),
            // The shortest notation of this number is slightly larger, and Python's library refuses
            // it.
            None if value.abs() == f32::MAX => self.double(value.into()),
            None => written(serde_json::to_writer(&mut self.out, &value)),
        }
    }

    fn string(&mut self, value: &str) -> Result<(), ProtoJsonError> {
        let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
        if value.bytes().all(plain) {
            return self.quoted(|this| this.word(value));
        }
        written(serde_json::to_writer(&mut self.out, value))
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
