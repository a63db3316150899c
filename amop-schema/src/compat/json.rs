//! The rules of the proto3 JSON mapping: names must match, and values must have the right form.

use super::{
    Rule, Severity, UnknownFields, types,
    types::{ReadAs, type_name},
    walk::{MessagePair, SchemaWalk},
};
use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use std::collections::HashSet;

/// Compares the fields of two messages.
pub(super) fn compare(walk: &mut SchemaWalk<'_>, pair: &MessagePair) {
    let MessagePair {
        writer,
        reader,
        path,
    } = pair;
    for written in writer.fields() {
        let path = format!("{path}.{}", written.name());
        match find(&written, reader) {
            Some(read) => {
                walk.misses_required(&path, Some(&written), &read);
                field(walk, &path, &written, &read);
                if let Some(other) = also_read_as(&written, &read, pair) {
                    one_for_two(walk, &path, [&written, &other], &read);
                }
            }
            None => match renamed(&written, pair) {
                Some(read) => rename(walk, &pair.path, &written, &read),
                None => unknown(walk, &path, &written),
            },
        }
    }
    for read in reader.fields() {
        let path = format!("{path}.{}", read.name());
        let written = writer
            .fields()
            .find(|written| is_read_as(written, &read, reader));
        if written.is_none() && !walk.misses_required(&path, None, &read) {
            // A renamed field was already reported for the writer.
            let reported = writer
                .get_field(read.number())
                .is_some_and(|written| renamed(&written, pair).is_some());
            if !reported {
                walk.only_reader(&path, &read);
            }
        }
    }
    walk.oneofs(
        pair,
        |read| {
            writer
                .fields()
                .find(|written| is_read_as(written, read, reader))
        },
        Severity::Break,
        "refuses the message",
    );
}

/// Returns the field that readers recognise in a written field: they accept the JSON name and the
/// name in the `.proto` file. The JSON name of one field has priority over the `.proto` name of
/// another.
fn find(writer: &FieldDescriptor, reader: &MessageDescriptor) -> Option<FieldDescriptor> {
    let name = writer.json_name();
    let mut by_json = reader.fields().filter(|reader| reader.json_name() == name);
    let by_name = || reader.get_field_by_name(name);
    by_json.next().or_else(by_name)
}

/// Returns whether a written field is read as this field.
fn is_read_as(
    writer: &FieldDescriptor,
    read: &FieldDescriptor,
    reader: &MessageDescriptor,
) -> bool {
    find(writer, reader).is_some_and(|found| found.number() == read.number())
}

/// Returns another written field that is read as the same field.
fn also_read_as(
    writer: &FieldDescriptor,
    read: &FieldDescriptor,
    pair: &MessagePair,
) -> Option<FieldDescriptor> {
    pair.writer
        .fields()
        .find(|other| other.number() != writer.number() && is_read_as(other, read, &pair.reader))
}

/// Reports that readers take two fields for one: the JSON name of a field is what one of them is
/// called, and its `.proto` name what the other is called.
fn one_for_two(
    walk: &mut SchemaWalk<'_>,
    path: &str,
    written: [&FieldDescriptor; 2],
    read: &FieldDescriptor,
) {
    let [name, other] = written.map(|field| field.json_name().to_owned());
    let (readers, advice) = if walk.writer_is_new() {
        let advice = "give one of the two fields another JSON name".to_owned();
        ("old", advice)
    } else {
        let advice = format!("give the field `{}` another name", read.name());
        ("new", advice)
    };
    walk.add(
        path,
        Severity::Break,
        Rule::FieldRenamed,
        format!(
            "{readers} readers read both {name:?} and {other:?} as their field `{}`",
            read.name()
        ),
        advice,
    );
}

/// Returns the reader's field with the number of a field whose name it does not know, unless the
/// writer has that reader's field as well.
fn renamed(writer: &FieldDescriptor, pair: &MessagePair) -> Option<FieldDescriptor> {
    pair.reader.get_field(writer.number()).filter(|reader| {
        find(writer, &pair.reader).is_none()
            && !pair
                .writer
                .fields()
                .any(|other| is_read_as(&other, reader, &pair.reader))
    })
}

fn rename(
    walk: &mut SchemaWalk<'_>,
    path: &str,
    writer: &FieldDescriptor,
    reader: &FieldDescriptor,
) {
    let (old, new) = walk.old_new(writer, reader);
    let (was, is) = (old.json_name().to_owned(), new.json_name().to_owned());
    let path = format!("{path}.{}", old.name());
    walk.add(
        &path,
        Severity::Break,
        Rule::FieldRenamed,
        format!(
            "the JSON name was {was:?} and is {is:?} now, and neither side reads the other's name"
        ),
        format!("keep the JSON name with `[json_name = {was:?}]`"),
    );
}

/// Reports a field that readers do not know.
fn unknown(walk: &mut SchemaWalk<'_>, path: &str, writer: &FieldDescriptor) {
    if walk.options.json_unknown_fields == UnknownFields::Ignored {
        walk.only_writer(path, writer);
        return;
    }
    let name = writer.json_name();
    let (rule, reason, advice) = if walk.writer_is_new() {
        (
            Rule::FieldAdded,
            format!("old readers refuse messages with the new field {name:?}"),
            "upgrade the readers before any program sets it, or use the protobuf codec",
        )
    } else {
        (
            Rule::FieldRemoved,
            format!("new readers refuse messages with the removed field {name:?}"),
            "keep the field, marked as deprecated, until no program sets it",
        )
    };
    walk.add(path, Severity::Break, rule, reason, advice);
}

/// Compares two fields with the same name.
fn field(
    walk: &mut SchemaWalk<'_>,
    path: &str,
    writer: &FieldDescriptor,
    reader: &FieldDescriptor,
) {
    let (old, new) = walk.old_new(types::field_type(writer), types::field_type(reader));
    let shape = |field: &FieldDescriptor| (field.is_list(), field.is_map());
    let (rule, reading) = if shape(writer) != shape(reader) {
        (Rule::CardinalityChanged, other_shape(writer, reader))
    } else if let (Kind::Message(from), Kind::Message(to), true) =
        (writer.kind(), reader.kind(), writer.is_map())
    {
        if let Some(why) = keys(
            &from.map_entry_key_field().kind(),
            &to.map_entry_key_field().kind(),
        ) {
            (Rule::TypeChanged, ReadAs::Broken(why))
        } else {
            let values = (from.map_entry_value_field(), to.map_entry_value_field());
            (
                Rule::TypeChanged,
                in_json(&values.0.kind(), &values.1.kind()),
            )
        }
    } else {
        (Rule::TypeChanged, in_json(&writer.kind(), &reader.kind()))
    };
    let change = || format!("`{old}` became `{new}`");
    const ADVICE: &str = "give the new field another name";
    match reading {
        ReadAs::Same => {}
        ReadAs::Remark(why) => walk.add(path, Severity::Note, rule, why, ""),
        ReadAs::Changed(why) => walk.add(
            path,
            Severity::Lossy,
            rule,
            format!("{}: {why}", change()),
            ADVICE,
        ),
        ReadAs::Broken(why) => {
            walk.add(
                path,
                Severity::Break,
                rule,
                format!("{}: {why}", change()),
                ADVICE,
            );
            return;
        }
        ReadAs::Messages(writer, reader) => walk.enqueue(&writer, &reader, path.to_owned()),
        ReadAs::Enums(from, to) => {
            // A default is not written, so the reader does not see its name.
            let unwritten = !writer.supports_presence() && !types::is_many(writer);
            enums(walk, path, &from, &to, unwritten);
            enum_default(walk, path, (writer, &from), (reader, &to));
            return;
        }
    }
    no_value(walk, path, writer, reader);
    walk.default(path, writer, reader);
}

/// Compares a default value, which is not written, with a missing message of `google.protobuf`,
/// which means that there is no value.
fn no_value(
    walk: &mut SchemaWalk<'_>,
    path: &str,
    writer: &FieldDescriptor,
    reader: &FieldDescriptor,
) {
    if types::is_many(writer) || types::is_many(reader) {
        return;
    }
    let may_lack = |field: &FieldDescriptor| matches!(field.kind(), Kind::Message(_));
    let has_default = |field: &FieldDescriptor| !field.supports_presence();
    let default = |field| types::default(field).unwrap_or_default();
    let reason = if has_default(writer) && may_lack(reader) {
        format!(
            "{} is not written, and the reader finds no value",
            default(writer)
        )
    } else if may_lack(writer) && has_default(reader) {
        format!("a missing value is read as {}", default(reader))
    } else {
        return;
    };
    walk.add(
        path,
        Severity::Lossy,
        Rule::DefaultChanged,
        reason,
        "give the new field another name, or treat zero and a missing value as the same",
    );
}

/// The forms of values in JSON.
enum ValueForm {
    Integer((i128, i128)),
    Float,
    Double,
    Bool,
    Text,
    Base64,
    Enum(EnumDescriptor),
    Object(MessageDescriptor),
    /// A message of `google.protobuf` with a special form.
    Special(String),
}

fn form(kind: &Kind) -> ValueForm {
    match kind {
        Kind::Enum(values) if values.full_name() == "google.protobuf.NullValue" => {
            ValueForm::Special(values.full_name().to_owned())
        }
        Kind::Enum(values) => ValueForm::Enum(values.clone()),
        Kind::Bool => ValueForm::Bool,
        Kind::Float => ValueForm::Float,
        Kind::Double => ValueForm::Double,
        Kind::String => ValueForm::Text,
        Kind::Bytes => ValueForm::Base64,
        Kind::Message(message) => match special(message) {
            Special::No => ValueForm::Object(message.clone()),
            Special::Form => ValueForm::Special(message.full_name().to_owned()),
            Special::Wrapper => match message.get_field(1).map(|field| field.kind()) {
                Some(kind) if !matches!(kind, Kind::Message(_)) => form(&kind),
                _ => ValueForm::Object(message.clone()),
            },
        },
        number => match types::range(number) {
            Some(range) => ValueForm::Integer(range),
            None => ValueForm::Double,
        },
    }
}

/// Whether a message has a special form in the JSON mapping.
pub(crate) enum Special {
    /// No: an object with its fields.
    No,
    /// A form that the mapping defines.
    Form,
    /// The value inside the wrapper.
    Wrapper,
}

/// Returns the form of a message in the JSON mapping.
pub(crate) fn special(message: &MessageDescriptor) -> Special {
    let Some(name) = message.full_name().strip_prefix("google.protobuf.") else {
        return Special::No;
    };
    match name {
        "Any" | "Duration" | "FieldMask" | "ListValue" | "Struct" | "Timestamp" | "Value" => {
            Special::Form
        }
        "BoolValue" | "BytesValue" | "DoubleValue" | "FloatValue" | "Int32Value" | "Int64Value"
        | "StringValue" | "UInt32Value" | "UInt64Value" => Special::Wrapper,
        _ => Special::No,
    }
}

/// Returns how a value of one type is read as the other type in JSON.
fn in_json(from: &Kind, to: &Kind) -> ReadAs {
    let names = format!("`{}` is read as `{}`", type_name(from), type_name(to));
    let integers = |max: i128, range: (i128, i128)| {
        if -max <= range.0 && range.1 <= max {
            ReadAs::Same
        } else {
            ReadAs::Changed(format!("{names}, which rounds numbers beyond {max}"))
        }
    };
    match (form(from), form(to)) {
        (ValueForm::Integer(written), ValueForm::Integer(read)) => {
            if read.0 <= written.0 && written.1 <= read.1 {
                ReadAs::Same
            } else {
                ReadAs::Broken(format!(
                    "{names}, which refuses numbers outside {} to {}",
                    read.0, read.1
                ))
            }
        }
        (ValueForm::Integer(range), ValueForm::Double) => integers(1 << 53, range),
        (ValueForm::Integer(range), ValueForm::Float) => integers(1 << 24, range),
        (ValueForm::Double, ValueForm::Float) => ReadAs::Broken(format!(
            "{names}, which refuses numbers out of its range and rounds the others"
        )),
        (ValueForm::Integer(range), ValueForm::Enum(to)) if is_open(&to) && fits_i32(range) => {
            ReadAs::Changed(format!(
                "{names}, and readers see its default for numbers without a name"
            ))
        }
        (ValueForm::Float | ValueForm::Double, ValueForm::Double)
        | (ValueForm::Float, ValueForm::Float)
        | (ValueForm::Bool, ValueForm::Bool)
        | (ValueForm::Text, ValueForm::Text)
        | (ValueForm::Base64, ValueForm::Base64) => ReadAs::Same,
        (ValueForm::Enum(from), ValueForm::Enum(to)) => ReadAs::Enums(from, to),
        (ValueForm::Object(from), ValueForm::Object(to)) => ReadAs::Messages(from, to),
        (ValueForm::Special(from), ValueForm::Special(to)) if from == to => ReadAs::Same,
        (_, ValueForm::Special(to)) if to == "google.protobuf.Value" => {
            ReadAs::Remark(format!("{names}, which accepts anything"))
        }
        (ValueForm::Object(_), ValueForm::Special(to)) if to == "google.protobuf.Struct" => {
            ReadAs::Remark(format!("{names}, which accepts all objects"))
        }
        (ValueForm::Enum(_), ValueForm::Text) => {
            ReadAs::Remark(format!("{names}: as the value's name"))
        }
        (ValueForm::Integer(range), ValueForm::Text) if is_wide(range) => {
            ReadAs::Remark(format!("{names}: as decimal digits"))
        }
        (ValueForm::Special(from), ValueForm::Text)
            if ["Timestamp", "Duration", "FieldMask"]
                .iter()
                .any(|name| from.strip_prefix("google.protobuf.") == Some(name)) =>
        {
            ReadAs::Remark(format!("{names}: as its text"))
        }
        _ => ReadAs::Broken("the two are written in different ways".to_owned()),
    }
}

/// Returns whether an enum accepts numbers without a name.
fn is_open(of: &EnumDescriptor) -> bool {
    of.parent_file().syntax() == prost_reflect::Syntax::Proto3
}

fn fits_i32(range: (i128, i128)) -> bool {
    i128::from(i32::MIN) <= range.0 && range.1 <= i128::from(i32::MAX)
}

/// Returns whether a type's numbers are written as strings, because JavaScript would round them.
fn is_wide(range: (i128, i128)) -> bool {
    range.1 > i128::from(u32::MAX)
}

/// Compares two fields of different shapes: list, map and single value.
fn other_shape(writer: &FieldDescriptor, reader: &FieldDescriptor) -> ReadAs {
    let to = match reader.kind() {
        Kind::Message(message) if !types::is_many(reader) => message.full_name().to_owned(),
        _ => String::new(),
    };
    let takes = match to.as_str() {
        "google.protobuf.Value" => true,
        "google.protobuf.Struct" => writer.is_map(),
        "google.protobuf.ListValue" => writer.is_list(),
        _ => false,
    };
    if takes {
        ReadAs::Remark(format!("it is read as `{to}`, which accepts it"))
    } else {
        ReadAs::Broken("lists, maps and single values do not read as each other".to_owned())
    }
}

/// Returns why keys of one type are not keys of another, if so. All keys are strings in JSON.
fn keys(from: &Kind, to: &Kind) -> Option<String> {
    let fits = match (form(from), form(to)) {
        (_, ValueForm::Text) | (ValueForm::Bool, ValueForm::Bool) => true,
        (ValueForm::Integer(written), ValueForm::Integer(read)) => {
            read.0 <= written.0 && written.1 <= read.1
        }
        _ => false,
    };
    (!fits).then(|| {
        format!(
            "`{}` is read as `{}`, which refuses some keys",
            type_name(from),
            type_name(to)
        )
    })
}

/// Compares enums by name. If a number has several names, the first declared one is written, and
/// all are read.
fn enums(
    walk: &mut SchemaWalk<'_>,
    path: &str,
    writer: &EnumDescriptor,
    reader: &EnumDescriptor,
    default_is_unwritten: bool,
) {
    let mut seen = HashSet::new();
    let unknown: Vec<_> = types::declared(writer)
        .into_iter()
        .filter(|(_, number)| seen.insert(*number))
        .filter(|(_, number)| !(default_is_unwritten && *number == 0))
        .filter(|(name, _)| reader.get_value_by_name(name).is_none())
        .map(|(name, _)| name)
        .collect();
    if !unknown.is_empty() {
        let advice = if walk.writer_is_new() {
            "publish new values only once readers know them"
        } else {
            "keep values for as long as they are written"
        };
        walk.add(
            path,
            Severity::Break,
            Rule::EnumValueUnknown,
            format!("the reader refuses the values {}", unknown.join(", ")),
            advice,
        );
    }
}

/// Compares the meaning of a missing enum field. A zero without presence is not written, so it is
/// read as the reader's zero, under any name.
fn enum_default(
    walk: &mut SchemaWalk<'_>,
    path: &str,
    (writer, from): (&FieldDescriptor, &EnumDescriptor),
    (reader, to): (&FieldDescriptor, &EnumDescriptor),
) {
    let required = writer.cardinality() == Cardinality::Required;
    if required || types::is_many(writer) || types::is_many(reader) {
        return;
    }
    let number = |field: &FieldDescriptor, of: &EnumDescriptor| {
        if field.supports_presence() {
            types::enum_default(field, of)
        } else {
            0
        }
    };
    let was = types::names_of(from, number(writer, from));
    let is = types::names_of(to, number(reader, to));
    if was.iter().any(|name| is.contains(name)) {
        return;
    }
    let (was, is) = (was.join("/"), is.join("/"));
    if writer.supports_presence() {
        walk.add(
            path,
            Severity::Lossy,
            Rule::DefaultChanged,
            format!("an unset field means {was} to the writer and {is} to the reader"),
            "set the field always, or keep the default",
        );
    } else {
        walk.add(
            path,
            Severity::Break,
            Rule::EnumValueReused,
            format!("{was} = 0 is not written, and is read as {is}"),
            "keep the name of the value 0, or make the field `optional`, which is written if it is set",
        );
    }
}
