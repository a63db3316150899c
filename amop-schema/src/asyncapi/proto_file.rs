//! The types that the text of one `.proto` file contains, and their names there.
//!
//! A file has one package. Types of other packages are moved to the message's package, with names
//! such as `other_package_Type`, which do not appear on the wire. Types of `google.protobuf` are
//! imported, since every protobuf compiler has them.

use super::comments::ProtoComments;
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The version of the language of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Proto2,
    Proto3,
}

/// The parts of a file.
pub(super) struct ProtoFile {
    pub(super) syntax: Syntax,
    comments: ProtoComments,
    pub(super) package: String,
    /// The top-level messages and enums, in the order in which they were found.
    pub(super) messages: Vec<MessageDescriptor>,
    pub(super) enums: Vec<EnumDescriptor>,
    /// Full names of all types to write. A message that only contains such types is written without
    /// fields.
    pub(super) used: HashSet<String>,
    pub(super) imports: BTreeSet<String>,
    /// The names of top-level types in this file, by full name.
    names: HashMap<String, String>,
    /// The new names of values of top-level enums that were renamed here, by the enum's full name
    /// and the value's name.
    values: HashMap<(String, String), String>,
    /// The full name of the main message.
    pub(super) root: String,
}

impl ProtoFile {
    pub(super) fn new(root: &MessageDescriptor) -> Self {
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
            let shadowed = packages.any(|part| part == "google") || is_shadowed("google", within);
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
        if root || is_shadowed(first, within) {
            match self.package.as_str() {
                "" => format!(".{name}"),
                package => format!(".{package}.{name}"),
            }
        } else {
            name
        }
    }

    pub(super) fn own_name(&self, full: &str, name: &str) -> String {
        self.names.get(full).cloned().unwrap_or(name.to_owned())
    }

    /// Returns whether a message or a type inside it is written.
    pub(super) fn is_used(&self, message: &MessageDescriptor) -> bool {
        let inside = format!("{}.", message.full_name());
        self.used.contains(message.full_name())
            || self.used.iter().any(|used| used.starts_with(&inside))
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

pub(super) fn outermost(message: &MessageDescriptor) -> MessageDescriptor {
    let mut outer = message.clone();
    while let Some(parent) = outer.parent_message() {
        outer = parent;
    }
    outer
}

fn is_well_known(package: &str) -> bool {
    package == "google.protobuf"
}

/// Returns whether a name has another meaning inside a message than at the top level.
fn is_shadowed(name: &str, within: &MessageDescriptor) -> bool {
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
