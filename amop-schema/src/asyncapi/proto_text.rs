//! Writes a message and all types that it uses as the text of one `.proto` file.
//!
//! A file has one package. Types of other packages are moved to the message's package, with names
//! such as `other_package_Type`, which do not appear on the wire. Types of `google.protobuf` are
//! imported, since every protobuf compiler has them.

use super::{
    PayloadSchema, ROOT_MARK,
    comments::ProtoComments,
    proto_fields::{self, Syntax},
};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

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

/// The parts of a file.
pub(super) struct ProtoFile {
    pub(super) syntax: Syntax,
    pub(super) comments: ProtoComments,
    package: String,
    /// The top-level messages and enums, in the order in which they were found.
    messages: Vec<MessageDescriptor>,
    enums: Vec<EnumDescriptor>,
    /// Full names of all types to write. A message that only contains such types is written without
    /// fields.
    used: HashSet<String>,
    imports: BTreeSet<String>,
    /// The names of top-level types in this file, by full name.
    names: HashMap<String, String>,
    /// The new names of values of top-level enums that were renamed here, by the enum's full name
    /// and the value's name.
    values: HashMap<(String, String), String>,
    /// The full name of the main message.
    root: String,
}

impl ProtoFile {
    fn new(root: &MessageDescriptor) -> Self {
        let mut file = Self {
            syntax: Syntax::Proto3,
            comments: ProtoComments::default(),
            package: root.package_name().to_owned(),
            messages: Vec::new(),
            enums: Vec::new(),
            used: HashSet::new(),
            imports: BTreeSet::new(),
            names: HashMap::new(),
            values: HashMap::new(),
            root: root.full_name().to_owned(),
        };
        file.collect(root);
        file.name();
        file
    }

    /// Finds all types that the message uses.
    fn collect(&mut self, root: &MessageDescriptor) {
        let mut queue = vec![root.clone()];
        let mut top = HashSet::new();
        while let Some(message) = queue.pop() {
            if !self.used.insert(message.full_name().to_owned()) {
                continue;
            }
            let outer = outermost(&message);
            self.note_syntax(outer.parent_file().syntax());
            if top.insert(outer.full_name().to_owned()) {
                self.messages.push(outer);
            }
            for field in message.fields() {
                self.collect_field(&field, &mut queue, &mut top);
            }
        }
    }

    fn collect_field(
        &mut self,
        field: &FieldDescriptor,
        queue: &mut Vec<MessageDescriptor>,
        top: &mut HashSet<String>,
    ) {
        match field.kind() {
            Kind::Message(message) if is_well_known(message.package_name()) => {
                self.imports.insert(message.parent_file().name().to_owned());
            }
            Kind::Enum(values) if is_well_known(values.package_name()) => {
                self.imports.insert(values.parent_file().name().to_owned());
            }
            // The message of a map's entry is not written, only its value's type.
            Kind::Message(message) => queue.push(message),
            Kind::Enum(values) => self.collect_enum(values, top),
            _ => {}
        }
    }

    fn collect_enum(&mut self, values: EnumDescriptor, top: &mut HashSet<String>) {
        if !self.used.insert(values.full_name().to_owned()) {
            return;
        }
        self.note_syntax(values.parent_file().syntax());
        let Some(parent) = values.parent_message() else {
            self.enums.push(values);
            return;
        };
        let outer = outermost(&parent);
        if top.insert(outer.full_name().to_owned()) {
            self.messages.push(outer);
        }
    }

    /// Proto2 can express all of proto3, but not the other way round.
    fn note_syntax(&mut self, syntax: prost_reflect::Syntax) {
        if syntax == prost_reflect::Syntax::Proto2 {
            self.syntax = Syntax::Proto2;
        }
    }

    /// Chooses the names of the top-level types.
    fn name(&mut self) {
        let messages = self.messages.iter().map(|message| {
            let package = message.package_name().to_owned();
            (
                package,
                message.name().to_owned(),
                message.full_name().to_owned(),
            )
        });
        let enums = self.enums.iter().map(|values| {
            let package = values.package_name().to_owned();
            (
                package,
                values.name().to_owned(),
                values.full_name().to_owned(),
            )
        });
        // Types of the same package come first: they keep their names.
        let (own, others): (Vec<_>, Vec<_>) = messages
            .chain(enums)
            .partition(|(package, ..)| *package == self.package);
        let mut taken = HashSet::new();
        for (_, name, full) in own {
            taken.insert(name.clone());
            self.names.insert(full, name);
        }
        // The names of enum values are in the scope around the enum.
        let (own_enums, other_enums): (Vec<_>, Vec<_>) = std::mem::take(&mut self.enums)
            .into_iter()
            .partition(|values| values.package_name() == self.package);
        for value in own_enums.iter().flat_map(EnumDescriptor::values) {
            taken.insert(value.name().to_owned());
        }
        for (_, _, full) in others {
            let name = free(&mut taken, full.replace('.', "_"));
            self.names.insert(full, name);
        }
        for values in &other_enums {
            let name = self.own_name(values.full_name(), values.name());
            for value in values.values() {
                if !taken.insert(value.name().to_owned()) {
                    let key = (values.full_name().to_owned(), value.name().to_owned());
                    let unique = free(&mut taken, format!("{name}_{}", value.name()));
                    self.values.insert(key, unique);
                }
            }
        }
        self.enums = [own_enums, other_enums].concat();
    }

    /// Returns the name of an enum's value in the text.
    pub(super) fn value_name(&self, of: &EnumDescriptor, name: &str) -> String {
        let key = (of.full_name().to_owned(), name.to_owned());
        self.values.get(&key).cloned().unwrap_or(key.1)
    }

    /// Returns the name of a type in the text, as seen from inside a message.
    pub(super) fn type_name(&self, full: &str, within: &MessageDescriptor) -> String {
        if is_well_known(full.rsplit_once('.').map_or("", |(package, _)| package)) {
            let mut packages = self.package.split('.');
            let shadowed = packages.any(|part| part == "google")
                || proto_fields::is_shadowed("google", within);
            return match shadowed {
                true => format!(".{full}"),
                false => full.to_owned(),
            };
        }
        // The type is at the top level, or nested in a type that is.
        let outer = self
            .names
            .iter()
            .filter(|(outer, _)| {
                full.strip_prefix(outer.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
            .max_by_key(|(outer, _)| outer.len());
        let Some((outer, name)) = outer else {
            return format!(".{full}");
        };
        let name = format!("{name}{}", &full[outer.len()..]);
        let first = name.split('.').next().unwrap_or(&name);
        // AsyncAPI's parser takes the message that no other message refers to by its plain name as
        // the main one, so references to the main message are qualified.
        let root = full == self.root && within.full_name() != full;
        if root || proto_fields::is_shadowed(first, within) {
            match self.package.as_str() {
                "" => format!(".{name}"),
                package => format!(".{package}.{name}"),
            }
        } else {
            name
        }
    }

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

    fn own_name(&self, full: &str, name: &str) -> String {
        self.names.get(full).cloned().unwrap_or(name.to_owned())
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
    pub(super) fn body(&mut self, text: &mut String, message: &MessageDescriptor, depth: usize) {
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
            proto_fields::write(self, text, message, depth);
        }
    }

    /// Returns whether a message or a type inside it is written.
    fn is_used(&self, message: &MessageDescriptor) -> bool {
        let inside = format!("{}.", message.full_name());
        self.used.contains(message.full_name())
            || self.used.iter().any(|used| used.starts_with(&inside))
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

    /// Writes the comment on the item at `path` of `file`.
    pub(super) fn comment(
        &mut self,
        text: &mut String,
        file: &prost_reflect::FileDescriptor,
        path: &[i32],
        depth: usize,
    ) {
        let indent = "  ".repeat(depth);
        for line in self.comments.of(file, path).unwrap_or_default().lines() {
            text.push_str(format!("{indent}// {line}").trim_end());
            text.push('\n');
        }
    }
}

/// Returns the name, extended until it is not taken.
fn free(taken: &mut HashSet<String>, mut name: String) -> String {
    while !taken.insert(name.clone()) {
        name.push('_');
    }
    name
}

/// Writes an empty line between declarations.
fn separate(text: &mut String, start: usize) {
    if text.len() > start {
        text.push('\n');
    }
}

fn outermost(message: &MessageDescriptor) -> MessageDescriptor {
    let mut outer = message.clone();
    while let Some(parent) = outer.parent_message() {
        outer = parent;
    }
    outer
}

fn is_well_known(package: &str) -> bool {
    package == "google.protobuf"
}
