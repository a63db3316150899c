//! The rules of the proto3 JSON mapping: names must match, and values must have the right form.

mod enums;
mod names;
mod values;

use super::{
    Rule, Severity,
    types::{self, ReadAs},
    walk::{MessagePair, SchemaWalk},
};
use enums::{enum_default, enums};
use names::{also_read_as, is_read_as, one_for_two, rename, renamed, unknown};
use prost_reflect::{FieldDescriptor, Kind};
use values::{in_json, keys, other_shape};

/// Compares the fields of two messages.
pub(super) fn compare(walk: &mut SchemaWalk<'_>, pair: &MessagePair) {
    let MessagePair {
        writer,
        reader,
        path,
    } = pair;
    for written in writer.fields() {
        let path = format!("{path}.{}", written.name());
        match names::find(&written, reader) {
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
