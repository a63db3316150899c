//! Writes described messages as the text of one `.proto` file.
//!
//! Types and enum values have the names of the Rust code, which may differ from those in the
//! `.proto` file that prost used; names do not appear on the wire.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    TypeDescriptor,
    proto::{ProtoField, ProtoItem, ProtoKind, ProtoType, ProtoValue},
};

/// The comment that marks the main message, for AsyncAPI's own tools and for readers.
const ROOT_MARK: &str = "// @RootNode";

/// The text of a `.proto` file.
pub(super) struct ProtoFile {
    pub(super) text: String,
    /// The version of the protobuf language.
    pub(super) version: u32,
    /// The name of the main message.
    pub(super) message: String,
}

/// Returns the file of a message and of all types that it uses.
pub(super) fn file(of: &TypeDescriptor) -> ProtoFile {
    let mut source = ProtoSource::default();
    let message = source.declared(of.id, of.proto);
    source.root.clone_from(&message);
    let mut blocks: Vec<Vec<ProtoLine>> = Vec::new();
    while let Some((name, item)) = source.queue.pop() {
        let block = match item {
            None => undescribed(&name),
            Some(item) => match &item.values {
                Some(values) => source.enumeration(&item, values, &name),
                None => source.message(&item, &name),
            },
        };
        blocks.push(block);
    }
    // The main message comes first.
    blocks[1..].sort_by(|a, b| a[..1].cmp(&b[..1]));
    blocks[0].insert(0, ProtoLine::Plain(ROOT_MARK.to_owned()));

    let version = if source.proto2 { 2 } else { 3 };
    let mut text = format!("syntax = \"proto{version}\";\n");
    if !source.imports.is_empty() {
        text.push('\n');
    }
    for import in &source.imports {
        text.push_str(&format!("import \"{import}\";\n"));
    }
    for block in blocks {
        text.push('\n');
        for line in block {
            text.push_str(&line.write(source.proto2));
            text.push('\n');
        }
    }
    ProtoFile {
        text,
        version,
        message,
    }
}

/// A line, whose form may depend on the syntax that is found to be needed.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum ProtoLine {
    Plain(String),
    Field {
        indent: &'static str,
        /// `None` for members of a oneof and maps.
        label: Option<&'static str>,
        /// The type, the name and the number.
        declaration: String,
        packed: Option<bool>,
        default: Option<String>,
    },
}

impl ProtoLine {
    fn write(&self, proto2: bool) -> String {
        match self {
            Self::Plain(line) => line.clone(),
            Self::Field {
                indent,
                label,
                declaration,
                packed,
                default,
            } => {
                let label = match label {
                    None => "",
                    Some("repeated") => "repeated ",
                    Some("required") if proto2 => "required ",
                    Some("") if !proto2 => "",
                    Some(_) => "optional ",
                };
                let mut options = Vec::new();
                if let Some(packed) = packed.filter(|packed| *packed == proto2) {
                    options.push(format!("packed = {packed}"));
                }
                if let Some(default) = default {
                    options.push(format!("default = {default}"));
                }
                let options = match options.as_slice() {
                    [] => String::new(),
                    options => format!(" [{}]", options.join(", ")),
                };
                format!("{indent}{label}{declaration}{options};")
            }
        }
    }
}

#[derive(Default)]
struct ProtoSource {
    /// Whether a declaration needs proto2.
    proto2: bool,
    imports: BTreeSet<String>,
    /// The names of types in the text, by the names of the types in Rust.
    names: BTreeMap<&'static str, String>,
    /// The names of enum values in the text, by the name of the enum in Rust and the variant.
    values: BTreeMap<(&'static str, &'static str), String>,
    /// The main message.
    root: String,
    /// Types that are not written yet, with their names in the text.
    queue: Vec<(String, Option<ProtoItem>)>,
}

impl ProtoSource {
    /// Returns the name of a type in the text. The type is written later.
    fn declared(&mut self, id: &'static str, item: Option<fn() -> ProtoItem>) -> String {
        let item = item.map(|item| item());
        let (id, name) = match &item {
            Some(item) => (item.id, item.name),
            None => (id, last_word(id)),
        };
        if let Some(known) = self.names.get(id) {
            return known.clone();
        }
        let unique = self.free(name.to_owned());
        self.names.insert(id, unique.clone());
        self.queue.push((unique.clone(), item));
        unique
    }

    /// Returns the name, extended until it is unique in the text: types and the values of all enums
    /// share a scope.
    fn free(&self, mut name: String) -> String {
        let taken = |name: &str| {
            let mut all = self.names.values().chain(self.values.values());
            all.any(|taken| taken == name)
        };
        while taken(&name) {
            name.push('_');
        }
        name
    }

    /// Returns the name of an enum's value in the text.
    fn value(&mut self, of: &'static str, value: &ProtoValue) -> String {
        let key = (of, value.variant);
        if let Some(known) = self.values.get(&key) {
            return known.clone();
        }
        let name = self.free(value.name.to_owned());
        self.values.insert(key, name.clone());
        name
    }

    /// Returns the name of a type as another message refers to it. AsyncAPI's parser takes the
    /// message that no other message refers to by its plain name as the main one, so references to
    /// the main message are qualified.
    fn reference(&self, name: String, within: &str) -> String {
        if name == self.root && within != name {
            format!(".{name}")
        } else {
            name
        }
    }

    fn message(&mut self, item: &ProtoItem, name: &str) -> Vec<ProtoLine> {
        let mut lines = vec![ProtoLine::Plain(format!("message {name} {{"))];
        // Members of oneofs share the scope of the fields, unlike in Rust.
        let mut taken: BTreeSet<String> = item
            .fields
            .iter()
            .map(|field| in_json(field.names[0]))
            .collect();
        for field in &item.fields {
            let [own, doc, _] = field.names;
            comment(&mut lines, doc, "  ");
            match &field.of {
                ProtoKind::Oneof(of) => self.oneof(&mut lines, own, of, (name, &mut taken)),
                _ => lines.push(self.field(field, own, name, "  ")),
            }
        }
        lines.push(ProtoLine::Plain("}".to_owned()));
        lines
    }

    fn oneof(
        &mut self,
        lines: &mut Vec<ProtoLine>,
        name: &str,
        of: &ProtoType,
        (within, taken): (&str, &mut BTreeSet<String>),
    ) {
        let Some(item) = of.item.map(|item| item()) else {
            let hint = format!("  // oneof {name}: derive amop::Describe for `{}`", of.id);
            lines.push(ProtoLine::Plain(hint));
            return;
        };
        lines.push(ProtoLine::Plain(format!("  oneof {name} {{")));
        for member in &item.fields {
            let [plain, doc, _] = member.names;
            let others = (1_u32..).map(|number| match number {
                1 => format!("{name}_{plain}"),
                number => format!("{name}_{plain}{number}"),
            });
            let mut names = std::iter::once(plain.to_owned()).chain(others);
            let free = names.find(|name| taken.insert(in_json(name)));
            comment(lines, doc, "    ");
            let mut line = self.field(member, &free.unwrap_or_default(), within, "    ");
            if let ProtoLine::Field { label, .. } = &mut line {
                *label = None;
            }
            lines.push(line);
        }
        lines.push(ProtoLine::Plain("  }".to_owned()));
    }

    fn field(
        &mut self,
        field: &ProtoField,
        name: &str,
        within: &str,
        indent: &'static str,
    ) -> ProtoLine {
        self.proto2 |= field.label == "required" || field.default.is_some();
        let of = self.type_name(&field.of);
        let of = self.reference(of, within);
        let default = field.default.map(|default| match &field.of {
            ProtoKind::Scalar("string" | "bytes") => {
                format!("\"{}\"", default.as_bytes().escape_ascii())
            }
            ProtoKind::Enumeration(of) => self.default_value(of, default),
            _ => default.to_owned(),
        });
        let (label, of) = match field.key {
            Some(key) => (None, format!("map<{key}, {of}>")),
            None => (Some(field.label), of),
        };
        let numeric = match &field.of {
            ProtoKind::Scalar(of) => !matches!(*of, "string" | "bytes"),
            ProtoKind::Enumeration(_) => true,
            ProtoKind::Message(_) | ProtoKind::Oneof(_) => false,
        };
        ProtoLine::Field {
            indent,
            label,
            declaration: format!("{of} {name} = {}", field.names[2]),
            packed: (label == Some("repeated") && numeric).then(|| field.packed.unwrap_or(true)),
            default,
        }
    }

    /// Returns the name of an enum's default, which is given as the path of a variant.
    fn default_value(&mut self, of: &ProtoType, path: &str) -> String {
        let variant = last_word(path);
        let item = of.item.map(|item| item());
        let found = item.and_then(|item| {
            let id = item.id;
            let mut values = item.values?.into_iter();
            values
                .find(|value| value.variant == variant)
                .map(|value| (id, value))
        });
        match found {
            Some((id, value)) => self.value(id, &value),
            None => variant.to_owned(),
        }
    }

    fn enumeration(
        &mut self,
        item: &ProtoItem,
        values: &[ProtoValue],
        name: &str,
    ) -> Vec<ProtoLine> {
        let mut lines = vec![ProtoLine::Plain(format!("enum {name} {{"))];
        // In proto3, enums must start with 0.
        self.proto2 |= values.first().is_some_and(|first| first.number != 0);
        for value in values {
            comment(&mut lines, value.doc, "  ");
            let named = self.value(item.id, value);
            lines.push(ProtoLine::Plain(format!("  {named} = {};", value.number)));
        }
        lines.push(ProtoLine::Plain("}".to_owned()));
        lines
    }

    fn type_name(&mut self, of: &ProtoKind) -> String {
        match of {
            ProtoKind::Scalar(of) => (*of).to_owned(),
            ProtoKind::Message(of) | ProtoKind::Oneof(of) => match of.google {
                Some(name) => {
                    self.imports.insert(google_file(name));
                    format!("google.protobuf.{name}")
                }
                None => self.declared(of.id, of.item),
            },
            // The numbers are the same on the wire.
            ProtoKind::Enumeration(ProtoType { item: None, .. }) => "int32".to_owned(),
            ProtoKind::Enumeration(of) => self.declared(of.id, of.item),
        }
    }
}

/// Returns the file that declares a message of the package `google.protobuf`.
fn google_file(name: &str) -> String {
    let file = match name {
        "Any" => "any",
        "Duration" => "duration",
        "Empty" => "empty",
        "FieldMask" => "field_mask",
        "Struct" | "Value" | "ListValue" => "struct",
        "Timestamp" => "timestamp",
        _ => "wrappers",
    };
    format!("google/protobuf/{file}.proto")
}

/// Returns the declaration of a message whose fields are not known.
fn undescribed(name: &str) -> Vec<ProtoLine> {
    let hint = format!("  // The fields are not known: derive amop::Describe for `{name}`.");
    [format!("message {name} {{"), hint, "}".to_owned()]
        .map(ProtoLine::Plain)
        .into()
}

/// Returns a field's name in the form in which protobuf compares names, so that JSON names are
/// unique.
fn in_json(name: &str) -> String {
    name.replace('_', "").to_lowercase()
}

fn comment(lines: &mut Vec<ProtoLine>, doc: &str, indent: &str) {
    for line in doc.lines() {
        let line = format!("{indent}// {line}");
        lines.push(ProtoLine::Plain(line.trim_end().to_owned()));
    }
}

/// Returns the last name of a path, without type arguments.
fn last_word(path: &str) -> &str {
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path).trim()
}
