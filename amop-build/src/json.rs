//! The JSON mapping of messages: which messages need it, and which part of the schema it needs.

use amop_schema::{Schema, TopicCodec, TopicDecl};
use prost::Message as _;
use prost_reflect::{DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FieldOptions, FileDescriptorProto,
    FileDescriptorSet, MessageOptions,
};
use std::collections::{BTreeMap, BTreeSet};

/// The types that travel as JSON, alone or inside another message: full names, by package.
#[derive(Debug, Default)]
pub(crate) struct JsonTypes {
    packages: BTreeMap<String, BTreeSet<String>>,
}

impl JsonTypes {
    /// Collects the types that need the mapping: the messages in topics and replies with the codec
    /// JSON, and the `chosen` ones, by paths as prost-build matches them.
    pub(crate) fn of(schema: &Schema, chosen: &[String]) -> Self {
        let mut types = Self::default();
        for decl in &schema.topics {
            if decl.codec == TopicCodec::Json {
                types.add(&decl.message);
            }
            if let Some(reply) = json_reply(decl) {
                types.add(reply);
            }
        }
        for message in schema.pool.all_messages() {
            let name = message.full_name();
            if chosen.iter().any(|path| is_match(path, name)) && !message.is_map_entry() {
                types.add(&message);
            }
        }
        types
    }

    /// Returns the messages of a package.
    pub(crate) fn messages(&self, package: &str) -> impl Iterator<Item = &str> {
        let names = self.packages.get(package).into_iter().flatten();
        names.map(String::as_str)
    }

    /// Adds a message, its nested messages, and the messages of its fields.
    fn add(&mut self, message: &MessageDescriptor) {
        // A list rather than recursion: a schema may nest deeper than the stack.
        let mut next = vec![message.clone()];
        while let Some(message) = next.pop() {
            let package = message.package_name().to_owned();
            let names = self.packages.entry(package).or_default();
            if !names.insert(message.full_name().to_owned()) {
                continue;
            }
            next.extend(message.child_messages().filter(|of| !of.is_map_entry()));
            next.extend(
                message
                    .fields()
                    .filter_map(|field| match value_kind(&field) {
                        Kind::Message(of) => Some(of),
                        _ => None,
                    }),
            );
        }
    }
}

/// Returns a topic's reply, if it travels as JSON.
pub(crate) fn json_reply(decl: &TopicDecl) -> Option<&MessageDescriptor> {
    let reply = decl.reply.as_ref();
    reply.filter(|_| decl.reply_codec == TopicCodec::Json)
}

/// Returns whether a path given to prost-build matches the item with this name.
fn is_match(path: &str, name: &str) -> bool {
    let within = |rest: &str| rest.is_empty() || rest.starts_with('.');
    match path.strip_prefix('.') {
        Some("") => true,
        Some(path) => name.strip_prefix(path).is_some_and(within),
        None => {
            let ends = |name: &str| {
                name == path
                    || name
                        .strip_suffix(path)
                        .is_some_and(|rest| rest.ends_with('.'))
            };
            // The path also matches items nested in it.
            let mut outer = Some(name);
            std::iter::from_fn(|| {
                let this = outer?;
                outer = this.rsplit_once('.').map(|(outer, _)| outer);
                Some(this)
            })
            .any(ends)
        }
    }
}

/// Returns the kind of a field, or of a map's values.
fn value_kind(field: &FieldDescriptor) -> Kind {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
        kind => kind,
    }
}

/// Returns an encoded descriptor set with only the parts that the mapping of these messages needs.
/// A message with an `Any` needs all messages.
pub(crate) fn descriptors<'a>(
    pool: &DescriptorPool,
    files: &FileDescriptorSet,
    messages: impl Iterator<Item = &'a str>,
) -> Vec<u8> {
    let mut reached = Reached::default();
    for name in messages {
        reached.message_of(pool, name);
    }
    if reached.messages.contains("google.protobuf.Any") {
        let names: Vec<String> = files.file.iter().map(|f| f.name().to_owned()).collect();
        for message in pool.all_messages() {
            let file = message.parent_file();
            if names.iter().any(|name| name == file.name()) {
                reached.message(&message);
            }
        }
    }
    let files = pool.file_descriptor_protos();
    let file = files.filter_map(|file| reached.file(file)).collect();
    FileDescriptorSet { file }.encode_to_vec()
}

#[derive(Default)]
struct Reached {
    messages: BTreeSet<String>,
    enums: BTreeSet<String>,
}

impl Reached {
    fn message_of(&mut self, pool: &DescriptorPool, name: &str) {
        if let Some(message) = pool.get_message_by_name(name) {
            self.message(&message);
        }
    }

    fn message(&mut self, message: &MessageDescriptor) {
        // A list rather than recursion: a schema may nest deeper than the stack.
        let mut next = vec![message.clone()];
        while let Some(message) = next.pop() {
            if !self.messages.insert(message.full_name().to_owned()) {
                continue;
            }
            for field in message.fields() {
                match field.kind() {
                    Kind::Message(of) => next.push(of),
                    Kind::Enum(of) => self.enumeration(&of),
                    _ => {}
                }
            }
        }
    }

    fn enumeration(&mut self, of: &EnumDescriptor) {
        self.enums.insert(of.full_name().to_owned());
    }

    fn file(&self, file: &FileDescriptorProto) -> Option<FileDescriptorProto> {
        let scope = file.package();
        let messages = file.message_type.iter();
        let message_type: Vec<_> = messages.filter_map(|m| self.pruned(scope, m)).collect();
        let enum_type = self.pruned_enums(scope, &file.enum_type);
        (!message_type.is_empty() || !enum_type.is_empty()).then(|| FileDescriptorProto {
            name: file.name.clone(),
            package: file.package.clone(),
            syntax: file.syntax.clone(),
            message_type,
            enum_type,
            ..Default::default()
        })
    }

    fn pruned(&self, scope: &str, message: &DescriptorProto) -> Option<DescriptorProto> {
        let name = within(scope, message.name());
        let nested = message.nested_type.iter();
        let nested_type: Vec<_> = nested.filter_map(|m| self.pruned(&name, m)).collect();
        let enum_type = self.pruned_enums(&name, &message.enum_type);
        let own = self.messages.contains(&name);
        if !own && nested_type.is_empty() && enum_type.is_empty() {
            return None;
        }
        let entry = message.options.as_ref().is_some_and(|o| o.map_entry());
        let mut pruned = DescriptorProto {
            name: message.name.clone(),
            nested_type,
            enum_type,
            options: entry.then(|| MessageOptions {
                map_entry: Some(true),
                ..Default::default()
            }),
            ..Default::default()
        };
        if own {
            pruned.field = message.field.iter().map(pruned_field).collect();
            pruned.oneof_decl = message.oneof_decl.clone();
            for oneof in &mut pruned.oneof_decl {
                oneof.options = None;
            }
        }
        Some(pruned)
    }

    fn pruned_enums(&self, scope: &str, enums: &[EnumDescriptorProto]) -> Vec<EnumDescriptorProto> {
        let wanted = |of: &&EnumDescriptorProto| self.enums.contains(&within(scope, of.name()));
        let pruned = |of: &EnumDescriptorProto| {
            let mut of = EnumDescriptorProto {
                name: of.name.clone(),
                value: of.value.clone(),
                ..Default::default()
            };
            for value in &mut of.value {
                value.options = None;
            }
            of
        };
        enums.iter().filter(wanted).map(pruned).collect()
    }
}

fn pruned_field(field: &FieldDescriptorProto) -> FieldDescriptorProto {
    let packed = field.options.as_ref().and_then(|options| options.packed);
    FieldDescriptorProto {
        default_value: None,
        options: packed.map(|packed| FieldOptions {
            packed: Some(packed),
            ..Default::default()
        }),
        ..field.clone()
    }
}

fn within(scope: &str, name: &str) -> String {
    if scope.is_empty() {
        name.to_owned()
    } else {
        format!("{scope}.{name}")
    }
}

#[cfg(test)]
mod tests;
