//! Writes a message and all types that it uses as the text of one `.proto` file.

use super::{
    payload::PayloadSchema,
    proto_file::{ProtoFile, Syntax, outermost},
};
use crate::compat::types::{is_packable, is_packed};
use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use std::collections::{BTreeMap, HashSet};

/// The comment that marks the main message of a `.proto` text, for AsyncAPI's own tools and for
/// readers.
const ROOT_MARK: &str = "// @RootNode";

/// Returns the message as a file.
pub(super) fn content(message: &MessageDescriptor) -> PayloadSchema {
    let mut file = ProtoFile::new(message);
    let syntax = file.syntax;
    PayloadSchema::Protobuf {
        text: file.write(message),
        version: match syntax {
            Syntax::Proto2 => 2,
            Syntax::Proto3 => 3,
        },
        message: message.full_name().to_owned(),
    }
}

impl ProtoFile {
    fn write(&mut self, root: &MessageDescriptor) -> String {
        let syntax = match self.syntax {
            Syntax::Proto2 => "proto2",
            Syntax::Proto3 => "proto3",
        };
        let mut text = format!("syntax = \"{syntax}\";\n");
        if !self.package.is_empty() {
            text.push_str(&format!("\npackage {};\n", self.package));
        }
        if !self.imports.is_empty() {
            text.push('\n');
        }
        for import in &self.imports {
            text.push_str(&format!("import \"{import}\";\n"));
        }

        // The main message comes first; the others follow in the order of their names.
        let first = outermost(root).full_name().to_owned();
        let mut messages: BTreeMap<(bool, String), MessageDescriptor> = BTreeMap::new();
        for message in &self.messages {
            let name = message.full_name().to_owned();
            messages.insert((name != first, name), message.clone());
        }
        for message in messages.values() {
            let name = self.own_name(message.full_name(), message.name());
            text.push('\n');
            self.message(&mut text, message, &name, 0);
        }
        let enums: BTreeMap<String, EnumDescriptor> = self
            .enums
            .iter()
            .map(|values| (values.full_name().to_owned(), values.clone()))
            .collect();
        for values in enums.values() {
            let name = self.own_name(values.full_name(), values.name());
            text.push('\n');
            self.values(&mut text, values, &name, 0);
        }
        text
    }

    fn message(
        &mut self,
        text: &mut String,
        message: &MessageDescriptor,
        name: &str,
        depth: usize,
    ) {
        let indent = "  ".repeat(depth);
        self.comment(text, &message.parent_file(), message.path(), depth);
        if message.full_name() == self.root {
            text.push_str(&format!("{indent}{ROOT_MARK}\n"));
        }
        text.push_str(&format!("{indent}message {name} {{\n"));
        let mark = text.len();
        self.body(text, message, depth + 1);
        if text.len() == mark {
            text.truncate(mark - 1);
            text.push_str("}\n");
        } else {
            text.push_str(&format!("{indent}}}\n"));
        }
    }

    /// Writes the fields and nested types of a message.
    fn body(&mut self, text: &mut String, message: &MessageDescriptor, depth: usize) {
        let start = text.len();
        let groups: HashSet<String> = message
            .fields()
            .filter(|field| field.is_group())
            .filter_map(|field| {
                field
                    .kind()
                    .as_message()
                    .map(|of| of.full_name().to_owned())
            })
            .collect();
        for nested in message.child_messages() {
            let written = self.is_used(&nested) && !nested.is_map_entry();
            if written && !groups.contains(nested.full_name()) {
                separate(text, start);
                self.message(text, &nested, nested.name(), depth);
            }
        }
        for values in message.child_enums() {
            if self.used.contains(values.full_name()) {
                separate(text, start);
                self.values(text, &values, values.name(), depth);
            }
        }
        if self.used.contains(message.full_name()) && message.fields().len() > 0 {
            separate(text, start);
            write_fields(self, text, message, depth);
        }
    }

    fn values(&mut self, text: &mut String, values: &EnumDescriptor, name: &str, depth: usize) {
        let indent = "  ".repeat(depth);
        self.comment(text, &values.parent_file(), values.path(), depth);
        text.push_str(&format!("{indent}enum {name} {{\n"));
        let numbers: HashSet<_> = values.values().map(|value| value.number()).collect();
        if numbers.len() < values.values().len() {
            text.push_str(&format!("{indent}  option allow_alias = true;\n"));
        }
        let mut declared: Vec<_> = values.values().collect();
        // The library sorts by number, but the value that is declared first is the default.
        declared.sort_by_key(|value| value.path().last().copied());
        for value in declared {
            self.comment(text, &values.parent_file(), value.path(), depth + 1);
            let (name, number) = (self.value_name(values, value.name()), value.number());
            text.push_str(&format!("{indent}  {name} = {number};\n"));
        }
        text.push_str(&format!("{indent}}}\n"));
    }
}

/// Writes the fields. Members of a oneof are written together.
fn write_fields(
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
            write_field(file, text, message, &field, depth, label(file, &field));
            continue;
        };
        if oneofs.contains(&oneof) {
            continue;
        }
        file.comment(text, &message.parent_file(), oneof.path(), depth);
        text.push_str(&format!("{indent}oneof {} {{\n", oneof.name()));
        for member in declared(message) {
            if member.containing_oneof().as_ref() == Some(&oneof) {
                write_field(file, text, message, &member, depth + 1, "");
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

fn write_field(
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

/// Writes an empty line between declarations.
fn separate(text: &mut String, start: usize) {
    if text.len() > start {
        text.push('\n');
    }
}
