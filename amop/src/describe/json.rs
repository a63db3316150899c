//! Types, and their JSON schemas in the representations of serde.

use std::{any::type_name, collections::HashMap};

use serde_json::{Map, Value, json};

use super::proto::{ProtoItem, ProtoType};

/// A type with its content.
pub struct TypeDescriptor {
    /// The compiler's name of the type, which tells types apart.
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    /// Whether serde reads a missing value.
    optional: bool,
    json: JsonForm,
    pub(super) proto: Option<fn() -> ProtoItem>,
}

/// How a type is written as JSON.
enum JsonForm {
    /// In a form that is not known.
    Opaque,
    /// With its schema in the place where it is used.
    Inline(fn(&mut JsonTypes) -> Value),
    /// As a definition with a name.
    Definition(fn(&mut JsonTypes) -> Value),
}

impl TypeDescriptor {
    /// Describes a type of which only the name is known.
    pub fn opaque<T: ?Sized>() -> Self {
        Self {
            id: type_name::<T>(),
            name: type_name::<T>(),
            doc: "",
            optional: false,
            json: JsonForm::Opaque,
            proto: None,
        }
    }

    /// Describes a type with a definition.
    pub fn declared<T: ?Sized>(
        [name, doc]: [&'static str; 2],
        schema: fn(&mut JsonTypes) -> Value,
    ) -> Self {
        Self {
            name,
            doc,
            json: JsonForm::Definition(schema),
            ..Self::opaque::<T>()
        }
    }

    /// Adds the protobuf declaration of the type.
    pub fn with_proto(mut self, item: fn() -> ProtoItem) -> Self {
        self.proto = Some(item);
        self
    }

    /// Returns the type as fields of messages refer to it. `google` is its name in the package
    /// `google.protobuf`, if it belongs there.
    pub fn in_proto(&self, google: Option<&'static str>) -> ProtoType {
        ProtoType {
            google,
            id: self.id,
            item: self.proto,
        }
    }

    /// Says that serde reads a missing value.
    pub(super) fn or_missing(mut self) -> Self {
        self.optional = true;
        self
    }

    pub(super) fn inline<T: ?Sized>(schema: fn(&mut JsonTypes) -> Value) -> Self {
        Self {
            json: JsonForm::Inline(schema),
            ..Self::opaque::<T>()
        }
    }

    /// Returns the schema of the type, and the schemas that it refers to, by name.
    pub(super) fn json(&self) -> (Value, Map<String, Value>) {
        let mut types = JsonTypes::default();
        let schema = types.of(self);
        let mut definitions = Map::new();
        while let Some(Pending { name, schema, doc }) = types.queue.pop() {
            let definition = schema(&mut types);
            definitions.insert(name, documented(definition, doc));
        }
        (schema, definitions)
    }
}

/// Schemas under construction.
#[derive(Default)]
pub struct JsonTypes {
    /// The names of definitions, by the names of the types.
    names: HashMap<&'static str, String>,
    queue: Vec<Pending>,
}

/// A definition that is not written yet.
struct Pending {
    name: String,
    schema: fn(&mut JsonTypes) -> Value,
    doc: &'static str,
}

impl JsonTypes {
    /// Returns the schema of a type where it is used.
    pub(super) fn of(&mut self, of: &TypeDescriptor) -> Value {
        match of.json {
            JsonForm::Opaque => Self::unknown(of.id),
            JsonForm::Inline(schema) => schema(self),
            JsonForm::Definition(schema) => self.reference(of, schema),
        }
    }

    /// Returns a reference to a definition, which is written later: types may refer to themselves.
    fn reference(&mut self, of: &TypeDescriptor, schema: fn(&mut Self) -> Value) -> Value {
        let known = self.names.get(of.id).cloned();
        let name = known.unwrap_or_else(|| {
            let mut unique = of.name.to_owned();
            while self.names.values().any(|taken| *taken == unique) {
                unique.push('_');
            }
            self.names.insert(of.id, unique.clone());
            self.queue.push(Pending {
                name: unique.clone(),
                schema,
                doc: of.doc,
            });
            unique
        });
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    pub(super) fn list(&mut self, of: &TypeDescriptor) -> Value {
        json!({ "type": "array", "items": self.of(of) })
    }

    pub(super) fn map(&mut self, of: &TypeDescriptor) -> Value {
        json!({ "type": "object", "additionalProperties": self.of(of) })
    }

    /// Returns a schema that also allows null.
    pub(super) fn nullable(&mut self, of: &TypeDescriptor) -> Value {
        let mut schema = self.of(of);
        match schema.get("type") {
            Some(Value::String(name)) if schema.get("enum").is_none() => {
                schema["type"] = json!([name, "null"]);
                schema
            }
            _ => json!({ "anyOf": [schema, { "type": "null" }] }),
        }
    }
}

/// What the derive calls.
impl JsonTypes {
    /// Returns the schema of a type whose form is not known: it allows anything.
    pub fn unknown(name: &str) -> Value {
        json!({ "x-rust-type": name })
    }

    /// Returns the schema of nothing.
    pub fn null() -> Value {
        json!({ "type": "null" })
    }

    /// Returns the schema of the only field of a type.
    pub fn newtype(&mut self, doc: &str, of: TypeDescriptor) -> Value {
        documented(self.of(&of), doc)
    }

    /// Returns the schema of an array with one item of each type.
    pub fn tuple<const N: usize>(&mut self, items: [(&str, TypeDescriptor); N]) -> Value {
        let items = items.map(|(doc, of)| self.newtype(doc, of));
        match N {
            // An empty list of schemas is not allowed.
            0 => json!({ "type": "array", "maxItems": 0 }),
            _ => json!({ "type": "array", "items": items.to_vec(), "minItems": N, "maxItems": N }),
        }
    }

    /// Begins the schema of a type with named fields.
    pub fn object(&mut self) -> JsonObject<'_> {
        JsonObject {
            types: self,
            properties: Map::new(),
            required: Vec::new(),
            flattened: Vec::new(),
        }
    }

    /// Begins the schema of an enum. Without a tag or content, pass an empty text.
    pub fn variants<'a>(
        &'a mut self,
        [tag, content]: [&'static str; 2],
        untagged: bool,
    ) -> JsonVariants<'a> {
        JsonVariants {
            types: self,
            tag,
            content,
            untagged,
            names: Vec::new(),
            choices: Vec::new(),
        }
    }
}

/// The schema of a type with named fields, under construction.
pub struct JsonObject<'a> {
    types: &'a mut JsonTypes,
    properties: Map<String, Value>,
    required: Vec<&'static str>,
    flattened: Vec<Value>,
}

impl JsonObject<'_> {
    /// Adds a field, which may be missing if it is `optional` or its type says so.
    pub fn field(
        mut self,
        [name, doc]: [&'static str; 2],
        [optional, flatten]: [bool; 2],
        of: TypeDescriptor,
    ) -> Self {
        let may_be_missing = optional || of.optional;
        let schema = self.types.newtype(doc, of);
        if flatten {
            self.flattened.push(schema);
        } else {
            self.properties.insert(name.to_owned(), schema);
            self.required.extend((!may_be_missing).then_some(name));
        }
        self
    }

    /// Returns the schema. If it is `closed`, other members are refused.
    pub fn finish(self, closed: bool) -> Value {
        let mut schema = json!({ "type": "object", "properties": self.properties });
        if !self.required.is_empty() {
            schema["required"] = json!(self.required);
        }
        if !self.flattened.is_empty() {
            schema["allOf"] = json!(self.flattened);
        } else if closed {
            schema["additionalProperties"] = json!(false);
        }
        schema
    }
}

/// The schema of an enum, under construction.
pub struct JsonVariants<'a> {
    types: &'a mut JsonTypes,
    tag: &'static str,
    content: &'static str,
    untagged: bool,
    /// The names of variants that are written as their names alone.
    names: Vec<&'static str>,
    choices: Vec<Value>,
}

impl JsonVariants<'_> {
    /// Adds a variant without content.
    pub fn unit(mut self, names: [&'static str; 2], untagged: bool) -> Self {
        if self.tag.is_empty() && !self.untagged && !untagged {
            self.names.push(names[0]);
            return self;
        }
        self.add(names, untagged, None);
        self
    }

    /// Adds a variant.
    pub fn variant(
        mut self,
        names: [&'static str; 2],
        untagged: bool,
        content: fn(&mut JsonTypes) -> Value,
    ) -> Self {
        let content = content(self.types);
        self.add(names, untagged, Some(content));
        self
    }

    fn add(&mut self, [name, doc]: [&str; 2], untagged: bool, content: Option<Value>) {
        let (tag, key) = (self.tag, self.content);
        let tagged = || {
            json!({
                "type": "object",
                "properties": { tag: { "const": name } },
                "required": [tag],
            })
        };
        let schema = match content {
            content if untagged || self.untagged => content.unwrap_or_else(JsonTypes::null),
            None => tagged(),
            Some(content) if tag.is_empty() => json!({
                "type": "object",
                "properties": { name: content },
                "required": [name],
                "additionalProperties": false,
            }),
            Some(content) if key.is_empty() => json!({ "allOf": [tagged(), content] }),
            Some(content) => json!({
                "type": "object",
                "properties": { tag: { "const": name }, key: content },
                "required": [tag, key],
            }),
        };
        self.choices.push(documented(schema, doc));
    }

    /// Returns the schema.
    pub fn finish(mut self) -> Value {
        if !self.names.is_empty() {
            let names = json!({ "type": "string", "enum": self.names });
            self.choices.insert(0, names);
        }
        match self.choices.len() {
            // An enum without variants has no values.
            0 => json!({ "not": {} }),
            1 => self.choices.remove(0),
            _ if self.untagged => json!({ "anyOf": self.choices }),
            _ => json!({ "oneOf": self.choices }),
        }
    }
}

/// Adds a description. In draft 7, members next to a `$ref` are ignored.
fn documented(mut schema: Value, doc: &str) -> Value {
    if doc.is_empty() {
        schema
    } else if schema.get("$ref").is_some() {
        json!({ "allOf": [schema], "description": doc })
    } else {
        schema["description"] = json!(doc);
        schema
    }
}
