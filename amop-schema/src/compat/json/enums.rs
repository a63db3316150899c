//! Enums are read by the names of their values.

use crate::compat::{Rule, Severity, types, walk::SchemaWalk};
use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor};
use std::collections::HashSet;

/// Compares enums by name. If a number has several names, the first declared one is written, and
/// all are read.
pub(super) fn enums(
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
pub(super) fn enum_default(
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
