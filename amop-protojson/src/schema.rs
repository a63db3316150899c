//! The properties of messages: their fields, by number and by name, and the forms of
//! `google.protobuf` types.

use crate::{MappingError, ProtoJsonError};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};
use std::collections::{BTreeMap, HashMap};

#[derive(Debug, Default)]
pub(crate) struct SchemaIndex {
    pub(crate) messages: Vec<MessageSchema>,
    pub(crate) enums: Vec<Enum>,
    by_name: HashMap<String, usize>,
}

#[derive(Debug)]
pub(crate) struct MessageSchema {
    pub(crate) name: String,
    pub(crate) form: MessageForm,
    /// The fields, by their numbers.
    pub(crate) fields: BTreeMap<u32, Field>,
    by_name: HashMap<String, u32>,
}

/// The form of a message in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageForm {
    /// An object with its fields.
    Object,
    Any,
    Timestamp,
    Duration,
    FieldMask,
    Struct,
    Value,
    ListValue,
    /// The value that it contains.
    Wrapper,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    /// The name in the `.proto` file.
    pub(crate) name: String,
    pub(crate) json_name: String,
    /// The JSON name as a member of an object begins: in quotes, with the colon.
    pub(crate) member: String,
    pub(crate) kind: FieldKind,
    pub(crate) shape: FieldShape,
    pub(crate) oneof: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldShape {
    /// One value. Without presence, the default is not written.
    Single {
        presence: bool,
    },
    List {
        packed: bool,
    },
    /// The kind of the field is that of the map's values.
    Map {
        key: FieldKind,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum(usize),
    Message(usize),
    Group(usize),
}

impl FieldKind {
    /// Returns whether a map's keys may be of this kind.
    fn is_for_keys(self) -> bool {
        !matches!(
            self,
            Self::Double
                | Self::Float
                | Self::Bytes
                | Self::Enum(_)
                | Self::Message(_)
                | Self::Group(_)
        )
    }
}

#[derive(Debug)]
pub(crate) struct Enum {
    pub(crate) name: String,
    /// Whether numbers without a name are invalid.
    pub(crate) closed: bool,
    /// Whether this is `google.protobuf.NullValue`, which is written as `null`.
    pub(crate) null: bool,
    /// The name that is written for a number.
    names: HashMap<i32, String>,
    numbers: HashMap<String, i32>,
}

impl SchemaIndex {
    pub(crate) fn new(files: &FileDescriptorSet) -> Result<Self, MappingError> {
        let mut types = Types::default();
        for file in &files.file {
            let proto3 = match file.syntax() {
                "proto3" => true,
                "" | "proto2" => false,
                other => {
                    return Err(MappingError::new(format!(
                        "{} is written in {other}, which this version does not know: use proto2 or proto3",
                        file.name()
                    )));
                }
            };
            let scope = match file.package() {
                "" => String::new(),
                package => format!(".{package}"),
            };
            for message in &file.message_type {
                types.message(&scope, message, proto3);
            }
            for of in &file.enum_type {
                types.add_enum(&scope, of, proto3);
            }
        }
        types.schema()
    }

    pub(crate) fn message(&self, name: &str) -> Result<&MessageSchema, ProtoJsonError> {
        self.find(name)
            .ok_or_else(|| ProtoJsonError::new(format!("there is no message `{name}`")))
    }

    pub(crate) fn find(&self, name: &str) -> Option<&MessageSchema> {
        self.by_name.get(name).map(|index| &self.messages[*index])
    }
}

impl MessageSchema {
    /// Returns a field that Google's declaration of this type has.
    pub(crate) fn field(&self, number: u32) -> Result<&Field, ProtoJsonError> {
        self.fields.get(&number).ok_or_else(|| self.unusual())
    }

    /// Returns the error of a `google.protobuf` type with other fields than Google's.
    pub(crate) fn unusual(&self) -> ProtoJsonError {
        ProtoJsonError::new(format!("`{}` differs from Google's declaration", self.name))
    }

    /// Returns the field for a name in JSON: its JSON name, or the name in the `.proto` file.
    pub(crate) fn by_name(&self, name: &str) -> Option<&Field> {
        self.fields.get(self.by_name.get(name)?)
    }
}

impl Enum {
    pub(crate) fn name_of(&self, number: i32) -> Option<&str> {
        self.names.get(&number).map(String::as_str)
    }

    pub(crate) fn number_of(&self, name: &str) -> Option<i32> {
        self.numbers.get(name).copied()
    }
}

/// The types of all files, before they are combined.
#[derive(Default)]
struct Types<'a> {
    messages: Vec<(String, &'a DescriptorProto, bool)>,
    enums: Vec<Enum>,
    /// The names in the form of descriptors, with a leading dot.
    message_names: HashMap<String, usize>,
    enum_names: HashMap<String, usize>,
}

impl<'a> Types<'a> {
    fn message(&mut self, scope: &str, message: &'a DescriptorProto, proto3: bool) {
        let name = format!("{scope}.{}", message.name());
        for nested in &message.nested_type {
            self.message(&name, nested, proto3);
        }
        for of in &message.enum_type {
            self.add_enum(&name, of, proto3);
        }
        self.message_names.insert(name.clone(), self.messages.len());
        self.messages.push((name, message, proto3));
    }

    fn add_enum(&mut self, scope: &str, of: &EnumDescriptorProto, proto3: bool) {
        let name = format!("{scope}.{}", of.name());
        // If a number has several names, the first one is written.
        let names = of.value.iter().rev();
        let numbers = of.value.iter();
        self.enum_names.insert(name.clone(), self.enums.len());
        self.enums.push(Enum {
            closed: !proto3,
            null: name == ".google.protobuf.NullValue",
            names: names
                .map(|value| (value.number(), value.name().to_owned()))
                .collect(),
            numbers: numbers
                .map(|value| (value.name().to_owned(), value.number()))
                .collect(),
            name: name[1..].to_owned(),
        });
    }

    fn schema(self) -> Result<SchemaIndex, MappingError> {
        let mut schema = SchemaIndex::default();
        for (name, message, proto3) in &self.messages {
            let fields = message.field.iter();
            let fields = fields
                .map(|field| self.field(name, field, *proto3))
                .collect::<Result<Vec<_>, _>>()?;
            let name = name[1..].to_owned();
            schema.by_name.insert(name.clone(), schema.messages.len());
            schema.messages.push(MessageSchema::new(name, fields));
        }
        schema.enums = self.enums;
        Ok(schema)
    }

    fn field(
        &self,
        message: &str,
        field: &FieldDescriptorProto,
        proto3: bool,
    ) -> Result<Field, MappingError> {
        let number = u32::try_from(field.number())
            .map_err(|_| MappingError::new(format!("{message}.{} has no number", field.name())))?;
        let mut kind = self.kind(message, field)?;
        let list = field.label() == Label::Repeated;
        let entry = match kind {
            FieldKind::Message(index) if list => Some(&self.messages[index])
                .filter(|(_, of, _)| of.options.as_ref().is_some_and(|o| o.map_entry())),
            _ => None,
        };
        let shape = if let Some((name, entry, _)) = entry {
            let part = |number: i32| {
                let field = entry.field.iter().find(|field| field.number() == number);
                let missing = || MappingError::new(format!("{name} is not a map entry"));
                self.kind(name, field.ok_or_else(missing)?)
            };
            kind = part(2)?;
            let key = part(1)?;
            if !key.is_for_keys() {
                return Err(MappingError::new(format!(
                    "{name} has a key that is no text, integer or boolean"
                )));
            }
            FieldShape::Map { key }
        } else if list {
            let packable = !matches!(
                kind,
                FieldKind::String | FieldKind::Bytes | FieldKind::Message(_) | FieldKind::Group(_)
            );
            let packed = field.options.as_ref().and_then(|options| options.packed);
            FieldShape::List {
                packed: packable && packed.unwrap_or(proto3),
            }
        } else {
            let message = matches!(kind, FieldKind::Message(_) | FieldKind::Group(_));
            FieldShape::Single {
                presence: !proto3 || message || field.oneof_index.is_some(),
            }
        };
        let oneof = field.oneof_index.filter(|_| !field.proto3_optional());
        let json_name = match &field.json_name {
            Some(name) => name.clone(),
            None => json_name(field.name()),
        };
        Ok(Field {
            number,
            name: field.name().to_owned(),
            member: format!("{}:", serde_json::Value::from(&*json_name)),
            json_name,
            kind,
            shape,
            oneof: oneof.and_then(|index| usize::try_from(index).ok()),
        })
    }

    fn kind(&self, message: &str, field: &FieldDescriptorProto) -> Result<FieldKind, MappingError> {
        let find = |names: &HashMap<String, usize>| {
            names.get(field.type_name()).copied().ok_or_else(|| {
                MappingError::new(format!(
                    "{}.{} has the type `{}`, which no file declares",
                    message.trim_start_matches('.'),
                    field.name(),
                    field.type_name()
                ))
            })
        };
        Ok(match field.r#type() {
            Type::Double => FieldKind::Double,
            Type::Float => FieldKind::Float,
            Type::Int32 => FieldKind::Int32,
            Type::Int64 => FieldKind::Int64,
            Type::Uint32 => FieldKind::Uint32,
            Type::Uint64 => FieldKind::Uint64,
            Type::Sint32 => FieldKind::Sint32,
            Type::Sint64 => FieldKind::Sint64,
            Type::Fixed32 => FieldKind::Fixed32,
            Type::Fixed64 => FieldKind::Fixed64,
            Type::Sfixed32 => FieldKind::Sfixed32,
            Type::Sfixed64 => FieldKind::Sfixed64,
            Type::Bool => FieldKind::Bool,
            Type::String => FieldKind::String,
            Type::Bytes => FieldKind::Bytes,
            Type::Enum => FieldKind::Enum(find(&self.enum_names)?),
            Type::Message => FieldKind::Message(find(&self.message_names)?),
            Type::Group => FieldKind::Group(find(&self.message_names)?),
        })
    }
}

impl MessageSchema {
    fn new(name: String, fields: Vec<Field>) -> Self {
        let fields = fields.into_iter().map(|field| (field.number, field));
        let fields: BTreeMap<_, _> = fields.collect();
        let own_names = fields.values().map(|field| (&field.name, field.number));
        // The JSON name of one field has priority over the `.proto` name of another.
        let json_names = fields
            .values()
            .map(|field| (&field.json_name, field.number));
        let by_name = own_names.chain(json_names);
        let by_name = by_name.map(|(name, number)| (name.clone(), number));
        let form = match name.strip_prefix("google.protobuf.") {
            Some("Any") => MessageForm::Any,
            Some("Timestamp") => MessageForm::Timestamp,
            Some("Duration") => MessageForm::Duration,
            Some("FieldMask") => MessageForm::FieldMask,
            Some("Struct") => MessageForm::Struct,
            Some("Value") => MessageForm::Value,
            Some("ListValue") => MessageForm::ListValue,
            Some(
                "BoolValue" | "BytesValue" | "DoubleValue" | "FloatValue" | "Int32Value"
                | "Int64Value" | "StringValue" | "UInt32Value" | "UInt64Value",
            ) => MessageForm::Wrapper,
            _ => MessageForm::Object,
        };
        Self {
            name,
            form,
            by_name: by_name.collect(),
            fields,
        }
    }
}

/// Returns the JSON name of a field whose descriptor has none.
fn json_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else if upper {
            out.push(c.to_ascii_uppercase());
            upper = false;
        } else {
            out.push(c);
        }
    }
    out
}
