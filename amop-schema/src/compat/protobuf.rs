//! The rules of the protobuf wire format: numbers and encodings must match.

use super::{
    Rule, Severity, types,
    types::ReadAs,
    walk::{MessagePair, SchemaWalk},
};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind};
use std::collections::BTreeSet;

const RESERVE: &str = "give the new field a new number and reserve the old one";

/// Compares the fields of two messages.
pub(super) fn compare(walk: &mut SchemaWalk<'_>, pair: &MessagePair) {
    let MessagePair {
        writer,
        reader,
        path,
    } = pair;
    let fields = writer.fields().chain(reader.fields());
    let numbers: BTreeSet<u32> = fields.map(|field| field.number()).collect();
    for number in numbers {
        let (written, read) = (writer.get_field(number), reader.get_field(number));
        // By the old name, so that both directions give the same report.
        let (old, new) = walk.old_new(&written, &read);
        let Some(any) = old.as_ref().or(new.as_ref()) else {
            continue;
        };
        let path = format!("{path}.{}", any.name());
        if let Some(read) = &read {
            walk.misses_required(&path, written.as_ref(), read);
        }
        if reused(walk, pair, &path, number) {
            continue;
        }
        match (&written, &read) {
            (Some(written), Some(read)) => field(walk, &path, written, read),
            (Some(written), None) => walk.only_writer(&path, written),
            (None, Some(read)) => {
                if read.cardinality() != prost_reflect::Cardinality::Required {
                    walk.only_reader(&path, read);
                }
            }
            (None, None) => {}
        }
    }
    walk.oneofs(
        pair,
        |field| writer.get_field(field.number()),
        Severity::Lossy,
        "keeps the last one only",
    );
}

/// Reports a number whose field still exists under another number: the names were moved between
/// numbers.
fn reused(walk: &mut SchemaWalk<'_>, pair: &MessagePair, path: &str, number: u32) -> bool {
    let (old, new) = walk.old_new(&pair.writer, &pair.reader);
    let (was, is) = (old.get_field(number), new.get_field(number));
    if let (Some(was), Some(is)) = (&was, &is)
        && was.name() == is.name()
    {
        return false;
    }
    let moved_to = was
        .as_ref()
        .and_then(|was| new.get_field_by_name(was.name()));
    let moved_from = is.as_ref().and_then(|is| old.get_field_by_name(is.name()));
    let (name, from, to) = match (&was, &moved_to, &is, &moved_from) {
        (Some(was), Some(to), ..) => (was.name(), number, to.number()),
        (_, _, Some(is), Some(from)) => (is.name(), from.number(), number),
        _ => return false,
    };
    walk.add(
        path,
        Severity::Break,
        Rule::NumberReused,
        format!(
            "`{name}` had number {from} and has {to} now, and neither side reads the other's field"
        ),
        format!("give `{name}` its number {from} back"),
    );
    true
}

/// Compares two fields with the same number.
fn field(
    walk: &mut SchemaWalk<'_>,
    path: &str,
    writer: &FieldDescriptor,
    reader: &FieldDescriptor,
) {
    let (old, new) = walk.old_new(writer, reader);
    let (old_name, new_name) = (old.name().to_owned(), new.name().to_owned());
    let renamed = old_name != new_name;
    let (was, is) = (types::field_type(old), types::field_type(new));

    let reading = types::on_the_wire(writer, reader);
    let packed = types::is_packed(writer) && !types::is_many(reader);
    if packed || matches!(reading, ReadAs::Broken(_)) {
        let why = match reading {
            ReadAs::Broken(why) => why,
            _ => "a packed list cannot be read as a single value".to_owned(),
        };
        let (rule, reason) = if renamed {
            (
                Rule::NumberReused,
                format!(
                    "number {} was `{was} {old_name}` and is `{is} {new_name}` now: {why}",
                    reader.number()
                ),
            )
        } else if packed {
            (
                Rule::CardinalityChanged,
                format!("`{was}` became `{is}`: {why}"),
            )
        } else {
            (Rule::TypeChanged, format!("`{was}` became `{is}`: {why}"))
        };
        walk.add(path, Severity::Break, rule, reason, RESERVE);
        return;
    }
    if renamed {
        walk.add(
            path,
            Severity::Note,
            Rule::FieldRenamed,
            format!("`{old_name}` was renamed to `{new_name}`, which does not matter in protobuf"),
            "",
        );
    }
    cardinality(walk, path, writer, reader);
    match reading {
        ReadAs::Same | ReadAs::Broken(_) => {}
        ReadAs::Remark(why) => walk.add(path, Severity::Note, Rule::TypeChanged, why, ""),
        ReadAs::Changed(why) => walk.add(path, Severity::Lossy, Rule::TypeChanged, why, RESERVE),
        ReadAs::Messages(writer, reader) => walk.enqueue(&writer, &reader, path.to_owned()),
        ReadAs::Enums(writer, reader) => enums(walk, path, &writer, &reader),
    }
    walk.default(path, writer, reader);
}

fn cardinality(
    walk: &mut SchemaWalk<'_>,
    path: &str,
    writer: &FieldDescriptor,
    reader: &FieldDescriptor,
) {
    let (severity, reason) = match (types::is_many(writer), types::is_many(reader)) {
        (true, false) => {
            let what = match reader.kind() {
                Kind::Message(_) => "merged into one",
                _ => "lost except for the last one",
            };
            (
                Severity::Lossy,
                format!("a list is read as a single value: its entries are {what}"),
            )
        }
        (false, true) => (
            Severity::Note,
            "a single value is read as a list with that one entry".to_owned(),
        ),
        (true, true) if reader.is_map() && !writer.is_map() => (
            Severity::Lossy,
            "a list is read as a map: of entries with the same key, only the last one is kept"
                .to_owned(),
        ),
        _ => return,
    };
    let advice = match severity {
        Severity::Note => "",
        _ => RESERVE,
    };
    walk.add(path, severity, Rule::CardinalityChanged, reason, advice);
}

fn enums(walk: &mut SchemaWalk<'_>, path: &str, writer: &EnumDescriptor, reader: &EnumDescriptor) {
    let found = types::enums(writer, reader);
    if !found.reused.is_empty() {
        walk.add(
            path,
            Severity::Break,
            Rule::EnumValueReused,
            format!(
                "values are read as other values: {}",
                found.reused.join(", ")
            ),
            "keep the numbers of values that still exist",
        );
    }
    if !found.unknown.is_empty() {
        let advice = if walk.writer_is_new() {
            "publish new values only once readers know them"
        } else {
            "keep values for as long as they are written"
        };
        walk.add(
            path,
            Severity::Lossy,
            Rule::EnumValueUnknown,
            format!(
                "the reader does not know these values and sees the enum's default: {}",
                found.unknown.join(", ")
            ),
            advice,
        );
    }
    if !found.renamed.is_empty() {
        walk.add(
            path,
            Severity::Note,
            Rule::EnumValueRenamed,
            format!("values have other names: {}", found.renamed.join(", ")),
            "",
        );
    }
}
