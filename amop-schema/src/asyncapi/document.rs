//! Assembles the document.

use super::{
    declared::{DeclaredTopic, Payload},
    payload::{PayloadSchema, SCHEMAS},
};
use crate::TopicCodec;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// General information for a document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DocumentInfo {
    /// The title of the application.
    pub title: String,
    /// The version of the application, not of AsyncAPI.
    pub version: String,
    /// The purpose of the application.
    pub description: Option<String>,
}

impl DocumentInfo {
    /// Creates an info without a description.
    pub fn new(title: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            version: version.into(),
            description: None,
        }
    }
}

/// Returns an AsyncAPI 3.0 document of topics.
///
/// The order of the topics does not matter: members are sorted by name.
pub fn document(topics: &[DeclaredTopic], info: &DocumentInfo) -> Value {
    let mut topics: Vec<_> = topics.iter().collect();
    topics.sort_by(|a, b| (&a.topic, &a.message.name).cmp(&(&b.topic, &b.message.name)));

    let mut document = Document::default();
    let mut by_topic: BTreeMap<&str, Vec<&DeclaredTopic>> = BTreeMap::new();
    for topic in topics {
        by_topic.entry(&topic.topic).or_default().push(topic);
    }
    for (topic, declared) in by_topic {
        document.topic(topic, &declared);
    }

    let mut about = json!({ "title": info.title, "version": info.version });
    if let Some(description) = &info.description {
        about["description"] = json!(description);
    }
    let mut components = Map::new();
    for (name, members) in [
        ("messages", document.messages),
        ("schemas", document.schemas),
    ] {
        if !members.is_empty() {
            components.insert(name.to_owned(), members.into_iter().collect());
        }
    }
    sorted(json!({
        "asyncapi": "3.0.0",
        "info": about,
        "channels": Value::from_iter(document.channels),
        "operations": Value::from_iter(document.operations),
        "components": components,
    }))
}

/// The document's parts by their identifiers.
#[derive(Default)]
struct Document {
    channels: BTreeMap<String, Value>,
    operations: BTreeMap<String, Value>,
    messages: BTreeMap<String, Value>,
    schemas: BTreeMap<String, Value>,
    /// The schemas as they were declared, with their names in the document.
    declared: Vec<(String, BTreeMap<String, Value>, String)>,
}

impl Document {
    /// Adds the channel and the operations of a topic, which several packages may share.
    fn topic(&mut self, topic: &str, declared: &[&DeclaredTopic]) {
        let id = free(&self.channels, &identifier(topic));
        let messages: Vec<_> = declared
            .iter()
            .map(|declared| self.message(&declared.message))
            .collect();
        let mut channel = json!({ "address": topic, "messages": members(&messages) });
        let descriptions: Vec<_> = declared
            .iter()
            .filter_map(|declared| declared.description.as_deref())
            .collect();
        if !descriptions.is_empty() {
            channel["description"] = json!(descriptions.join("\n\n"));
        }
        if declared.iter().any(|declared| declared.private) {
            channel["x-amop-private"] = json!(true);
        }
        if declared.iter().any(|declared| declared.sealed) {
            channel["x-amop-sealed"] = json!(true);
        }
        self.channels.insert(id.clone(), channel);

        // Each message has its own operations, which show its reply.
        for (declared, message) in declared.iter().zip(&messages) {
            let suffix = match messages.len() {
                1 => String::new(),
                _ => format!(".{message}"),
            };
            let reply = declared.reply.as_ref().map(|reply| {
                let reply_id = free(&self.channels, &format!("{id}.reply{suffix}"));
                let reply = self.message(reply);
                let channel = json!({
                    "address": null,
                    "description": format!("Replies to messages of topic {topic}."),
                    "messages": members(std::slice::from_ref(&reply)),
                });
                self.channels.insert(reply_id.clone(), channel);
                json!({
                    "channel": { "$ref": format!("#/channels/{reply_id}") },
                    "messages": [{ "$ref": format!("#/channels/{reply_id}/messages/{reply}") }],
                    "x-amop-delivery": "unicast",
                })
            });
            for (action, summary) in [
                ("send", format!("Publish messages to topic {topic}.")),
                ("receive", format!("Subscribe to topic {topic}.")),
            ] {
                let mut operation = json!({
                    "action": action,
                    "summary": summary,
                    "channel": { "$ref": format!("#/channels/{id}") },
                    "messages": [{ "$ref": format!("#/channels/{id}/messages/{message}") }],
                    "x-amop-delivery": ["unicast", "multicast"],
                });
                if let Some(reply) = &reply {
                    operation["reply"] = reply.clone();
                }
                let operation_id = free(&self.operations, &format!("{id}.{action}{suffix}"));
                self.operations.insert(operation_id, operation);
            }
        }
    }

    /// Adds a message, unless it exists, and returns its identifier.
    fn message(&mut self, payload: &Payload) -> String {
        let (codec, content_type, schema) = match &payload.content {
            PayloadSchema::Json {
                schema,
                definitions,
            } => (
                "json",
                TopicCodec::Json.content_type(),
                self.json(schema, definitions),
            ),
            PayloadSchema::Protobuf { text, version, .. } => (
                "protobuf",
                TopicCodec::Protobuf.content_type(),
                json!({
                    "schemaFormat": format!("application/vnd.google.protobuf;version={version}"),
                    "schema": text,
                }),
            ),
            PayloadSchema::Text => (
                "text",
                TopicCodec::Text.content_type(),
                json!({ "type": "string" }),
            ),
            PayloadSchema::Bytes => (
                "bytes",
                "application/octet-stream",
                json!({ "type": "string", "format": "binary" }),
            ),
            PayloadSchema::Own { codec } => (
                codec.as_str(),
                "application/octet-stream",
                json!({ "type": "string", "format": "binary" }),
            ),
        };
        let mut message = json!({
            "name": payload.name,
            "contentType": content_type,
            "payload": schema,
            "x-amop-codec": codec,
        });
        if let Some(description) = &payload.description {
            message["description"] = json!(description);
        }
        if let PayloadSchema::Protobuf { message: name, .. } = &payload.content {
            message["x-amop-message-type"] = json!(name);
        }
        let id = identifier(&payload.name);
        place(&mut self.messages, &id, message)
    }

    /// Adds the schemas that a schema refers to, and returns the schema with their names in the
    /// document.
    fn json(&mut self, schema: &Value, definitions: &BTreeMap<String, Value>) -> Value {
        let mut names = BTreeMap::new();
        for name in definitions.keys() {
            // Two types may have the same name. They are the same type if all types that they refer
            // to are the same as well.
            let used = closure(name, definitions);
            let known = self
                .declared
                .iter()
                .find(|(of, known, _)| of == name && *known == used);
            let renamed = match known {
                Some((_, _, renamed)) => renamed.clone(),
                None => {
                    let renamed = free(&self.schemas, &identifier(name));
                    // Reserved until it is written below.
                    self.schemas.insert(renamed.clone(), Value::Null);
                    self.declared.push((name.clone(), used, renamed.clone()));
                    renamed
                }
            };
            names.insert(name.clone(), renamed);
        }
        for (name, definition) in definitions {
            if let Some(renamed) = names.get(name) {
                self.schemas
                    .insert(renamed.clone(), rename(definition, &names));
            }
        }
        rename(schema, &names)
    }
}

/// Returns a definition and all definitions that it refers to.
fn closure(name: &str, definitions: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut queue = vec![name.to_owned()];
    while let Some(name) = queue.pop() {
        if let Some(definition) = definitions.get(&name)
            && found.insert(name, definition.clone()).is_none()
        {
            references(definition, &mut queue);
        }
    }
    found
}

fn references(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str().and_then(|to| to.strip_prefix(SCHEMAS)) {
                    Some(name) if key == "$ref" => found.push(name.to_owned()),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

/// Returns the schema with the names that the definitions have in the document.
fn rename(schema: &Value, names: &BTreeMap<String, String>) -> Value {
    match schema {
        Value::Object(map) => Value::from_iter(map.iter().map(|(key, value)| {
            let to = value.as_str().and_then(|to| to.strip_prefix(SCHEMAS));
            let value = match to.and_then(|name| names.get(name)) {
                Some(renamed) if key == "$ref" => json!(format!("{SCHEMAS}{renamed}")),
                _ => rename(value, names),
            };
            (key.clone(), value)
        })),
        Value::Array(items) => items.iter().map(|item| rename(item, names)).collect(),
        other => other.clone(),
    }
}

/// Returns references to the messages of a channel, which are components.
fn members(messages: &[String]) -> Value {
    Value::from_iter(messages.iter().map(|id| {
        let reference = json!({ "$ref": format!("#/components/messages/{id}") });
        (id.clone(), reference)
    }))
}

/// Returns a name that is valid as a key of AsyncAPI and in a `$ref`.
fn identifier(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => c,
            _ => '_',
        })
        .collect()
}

/// Returns the identifier, with a number if it is taken.
fn free(taken: &BTreeMap<String, Value>, id: &str) -> String {
    candidates(id)
        .find(|id| !taken.contains_key(id))
        .unwrap_or_default()
}

fn candidates(id: &str) -> impl Iterator<Item = String> {
    let numbered = id.to_owned();
    std::iter::once(id.to_owned()).chain((2_u64..).map(move |n| format!("{numbered}_{n}")))
}

/// Adds a value under the identifier, or with a number if another value has the identifier.
fn place(values: &mut BTreeMap<String, Value>, id: &str, value: Value) -> String {
    let id = candidates(id)
        .find(|id| values.get(id).is_none_or(|known| *known == value))
        .unwrap_or_default();
    values.insert(id.clone(), value);
    id
}

/// Returns the value with its members sorted, since `serde_json` has a feature that keeps another
/// order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let members: BTreeMap<_, _> = map
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            Value::from_iter(members)
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}
