//! The message that generated publishers send.

use amop_schema::{
    TopicCodec, TopicDecl,
    prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, Syntax},
};

use super::names;

pub(super) struct Sample {
    /// The field with the text, if the payload is text.
    pub(super) text_field: Option<String>,
    /// The expression. For a text payload, the placeholder `TEXT` stands for the text.
    pub(super) message: String,
    /// Whether the expression contains the message's number.
    pub(super) uses_number: bool,
}

/// Returns a message whose plain fields have values that differ for each number.
pub(super) fn message(decl: &TopicDecl, type_name: &str) -> Sample {
    if decl.codec == TopicCodec::Text
        && let Some(field) = decl.message.fields().next()
    {
        let field = names::field(field.name());
        return Sample {
            message: format!("{type_name} {{\n            {field}: format!({TEXT}),\n        }}"),
            text_field: Some(field),
            uses_number: true,
        };
    }
    let (message, uses_number) = expression(&decl.message, type_name, "        ");
    Sample {
        text_field: None,
        message,
        uses_number,
    }
}

/// Returns a reply whose plain fields have values. `type_name` is `None` for types of
/// `google.protobuf`, which are built-in Rust types or have defaults.
pub(super) fn reply(reply: &MessageDescriptor, type_name: Option<&str>) -> String {
    match type_name {
        Some(name) => expression(reply, name, "            ").0,
        None if reply.full_name() == "google.protobuf.Empty" => "()".to_owned(),
        None => "Default::default()".to_owned(),
    }
}

/// Returns the expression, whose lines after the first have this indent, and whether it uses the
/// number.
fn expression(message: &MessageDescriptor, type_name: &str, indent: &str) -> (String, bool) {
    let fields: Vec<String> = message.fields().filter_map(|f| value(&f)).collect();
    if fields.is_empty() {
        return (format!("{type_name}::default()"), false);
    }
    let mut text = format!("{type_name} {{\n");
    for field in &fields {
        text += &format!("{indent}    {field},\n");
    }
    if fields.len() < rust_fields(message) {
        text += &format!("{indent}    ..Default::default()\n");
    }
    text += &format!("{indent}}}");
    (text, true)
}

/// Returns the number of fields of the struct: all alternatives of a oneof are one field.
fn rust_fields(message: &MessageDescriptor) -> usize {
    let is_own = |field: &FieldDescriptor| {
        let oneof = field.containing_oneof();
        oneof.is_none_or(|oneof| oneof.is_synthetic())
    };
    let oneofs = message.oneofs().filter(|oneof| !oneof.is_synthetic());
    message.fields().filter(is_own).count() + oneofs.count()
}

/// The place of the text in a text message.
pub(super) const TEXT: &str = "{{text}}";

fn value(field: &FieldDescriptor) -> Option<String> {
    let deprecated = field
        .field_descriptor_proto()
        .options
        .as_ref()
        .is_some_and(|options| options.deprecated());
    let plain = !field.is_list()
        && !field.is_map()
        && field.containing_oneof().is_none()
        && (field.parent_file().syntax() == Syntax::Proto3)
        && !deprecated;
    let name = names::field(field.name());
    match field.kind() {
        _ if !plain => None,
        Kind::String => Some(format!("{name}: format!(\"{} {{n}}\")", field.name())),
        Kind::Uint64 | Kind::Fixed64 if name == "n" => Some(name),
        Kind::Uint64 | Kind::Fixed64 => Some(format!("{name}: n")),
        _ => None,
    }
}
