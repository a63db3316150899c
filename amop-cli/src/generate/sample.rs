//! The message that generated publishers send.

use amop_schema::{
    Codec, TopicDecl,
    prost_reflect::{FieldDescriptor, Kind, Syntax},
};

use super::names;

pub(super) struct Sample {
    /// The field with the text, if the payload is text.
    pub(super) text_field: Option<String>,
    /// The expression; for text, up to where the text has its place.
    pub(super) message: String,
    /// Whether the expression has the message's number in it.
    pub(super) uses_number: bool,
}

/// A message with something in its plain fields, different for each number.
pub(super) fn message(decl: &TopicDecl, type_name: &str) -> Sample {
    if decl.codec == Codec::Text
        && let Some(field) = decl.message.fields().next()
    {
        let field = names::field(field.name());
        return Sample {
            message: format!("{type_name} {{\n            {field}: format!({TEXT}),\n        }}"),
            text_field: Some(field),
            uses_number: true,
        };
    }
    let fields: Vec<String> = decl.message.fields().filter_map(|f| value(&f)).collect();
    if fields.is_empty() {
        return Sample {
            text_field: None,
            message: format!("{type_name}::default()"),
            uses_number: false,
        };
    }
    let mut message = format!("{type_name} {{\n");
    for field in &fields {
        message += &format!("            {field},\n");
    }
    if fields.len() < decl.message.fields().len() {
        message += "            ..Default::default()\n";
    }
    message += "        }";
    Sample {
        text_field: None,
        message,
        uses_number: true,
    }
}

/// Where a text message has the literal of its text.
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
