//! Checks whether a message means the same for its reader as for its writer.

use amop_protojson::Mapping;
use prost_reflect::{
    Cardinality, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _,
    Value, prost::Message,
};

/// The format of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Protobuf,
    Json,
    /// JSON whose readers refuse unknown fields.
    StrictJson,
}

/// The result of sending a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Same,
    Differs,
    Refused,
}

/// Sends a message to a reader that has another type for it, with the codec that generated code
/// uses.
pub fn send(
    message: &DynamicMessage,
    reader: &MessageDescriptor,
    wire: Wire,
    (from, to): (&Mapping, &Mapping),
) -> Outcome {
    let read = match wire {
        Wire::Protobuf => Some(message.encode_to_vec()),
        Wire::Json | Wire::StrictJson => {
            let name = message.descriptor().full_name().to_owned();
            let json = from
                .to_json(&name, &message.encode_to_vec())
                .unwrap_or_else(|error| panic!("{message:?} is not written: {error}"));
            let value = serde_json::from_slice(&json).unwrap();
            let refused = wire == Wire::StrictJson && knows_not_all(&value, reader);
            let read = to.to_wire(reader.full_name(), &json).ok();
            read.filter(|_| !refused)
        }
    };
    let read = read.and_then(|wire| DynamicMessage::decode(reader.clone(), wire.as_slice()).ok());
    match read {
        Some(read) if is_complete(&read) => {
            if means_the_same(message, &read, wire) {
                Outcome::Same
            } else {
                Outcome::Differs
            }
        }
        _ => Outcome::Refused,
    }
}

/// Returns whether there are members that the reader does not know.
fn knows_not_all(json: &serde_json::Value, reader: &MessageDescriptor) -> bool {
    let Some(members) = json.as_object() else {
        return false;
    };
    members.iter().any(|(name, value)| {
        let by_name = || reader.get_field_by_name(name);
        let Some(field) = reader.get_field_by_json_name(name).or_else(by_name) else {
            return true;
        };
        let kind = match field.kind() {
            Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
            kind => kind,
        };
        let Kind::Message(desc) = kind else {
            return false;
        };
        match value {
            serde_json::Value::Array(items) => items.iter().any(|item| knows_not_all(item, &desc)),
            serde_json::Value::Object(values) if field.is_map() => {
                values.values().any(|item| knows_not_all(item, &desc))
            }
            one => knows_not_all(one, &desc),
        }
    })
}

fn nested(message: &DynamicMessage) -> Vec<DynamicMessage> {
    let mut found = Vec::new();
    for (_, value) in message.fields() {
        let values: Vec<&Value> = match value {
            Value::List(values) => values.iter().collect(),
            Value::Map(values) => values.values().collect(),
            one => vec![one],
        };
        found.extend(values.into_iter().filter_map(Value::as_message).cloned());
    }
    found
}

/// Returns whether all required fields are set. Most implementations require this.
fn is_complete(message: &DynamicMessage) -> bool {
    message
        .descriptor_fields()
        .iter()
        .all(|field| field.cardinality() != Cardinality::Required || message.has_field(field))
        && nested(message).iter().all(is_complete)
}

trait Fields {
    fn descriptor_fields(&self) -> Vec<FieldDescriptor>;
}

impl Fields for DynamicMessage {
    fn descriptor_fields(&self) -> Vec<FieldDescriptor> {
        self.descriptor().fields().collect()
    }
}

/// Returns the writer's field that means the same as the reader's.
fn counterpart(
    field: &FieldDescriptor,
    writer: &[FieldDescriptor],
    reader: &[FieldDescriptor],
    wire: Wire,
) -> Option<FieldDescriptor> {
    let name = |a: &FieldDescriptor, b: &FieldDescriptor| match wire {
        Wire::Protobuf => a.name() == b.name(),
        // A reader may take a name for another field if it is that field's JSON name.
        _ => {
            a.json_name() == b.json_name()
                || a.name() == b.json_name()
                    && reader.iter().all(|of| of.json_name() != b.json_name())
        }
    };
    let by_name = writer.iter().find(|other| name(field, other));
    let by_number = || {
        writer.iter().find(|other| {
            other.number() == field.number() && !reader.iter().any(|field| name(field, other))
        })
    };
    by_name.or_else(by_number).cloned()
}

fn means_the_same(written: &DynamicMessage, read: &DynamicMessage, wire: Wire) -> bool {
    let (writer, reader) = (written.descriptor_fields(), read.descriptor_fields());
    reader
        .iter()
        .all(|field| match counterpart(field, &writer, &reader, wire) {
            Some(other) => same_field(written, &other, read, field, wire),
            // Nothing was written for this field.
            None => !read.has_field(field),
        })
}

fn is_many(field: &FieldDescriptor) -> bool {
    field.is_list() || field.is_map()
}

/// Returns the values of a field; for a map, its entries as messages.
fn values(message: &DynamicMessage, field: &FieldDescriptor) -> Vec<Value> {
    match message.get_field(field).as_ref() {
        Value::List(values) => values.clone(),
        Value::Map(entries) => {
            let Kind::Message(desc) = field.kind() else {
                unreachable!()
            };
            let entries = entries.iter().map(|(key, value)| {
                let mut entry = DynamicMessage::new(desc.clone());
                entry.set_field_by_number(1, key.clone().into());
                entry.set_field_by_number(2, value.clone());
                Value::Message(entry)
            });
            entries.collect()
        }
        one if message.has_field(field) => vec![one.clone()],
        _ => Vec::new(),
    }
}

/// Sorts the entries of maps.
fn sort(values: &mut [Value]) {
    values.sort_by_key(|entry| match entry {
        Value::Message(entry) => entry
            .get_field_by_number(1)
            .filter(|key| !matches!(key.as_ref(), Value::Message(_) | Value::List(_)))
            .map(|key| scalar(&key)),
        _ => None,
    });
}

fn same_field(
    written: &DynamicMessage,
    from: &FieldDescriptor,
    read: &DynamicMessage,
    to: &FieldDescriptor,
    wire: Wire,
) -> bool {
    if is_many(from) || is_many(to) {
        let (mut were, mut are) = (values(written, from), values(read, to));
        if let (Kind::Message(desc), Kind::Bytes) = (from.kind(), to.kind()) {
            for value in &mut are {
                let bytes = value.as_bytes().unwrap().clone();
                *value = Value::Message(DynamicMessage::decode(desc.clone(), bytes).unwrap());
            }
        }
        if from.is_map() || to.is_map() {
            sort(&mut were);
            sort(&mut are);
        }
        if !is_many(to) && were.len() == 1 && are.is_empty() {
            // A default may be omitted.
            are.push(value(read, to));
        }
        if !is_many(from) && were.is_empty() && are.len() == 1 {
            were.push(value(written, from));
        }
        return were.len() == are.len()
            && were
                .iter()
                .zip(&are)
                .all(|(was, is)| same(was, &from.kind(), is, &to.kind(), wire));
    }
    let messages = |field: &FieldDescriptor| matches!(field.kind(), Kind::Message(_));
    let (was, is) = (value(written, from), value(read, to));
    if !written.has_field(from) && !read.has_field(to) {
        // A zero that is not written means the value with this number.
        let names_count = wire != Wire::Protobuf || !from.supports_presence();
        if let (Value::EnumNumber(_), Value::EnumNumber(_), true) = (&was, &is, names_count) {
            return same(&was, &from.kind(), &is, &to.kind(), wire);
        }
        let number = |value: &Value| match value {
            Value::EnumNumber(number) => scalar(&Value::I32(*number)),
            other => scalar(other),
        };
        return messages(from) || messages(to) || number(&was) == number(&is);
    }
    if messages(from) && messages(to) && written.has_field(from) != read.has_field(to) {
        return false;
    }
    same(&was, &from.kind(), &is, &to.kind(), wire)
}

/// Returns a field's value. The library's default of an enum is not the value that is declared
/// first.
fn value(message: &DynamicMessage, field: &FieldDescriptor) -> Value {
    match field.kind() {
        Kind::Enum(of) if !message.has_field(field) && !is_many(field) => {
            let values = &of.enum_descriptor_proto().value;
            let stated = field.field_descriptor_proto().default_value.clone();
            let default = values.iter().find(|value| value.name == stated);
            let first = default.or(values.first()).unwrap();
            Value::EnumNumber(if field.supports_presence() {
                first.number()
            } else {
                0
            })
        }
        _ => message.get_field(field).into_owned(),
    }
}

/// A scalar in a form that can be compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scalar {
    Number(String),
    Bytes(Vec<u8>),
}

fn scalar(value: &Value) -> Scalar {
    Scalar::Number(match value {
        Value::Bool(value) => i32::from(*value).to_string(),
        Value::I32(value) | Value::EnumNumber(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::String(value) => return Scalar::Bytes(value.as_bytes().to_vec()),
        Value::Bytes(value) => return Scalar::Bytes(value.to_vec()),
        other => panic!("no scalar: {other:?}"),
    })
}

fn same(was: &Value, from: &Kind, is: &Value, to: &Kind, wire: Wire) -> bool {
    match (was, is) {
        (Value::Message(was), Value::Message(is)) => means_the_same(was, is, wire),
        (Value::Message(was), Value::Bytes(is)) => was.encode_to_vec() == is.as_ref(),
        (Value::Message(_), _) | (_, Value::Message(_)) => false,
        (Value::EnumNumber(was), Value::EnumNumber(is)) => {
            let (Kind::Enum(from), Kind::Enum(to)) = (from, to) else {
                unreachable!()
            };
            let names = |of: &prost_reflect::EnumDescriptor, number: i32| -> Vec<String> {
                let values = of.values().filter(|value| value.number() == number);
                values.map(|value| value.name().to_owned()).collect()
            };
            let (were, are) = (names(from, *was), names(to, *is));
            if were.iter().any(|name| are.contains(name)) {
                return true;
            }
            // A value may have another name, unless this is the name of another value.
            let elsewhere = were.iter().any(|name| to.get_value_by_name(name).is_some())
                || are
                    .iter()
                    .any(|name| from.get_value_by_name(name).is_some());
            wire == Wire::Protobuf && was == is && !are.is_empty() && !elsewhere
        }
        // A number without a name is not a value of an enum.
        (number, Value::EnumNumber(is)) => {
            let Kind::Enum(values) = to else {
                unreachable!()
            };
            values.get_value(*is).is_some() && scalar(number) == scalar(&Value::I32(*is))
        }
        (Value::EnumNumber(number), Value::String(text)) if wire != Wire::Protobuf => {
            let Kind::Enum(values) = from else {
                unreachable!()
            };
            let mut values = values.values().filter(|value| value.number() == *number);
            values.any(|value| value.name() == text)
        }
        (number, Value::String(text)) if wire != Wire::Protobuf && !is_text(number) => {
            scalar(number) == Scalar::Number(text.clone())
        }
        // Base64 is not text.
        (Value::Bytes(_), Value::String(_)) | (Value::String(_), Value::Bytes(_)) => {
            wire == Wire::Protobuf && scalar(was) == scalar(is)
        }
        _ => scalar(was) == scalar(is),
    }
}

fn is_text(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Bytes(_))
}
