//! How a value of one protobuf type is read as another type.

use super::google::{Special, special};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value};

/// The result of reading a value that was written as another type.
#[derive(Debug, PartialEq)]
pub(super) enum ReadAs {
    /// The same value.
    Same,
    /// The same value with a remark.
    Remark(String),
    /// A different value, for some values.
    Changed(String),
    /// A value with another meaning, or an error.
    Broken(String),
    /// It depends on the fields of messages.
    Messages(MessageDescriptor, MessageDescriptor),
    /// It depends on the values of enums.
    Enums(EnumDescriptor, EnumDescriptor),
}

/// The protobuf encoding of a type. Types with different encodings cannot be read as each other.
/// Types with the same encoding can, unless a value is out of the reader's range.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Varint,
    ZigZag,
    Fixed32,
    Fixed64,
    Float,
    Double,
    Bytes,
    Group,
}

fn encoding(field: &FieldDescriptor) -> Encoding {
    match field.kind() {
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Bool | Kind::Enum(_) => {
            Encoding::Varint
        }
        Kind::Sint32 | Kind::Sint64 => Encoding::ZigZag,
        Kind::Fixed32 | Kind::Sfixed32 => Encoding::Fixed32,
        Kind::Fixed64 | Kind::Sfixed64 => Encoding::Fixed64,
        Kind::Float => Encoding::Float,
        Kind::Double => Encoding::Double,
        Kind::Message(_) if field.is_group() => Encoding::Group,
        Kind::String | Kind::Bytes | Kind::Message(_) => Encoding::Bytes,
    }
}

/// Returns how a value of one field is read as the other field's type on the protobuf wire.
pub(super) fn on_the_wire(writer: &FieldDescriptor, reader: &FieldDescriptor) -> ReadAs {
    let (from, to) = (writer.kind(), reader.kind());
    let names = || format!("`{}` is read as `{}`", type_name(&from), type_name(&to));
    if encoding(writer) != encoding(reader) {
        return ReadAs::Broken("the two are encoded in different ways".to_owned());
    }
    match (&from, &to) {
        (Kind::Message(writer), Kind::Message(reader)) if are_other_things(writer, reader) => {
            ReadAs::Broken(format!("{}, which has another meaning", names()))
        }
        (Kind::Message(writer), Kind::Message(reader)) => {
            ReadAs::Messages(writer.clone(), reader.clone())
        }
        (Kind::Enum(writer), Kind::Enum(reader)) => ReadAs::Enums(writer.clone(), reader.clone()),
        (Kind::Bytes, Kind::String) => ReadAs::Broken(format!(
            "{}, which refuses all bytes that are not UTF-8",
            names()
        )),
        (Kind::Bytes, Kind::Message(_)) | (Kind::String, Kind::Message(_)) => {
            ReadAs::Broken(format!("{}, which refuses most values", names()))
        }
        (Kind::Message(_), Kind::String) => ReadAs::Broken(format!("{}, but is not text", names())),
        (Kind::Message(_), Kind::Bytes) => {
            ReadAs::Remark(format!("{}: as the encoded message", names()))
        }
        (_, Kind::Enum(values)) if !are_named(&from, values) => ReadAs::Changed(format!(
            "{}, and readers see its default for numbers without a name",
            names()
        )),
        _ => in_range(&from, &to),
    }
}

/// Returns whether an enum has names for all numbers of a type.
pub(super) fn are_named(from: &Kind, of: &EnumDescriptor) -> bool {
    let Some((min, max)) = range(from) else {
        return true;
    };
    // An enum never has names for all numbers of a large type.
    max - min <= 1 && (min..=max).all(|n| i32::try_from(n).is_ok_and(|n| of.get_value(n).is_some()))
}

/// Returns whether two messages of `google.protobuf` mean different things although they may have
/// the same fields, such as a duration and a timestamp. Wrappers mean the value that they contain.
fn are_other_things(writer: &MessageDescriptor, reader: &MessageDescriptor) -> bool {
    match (special(writer), special(reader)) {
        (Special::No, _) | (_, Special::No) | (Special::Wrapper, Special::Wrapper) => false,
        _ => writer.full_name() != reader.full_name(),
    }
}

/// Returns whether all numbers of one type are numbers of another.
fn in_range(from: &Kind, to: &Kind) -> ReadAs {
    let written = match from {
        // Any number may be read, but only numbers with a name are written.
        Kind::Enum(values) => {
            let numbers = || values.values().map(|value| i128::from(value.number()));
            numbers().min().zip(numbers().max())
        }
        other => range(other),
    };
    let (Some(written), Some(read)) = (written, range(to)) else {
        return ReadAs::Same;
    };
    if read.0 <= written.0 && written.1 <= read.1 {
        ReadAs::Same
    } else {
        ReadAs::Changed(format!(
            "`{}` is read as `{}`, which changes values outside {} to {}",
            type_name(from),
            type_name(to),
            read.0.max(written.0),
            read.1.min(written.1),
        ))
    }
}

/// Returns the range of numbers of a type; enums are `int32` in prost.
pub(super) fn range(kind: &Kind) -> Option<(i128, i128)> {
    let signed = |bits: u32| Some((-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1));
    let unsigned = |bits: u32| Some((0, (1_i128 << bits) - 1));
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 | Kind::Enum(_) => signed(32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => signed(64),
        Kind::Uint32 | Kind::Fixed32 => unsigned(32),
        Kind::Uint64 | Kind::Fixed64 => unsigned(64),
        Kind::Bool => Some((0, 1)),
        Kind::Double | Kind::Float | Kind::String | Kind::Bytes | Kind::Message(_) => None,
    }
}

/// Returns the type's name as in a `.proto` file.
pub(crate) fn type_name(kind: &Kind) -> String {
    match kind {
        Kind::Double => "double",
        Kind::Float => "float",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        Kind::Sint32 => "sint32",
        Kind::Sint64 => "sint64",
        Kind::Fixed32 => "fixed32",
        Kind::Fixed64 => "fixed64",
        Kind::Sfixed32 => "sfixed32",
        Kind::Sfixed64 => "sfixed64",
        Kind::Bool => "bool",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Message(message) => message.full_name(),
        Kind::Enum(values) => values.full_name(),
    }
    .to_owned()
}

/// Returns a field's type as in a `.proto` file, with `repeated` or as a map.
pub(super) fn field_type(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => format!(
            "map<{}, {}>",
            type_name(&entry.map_entry_key_field().kind()),
            type_name(&entry.map_entry_value_field().kind())
        ),
        kind if field.is_list() => format!("repeated {}", type_name(&kind)),
        kind => type_name(&kind),
    }
}

/// Returns the meaning of an unset field, in a form in which defaults of different types compare.
/// Messages have none.
pub(super) fn default(field: &FieldDescriptor) -> Option<String> {
    if let Kind::Enum(of) = field.kind() {
        return Some(enum_default(field, &of).to_string());
    }
    Some(match field.default_value() {
        Value::Bool(value) => i32::from(value).to_string(),
        Value::I32(value) | Value::EnumNumber(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::String(value) => format!("\"{}\"", value.as_bytes().escape_ascii()),
        Value::Bytes(value) => format!("\"{}\"", value.escape_ascii()),
        Value::Message(_) | Value::List(_) | Value::Map(_) => return None,
    })
}

/// Returns the values of an enum, by name and number, in the order of declaration. The library
/// sorts by number.
pub(crate) fn declared(of: &EnumDescriptor) -> Vec<(&str, i32)> {
    let values = of.enum_descriptor_proto().value.iter();
    values.map(|value| (value.name(), value.number())).collect()
}

/// Returns the names of a number, in the order of declaration.
pub(super) fn names_of(of: &EnumDescriptor, number: i32) -> Vec<&str> {
    let values = declared(of).into_iter();
    values
        .filter_map(|(name, value)| (value == number).then_some(name))
        .collect()
}

/// Returns the meaning of an unset enum field: its default, or the value that is declared first.
pub(super) fn enum_default(field: &FieldDescriptor, of: &EnumDescriptor) -> i32 {
    let stated = field.field_descriptor_proto().default_value.as_deref();
    let values = declared(of);
    let mut named = values.iter().filter(|(name, _)| Some(*name) == stated);
    named
        .next()
        .or(values.first())
        .map_or(0, |(_, number)| *number)
}

/// The differences between two enums, from the writer's side.
#[derive(Default)]
pub(super) struct EnumDifferences {
    /// Values of the writer that the reader does not know.
    pub(super) unknown: Vec<String>,
    /// Numbers that have another name, as `A is B`.
    pub(super) renamed: Vec<String>,
    /// Numbers that mean another known value, as `A is read as B`.
    pub(super) reused: Vec<String>,
}

/// Compares enums by number, as in the protobuf wire format.
pub(super) fn enums(writer: &EnumDescriptor, reader: &EnumDescriptor) -> EnumDifferences {
    let mut found = EnumDifferences::default();
    let mut numbers: Vec<i32> = writer.values().map(|value| value.number()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let known = |of: &EnumDescriptor, names: &[&str]| {
        let mut names = names.iter();
        names.any(|name| of.get_value_by_name(name).is_some())
    };
    for number in numbers {
        let written = names_of(writer, number);
        let read = names_of(reader, number);
        let shown = written.join("/");
        if read.is_empty() {
            if known(reader, &written) {
                found
                    .reused
                    .push(format!("{shown} = {number} as an unknown value"));
            } else {
                found.unknown.push(format!("{shown} = {number}"));
            }
        } else if !written.iter().any(|name| read.contains(name)) {
            if known(reader, &written) || known(writer, &read) {
                found
                    .reused
                    .push(format!("{shown} = {number} as {}", read.join("/")));
            } else {
                found
                    .renamed
                    .push(format!("{shown} = {number} as {}", read.join("/")));
            }
        }
    }
    found
}

/// Returns whether the field can hold many values.
pub(super) fn is_many(field: &FieldDescriptor) -> bool {
    field.is_list() || field.is_map()
}

/// Returns whether the field is a list that is written as one blob.
///
/// This reads the field's options, since `FieldDescriptor::is_packed` ignores them if the pool was
/// built from parsed files.
pub(crate) fn is_packed(field: &FieldDescriptor) -> bool {
    let options = field.field_descriptor_proto().options.as_ref();
    let by_default = field.parent_file().syntax() == prost_reflect::Syntax::Proto3;
    field.is_list()
        && is_packable(&field.kind())
        && options
            .and_then(|options| options.packed)
            .unwrap_or(by_default)
}

/// Returns whether lists of the type can be written as one blob.
pub(crate) fn is_packable(kind: &Kind) -> bool {
    !matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_))
}
