//! Writes the fields of a message as `.proto` text.

use super::proto_text::ProtoFile;
use crate::compat::types::{is_packable, is_packed};
use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};

/// The version of the language of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Proto2,
    Proto3,
}

/// Writes the fields. Members of a oneof are written together.
pub(super) fn write(
    file: &mut ProtoFile,
    text: &mut String,
    message: &MessageDescriptor,
    depth: usize,
) {
    let indent = "  ".repeat(depth);
    let mut oneofs = Vec::new();
    for field in declared(message) {
        let oneof = field
            .containing_oneof()
            .filter(|oneof| !oneof.is_synthetic());
        let Some(oneof) = oneof else {
            self::field(file, text, message, &field, depth, label(file, &field));
            continue;
        };
        if oneofs.contains(&oneof) {
            continue;
        }
        file.comment(text, &message.parent_file(), oneof.path(), depth);
        text.push_str(&format!("{indent}oneof {} {{\n", oneof.name()));
        for member in declared(message) {
            if member.containing_oneof().as_ref() == Some(&oneof) {
                self::field(file, text, message, &member, depth + 1, "");
            }
        }
        text.push_str(&format!("{indent}}}\n"));
        oneofs.push(oneof);
    }
}

/// Returns the fields in the order of their declaration, which is the last part of their path.
fn declared(message: &MessageDescriptor) -> Vec<FieldDescriptor> {
    let mut fields: Vec<_> = message.fields().collect();
    fields.sort_by_key(|field| field.path().last().copied());
    fields
}

fn label(file: &ProtoFile, field: &FieldDescriptor) -> &'static str {
    match field.cardinality() {
        _ if field.is_map() => "",
        Cardinality::Repeated => "repeated ",
        Cardinality::Required => "required ",
        Cardinality::Optional => {
            let proto3_optional = field.field_descriptor_proto().proto3_optional();
            if file.syntax == Syntax::Proto2 || proto3_optional {
                "optional "
            } else {
                ""
            }
        }
    }
}

fn field(
    file: &mut ProtoFile,
    text: &mut String,
    message: &MessageDescriptor,
    field: &FieldDescriptor,
    depth: usize,
    label: &str,
) {
    let indent = "  ".repeat(depth);
    file.comment(text, &message.parent_file(), field.path(), depth);
    let (name, number) = (field.name(), field.number());
    if let (Kind::Message(group), true) = (field.kind(), field.is_group()) {
        let group_name = group.name();
        text.push_str(&format!(
            "{indent}{label}group {group_name} = {number} {{\n"
        ));
        file.body(text, &group, depth + 1);
        text.push_str(&format!("{indent}}}\n"));
        return;
    }
    let of = match field.kind() {
        Kind::Message(entry) if field.is_map() => format!(
            "map<{}, {}>",
            type_name(file, &entry.map_entry_key_field().kind(), message),
            type_name(file, &entry.map_entry_value_field().kind(), message)
        ),
        kind => type_name(file, &kind, message),
    };
    let options = options(file, field);
    text.push_str(&format!(
        "{indent}{label}{of} {name} = {number}{options};\n"
    ));
}

fn type_name(file: &ProtoFile, kind: &Kind, within: &MessageDescriptor) -> String {
    match kind {
        Kind::Message(message) => file.type_name(message.full_name(), within),
        Kind::Enum(values) => file.type_name(values.full_name(), within),
        scalar => crate::compat::types::type_name(scalar),
    }
}

/// Returns the options that matter to readers of the field.
fn options(file: &ProtoFile, field: &FieldDescriptor) -> String {
    let proto = field.field_descriptor_proto();
    let mut options = Vec::new();
    if let (Some(default), Cardinality::Optional | Cardinality::Required) =
        (&proto.default_value, field.cardinality())
    {
        options.push(match field.kind() {
            Kind::String => format!("default = \"{}\"", default.as_bytes().escape_ascii()),
            // It is already escaped in the descriptor.
            Kind::Bytes => format!("default = \"{default}\""),
            Kind::Enum(of) => format!("default = {}", file.value_name(&of, default)),
            _ => format!("default = {default}"),
        });
    }
    let packed_by_default = file.syntax == Syntax::Proto3 && is_packable(&field.kind());
    if field.is_list() && is_packed(field) != packed_by_default {
        options.push(format!("packed = {}", is_packed(field)));
    }
    if field.json_name() != default_json_name(field.name()) {
        options.push(format!(
            "json_name = \"{}\"",
            field.json_name().as_bytes().escape_ascii()
        ));
    }
    if proto
        .options
        .as_ref()
        .is_some_and(|options| options.deprecated())
    {
        options.push("deprecated = true".to_owned());
    }
    match options.as_slice() {
        [] => String::new(),
        options => format!(" [{}]", options.join(", ")),
    }
}

/// Returns the JSON name of a field without a JSON name of its own: underscores are removed and the
/// next letters are in upper case.
fn default_json_name(name: &str) -> String {
    let mut json = String::new();
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                json.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => json.push(c),
        }
    }
    json
}

/// Returns whether a name has another meaning inside a message than at the top level.
pub(super) fn is_shadowed(name: &str, within: &MessageDescriptor) -> bool {
    let mut scope = Some(within.clone());
    while let Some(message) = scope {
        let mut names = message
            .child_messages()
            .map(|nested| nested.name().to_owned())
            .chain(message.child_enums().map(|values| values.name().to_owned()))
            .chain(message.fields().map(|field| field.name().to_owned()))
            .chain(message.oneofs().map(|oneof| oneof.name().to_owned()));
        let values = || {
            message
                .child_enums()
                .flat_map(|values| values.values().collect::<Vec<_>>())
                .any(|value| value.name() == name)
        };
        if names.any(|other| other == name) || values() {
            return true;
        }
        scope = message.parent_message();
    }
    false
}
