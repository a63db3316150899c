//! Finds names that differ in a schema but are the same in Rust, and names that are not possible in
//! Rust. prost-build panics at some of them, and for the others the compiler reports errors in a
//! generated file.

use crate::error::Unsupported;
use amop_schema::Schema;
use heck::{ToSnakeCase, ToUpperCamelCase};
use prost_reflect::{EnumDescriptor, FileDescriptor, MessageDescriptor};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Rust's types that prost's code names. A module with such a name in the same scope would hide the
/// type.
const PRIMITIVES: [&str; 10] = [
    "bool", "f32", "f64", "i32", "i64", "str", "u8", "u32", "u64", "usize",
];

/// The field `package` of a file's descriptor.
const PACKAGE: [i32; 1] = [2];

/// Reports such names in the files for which code is generated.
pub(crate) fn check<'a>(
    schema: &Schema,
    files: impl Iterator<Item = &'a str>,
    retain_enum_prefix: bool,
    refused: &mut Vec<Unsupported>,
) {
    let files: Vec<FileDescriptor> = files
        .filter_map(|name| schema.pool.get_file_by_name(name))
        .collect();
    let mut check = ClashCheck {
        schema,
        retain_enum_prefix,
        refused,
    };
    let mut packages: BTreeMap<String, Vec<NamedItem>> = BTreeMap::new();
    for file in &files {
        let types = packages.entry(file.package_name().to_owned()).or_default();
        for message in file.messages() {
            types.push(NamedItem::of_message(&message));
            check.message(&message);
        }
        for of in file.enums() {
            types.push(NamedItem::of_enum(&of));
            check.enumeration(&of);
        }
    }
    check.modules(&files);
    for types in packages.values() {
        check.unique("type", types);
    }
}

/// An item with a name in Rust.
struct NamedItem {
    rust: String,
    full_name: String,
    file: String,
    path: Vec<i32>,
}

impl NamedItem {
    fn of_message(message: &MessageDescriptor) -> Self {
        Self {
            rust: message.name().to_upper_camel_case(),
            full_name: message.full_name().to_owned(),
            file: message.parent_file().name().to_owned(),
            path: message.path().to_vec(),
        }
    }

    fn of_enum(of: &EnumDescriptor) -> Self {
        Self {
            rust: of.name().to_upper_camel_case(),
            full_name: of.full_name().to_owned(),
            file: of.parent_file().name().to_owned(),
            path: of.path().to_vec(),
        }
    }
}

struct ClashCheck<'a> {
    schema: &'a Schema,
    retain_enum_prefix: bool,
    refused: &'a mut Vec<Unsupported>,
}

impl ClashCheck<'_> {
    /// Reports the second of two items that have the same name in Rust.
    fn unique(&mut self, what: &str, all: &[NamedItem]) {
        let mut known: HashMap<&str, &NamedItem> = HashMap::new();
        for named in all {
            if named.rust.is_empty() {
                self.refuse(
                    &named.file,
                    &named.path,
                    format!(
                        "`{}` has no letter or digit, so it has no name in Rust: give it another name",
                        named.full_name
                    ),
                );
                continue;
            }
            let Some(other) = known.insert(&named.rust, named) else {
                continue;
            };
            let reason = format!(
                "`{}` and `{}` would both be the {what} `{}` in Rust: give one of them another name",
                other.full_name, named.full_name, named.rust
            );
            self.refuse(&named.file, &named.path, reason);
        }
    }

    fn refuse(&mut self, file: &str, path: &[i32], reason: String) {
        self.refused.push(Unsupported {
            location: self.schema.location(file, path),
            reason,
        });
    }

    fn message(&mut self, message: &MessageDescriptor) {
        if message.is_map_entry() {
            return;
        }
        let file = message.parent_file().name().to_owned();
        let module = message.name().to_snake_case();
        if has_module(message) && PRIMITIVES.contains(&module.as_str()) {
            let reason = format!(
                "the types nested in `{}` would be in the Rust module `{module}`, which hides the Rust type of \
                 this name: give the message another name",
                message.full_name()
            );
            self.refuse(&file, message.path(), reason);
        }
        let mut fields = Vec::new();
        let mut types: Vec<NamedItem> = Vec::new();
        for nested in message.child_messages().filter(|of| !of.is_map_entry()) {
            types.push(NamedItem::of_message(&nested));
            self.message(&nested);
        }
        for of in message.child_enums() {
            types.push(NamedItem::of_enum(&of));
            self.enumeration(&of);
        }
        for field in message.fields() {
            let oneof = field.containing_oneof();
            if oneof.is_none_or(|oneof| oneof.is_synthetic()) {
                fields.push(NamedItem {
                    rust: field.name().to_snake_case(),
                    full_name: field.full_name().to_owned(),
                    file: file.clone(),
                    path: field.path().to_vec(),
                });
            }
        }
        let taken: Vec<String> = types.iter().map(|named| named.rust.clone()).collect();
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            let named = |rust| NamedItem {
                rust,
                full_name: oneof.full_name().to_owned(),
                file: file.clone(),
                path: oneof.path().to_vec(),
            };
            fields.push(named(oneof.name().to_snake_case()));
            let mut name = oneof.name().to_upper_camel_case();
            if taken.contains(&name) {
                // The same rule as in prost-build.
                name.push_str("OneOf");
            }
            types.push(named(name));
            let alternatives = oneof.fields().map(|field| NamedItem {
                rust: field.name().to_upper_camel_case(),
                full_name: field.full_name().to_owned(),
                file: file.clone(),
                path: field.path().to_vec(),
            });
            self.unique("variant", &alternatives.collect::<Vec<_>>());
        }
        self.unique("field", &fields);
        self.unique("type", &types);
    }

    /// If several names have the same number, Rust has only the first one.
    fn enumeration(&mut self, of: &EnumDescriptor) {
        let prefix = of.name().to_upper_camel_case();
        let mut numbers = Vec::new();
        let mut variants = Vec::new();
        for (index, value) in of.enum_descriptor_proto().value.iter().enumerate() {
            if numbers.contains(&value.number()) {
                continue;
            }
            numbers.push(value.number());
            let mut name = value.name().to_upper_camel_case();
            let stripped = name.strip_prefix(&prefix);
            if let Some(stripped) = stripped.filter(|_| !self.retain_enum_prefix)
                && stripped.starts_with(char::is_uppercase)
            {
                name = stripped.to_owned();
            }
            let mut path = of.path().to_vec();
            // `value` is the descriptor's field 2.
            path.extend([2, i32::try_from(index).unwrap_or(i32::MAX)]);
            variants.push(NamedItem {
                rust: name,
                full_name: format!("{}.{}", of.full_name(), value.name()),
                file: of.parent_file().name().to_owned(),
                path,
            });
        }
        self.unique("variant", &variants);
    }

    /// Nested types are in a module of their message, and a package below the message's package is
    /// a module as well.
    fn modules(&mut self, files: &[FileDescriptor]) {
        let mut packages: HashMap<Vec<String>, String> = HashMap::new();
        let with_types: HashSet<Vec<String>> =
            files.iter().filter(has_types).map(module_of).collect();
        for file in files.iter().filter(has_types) {
            let parts: Vec<&str> = file.package_name().split_terminator('.').collect();
            let modules = module_of(file);
            if modules.iter().any(String::is_empty) {
                let reason = format!(
                    "a part of the package `{}` has no letter or digit, so it has no name in Rust: give it another \
                     name",
                    file.package_name()
                );
                self.refuse(file.name(), &PACKAGE, reason);
                continue;
            }
            for len in 1..=modules.len() {
                let (outer, module) = (&modules[..len - 1], &modules[len - 1]);
                if PRIMITIVES.contains(&module.as_str()) && with_types.contains(outer) {
                    let reason = format!(
                        "the package `{}` would be in the Rust module `{}`, which hides the Rust type of this \
                         name: give it another name",
                        file.package_name(),
                        modules[..len].join("::"),
                    );
                    self.refuse(file.name(), &PACKAGE, reason);
                }
                let name = parts[..len].join(".");
                let other = packages
                    .entry(modules[..len].to_vec())
                    .or_insert(name.clone());
                if *other != name {
                    let reason = format!(
                        "the packages `{other}` and `{name}` would both be the module `{}` in Rust: give one of \
                         them another name",
                        modules[..len].join("::"),
                    );
                    self.refuse(file.name(), &PACKAGE, reason);
                }
            }
        }
        for file in files {
            for message in file.messages().filter(has_module) {
                let mut path = module_of(file);
                path.push(message.name().to_snake_case());
                if let Some(other) = packages.get(&path) {
                    let reason = format!(
                        "the types nested in `{}` and the package `{other}` would both be in the module `{}` in \
                         Rust: give one of them another name",
                        message.full_name(),
                        path.join("::"),
                    );
                    self.refuse(file.name(), message.path(), reason);
                }
            }
        }
    }
}

/// Returns the module of a file's package.
fn module_of(file: &FileDescriptor) -> Vec<String> {
    let parts = file.package_name().split_terminator('.');
    parts.map(ToSnakeCase::to_snake_case).collect()
}

fn has_types(file: &&FileDescriptor) -> bool {
    file.messages().len() > 0 || file.enums().len() > 0
}

fn has_module(message: &MessageDescriptor) -> bool {
    message.child_messages().any(|of| !of.is_map_entry())
        || message.child_enums().len() > 0
        || message.oneofs().any(|oneof| !oneof.is_synthetic())
}
