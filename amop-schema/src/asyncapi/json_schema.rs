//! The JSON Schema of a message in the proto3 JSON mapping, in the form that programs write.
//!
//! Readers also accept other forms, such as integers for decimal strings; the schema describes the
//! form that is sent, which all readers accept.

use super::{
    comments::ProtoComments,
    payload::{PayloadSchema, SCHEMAS},
};
use crate::compat::{
    google::{Special, special},
    types,
};
use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Returns the schema of a message and of all types that it uses.
pub(super) fn content(message: &MessageDescriptor) -> PayloadSchema {
    let mut schemas = JsonSchemas::default();
    let schema = schemas.value(&Kind::Message(message.clone()));
    while let Some(next) = schemas.queue.pop() {
        let (name, schema) = match next {
            NamedType::Message(message) => {
                (message.full_name().to_owned(), schemas.object(&message))
            }
            NamedType::Enum(values) => (values.full_name().to_owned(), schemas.names(&values)),
        };
        schemas.definitions.insert(name, schema);
    }
    PayloadSchema::Json {
        schema,
        definitions: schemas.definitions,
    }
}

enum NamedType {
    Message(MessageDescriptor),
    Enum(EnumDescriptor),
}

#[derive(Default)]
struct JsonSchemas {
    definitions: BTreeMap<String, Value>,
    queue: Vec<NamedType>,
    comments: ProtoComments,
}

impl JsonSchemas {
    /// Returns a reference to a type's schema, which is written later, since types may refer to
    /// themselves.
    fn reference(&mut self, name: &str, named: impl FnOnce() -> NamedType) -> Value {
        if !self.definitions.contains_key(name) {
            self.definitions.insert(name.to_owned(), Value::Null);
            self.queue.push(named());
        }
        json!({ "$ref": format!("{SCHEMAS}{name}") })
    }

    fn value(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Message(message) => match special(message) {
                Special::No => {
                    self.reference(message.full_name(), || NamedType::Message(message.clone()))
                }
                Special::Wrapper => match message.get_field(1) {
                    Some(field) => self.value(&field.kind()),
                    None => json!({}),
                },
                Special::Form => well_known(message.name()),
            },
            Kind::Enum(values) => {
                self.reference(values.full_name(), || NamedType::Enum(values.clone()))
            }
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Float | Kind::Double => json!({
                "anyOf": [{ "type": "number" }, { "enum": ["NaN", "Infinity", "-Infinity"] }],
            }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({
                "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX,
            }),
            Kind::Uint32 | Kind::Fixed32 => json!({
                "type": "integer", "minimum": 0, "maximum": u32::MAX,
            }),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({
                "type": "string", "pattern": "^-?[0-9]{1,19}$", "format": "int64",
            }),
            Kind::Uint64 | Kind::Fixed64 => json!({
                "type": "string", "pattern": "^[0-9]{1,20}$", "format": "uint64",
            }),
        }
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        let schema = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let values = self.value(&entry.map_entry_value_field().kind());
                let mut schema = json!({ "type": "object", "additionalProperties": values });
                let keys = match entry.map_entry_key_field().kind() {
                    Kind::String => None,
                    Kind::Bool => Some("^(true|false)$"),
                    _ => Some("^-?[0-9]+$"),
                };
                if let Some(pattern) = keys {
                    schema["propertyNames"] = json!({ "pattern": pattern });
                }
                schema
            }
            kind if field.is_list() => {
                json!({ "type": "array", "items": self.value(&kind) })
            }
            kind => self.value(&kind),
        };
        let comment = self.comments.of(&field.parent_file(), field.path());
        match comment.map(str::to_owned) {
            Some(comment) => describe(schema, &comment),
            None => schema,
        }
    }

    fn object(&mut self, message: &MessageDescriptor) -> Value {
        let mut schema = Map::new();
        schema.insert("type".to_owned(), json!("object"));
        if let Some(comment) = self.comments.of(&message.parent_file(), message.path()) {
            schema.insert("description".to_owned(), json!(comment));
        }
        let properties: Map<String, Value> = message
            .fields()
            .map(|field| (field.json_name().to_owned(), self.field(&field)))
            .collect();
        schema.insert("properties".to_owned(), Value::Object(properties));
        let required: Vec<_> = message
            .fields()
            .filter(|field| field.cardinality() == Cardinality::Required)
            .map(|field| field.json_name().to_owned())
            .collect();
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        let alternatives: Vec<_> = message
            .oneofs()
            .filter(|oneof| !oneof.is_synthetic())
            .map(|oneof| {
                let members: Vec<_> = oneof
                    .fields()
                    .map(|field| json!({ "required": [field.json_name()] }))
                    .collect();
                // One of them, or none.
                let mut choices = members.clone();
                choices.push(json!({ "not": { "anyOf": members } }));
                json!({ "oneOf": choices })
            })
            .collect();
        if !alternatives.is_empty() {
            schema.insert("allOf".to_owned(), Value::Array(alternatives));
        }
        Value::Object(schema)
    }

    fn names(&mut self, values: &EnumDescriptor) -> Value {
        let names = types::declared(values).into_iter();
        let names: Vec<_> = names.map(|(name, _)| name.to_owned()).collect();
        let schema = json!({ "type": "string", "enum": names });
        match self.comments.of(&values.parent_file(), values.path()) {
            Some(comment) => describe(schema, comment),
            None => schema,
        }
    }
}

/// Adds a description. In draft 7, members next to a `$ref` are ignored.
fn describe(schema: Value, comment: &str) -> Value {
    match schema {
        Value::Object(mut map) if !map.contains_key("$ref") => {
            map.insert("description".to_owned(), json!(comment));
            Value::Object(map)
        }
        reference => json!({ "allOf": [reference], "description": comment }),
    }
}

/// Returns the schema of a message of `google.protobuf` with a special form.
fn well_known(name: &str) -> Value {
    match name {
        "Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "Duration" => json!({ "type": "string", "pattern": "^-?[0-9]+(\\.[0-9]{1,9})?s$" }),
        "FieldMask" => json!({ "type": "string" }),
        "Struct" => json!({ "type": "object" }),
        "ListValue" => json!({ "type": "array" }),
        "Any" => json!({
            "type": "object",
            "properties": { "@type": { "type": "string" } },
            "required": ["@type"],
        }),
        _ => json!({}),
    }
}
