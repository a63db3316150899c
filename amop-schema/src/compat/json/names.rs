//! Fields are found by their names.

use crate::compat::{
    Rule, Severity, UnknownFields,
    walk::{MessagePair, SchemaWalk},
};
use prost_reflect::{FieldDescriptor, MessageDescriptor};

/// Returns the field that readers recognise in a written field: they accept the JSON name and the
/// name in the `.proto` file. The JSON name of one field has priority over the `.proto` name of
/// another.
pub(super) fn find(
    writer: &FieldDescriptor,
    reader: &MessageDescriptor,
) -> Option<FieldDescriptor> {
    let name = writer.json_name();
    let mut by_json = reader.fields().filter(|reader| reader.json_name() == name);
    let by_name = || reader.get_field_by_name(name);
    by_json.next().or_else(by_name)
}

/// Returns whether a written field is read as this field.
pub(super) fn is_read_as(
    writer: &FieldDescriptor,
    read: &FieldDescriptor,
    reader: &MessageDescriptor,
) -> bool {
    find(writer, reader).is_some_and(|found| found.number() == read.number())
}

/// Returns another written field that is read as the same field.
pub(super) fn also_read_as(
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
pub(super) fn one_for_two(
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
pub(super) fn renamed(writer: &FieldDescriptor, pair: &MessagePair) -> Option<FieldDescriptor> {
    pair.reader.get_field(writer.number()).filter(|reader| {
        find(writer, &pair.reader).is_none()
            && !pair
                .writer
                .fields()
                .any(|other| is_read_as(&other, reader, &pair.reader))
    })
}

pub(super) fn rename(
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
pub(super) fn unknown(walk: &mut SchemaWalk<'_>, path: &str, writer: &FieldDescriptor) {
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
