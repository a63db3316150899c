//! Names of the generated items, and the names that amop-build gives to messages and fields.

use std::{collections::BTreeSet, path::Path};

use amop_schema::{
    TopicDecl,
    prost_reflect::{FieldDescriptor, Kind, MessageDescriptor},
};
use heck::{ToSnakeCase, ToUpperCamelCase};

/// Crates that a project depends on and names that Rust reserves: a project cannot have these
/// names.
const TAKEN: &[&str] = &[
    "alloc",
    "amop",
    "amop-build",
    "anyhow",
    "aux",
    "build",
    "chrono",
    "clap",
    "con",
    "core",
    "deps",
    "examples",
    "futures",
    "incremental",
    "nul",
    "prn",
    "proc-macro",
    "prost-types",
    "std",
    "test",
    "tokio",
];

/// Type names that are in scope where a message is used, from Rust's prelude or the templates. A
/// message with this name is imported under another name.
const IN_SCOPE: &[&str] = &[
    "AsMut",
    "AsRef",
    "Box",
    "Client",
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "DoubleEndedIterator",
    "Drop",
    "Duration",
    "Eq",
    "Err",
    "ExactSizeIterator",
    "Extend",
    "Fn",
    "FnMut",
    "FnOnce",
    "From",
    "FromIterator",
    "Future",
    "Hash",
    "Into",
    "IntoFuture",
    "IntoIterator",
    "Iterator",
    "MessageKind",
    "None",
    "Ok",
    "Option",
    "Ord",
    "Parser",
    "PartialEq",
    "PartialOrd",
    "PublisherOptions",
    "ReplayGuard",
    "Result",
    "SealingKey",
    "Send",
    "Sized",
    "Some",
    "StreamExt",
    "String",
    "SubscriberOptions",
    "Sync",
    "ToOwned",
    "ToString",
    "TopicKey",
    "TryFrom",
    "TryInto",
    "Unpin",
    "Vec",
    "Write",
];

/// Longer names are shortened: file systems allow 255 bytes, and Cargo and rustc append to names.
const MAX_NAME: usize = 40;

const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static",
    "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual",
    "where", "while", "yield",
];

/// Returns the package name: the folder's name, as far as Cargo allows it.
pub(super) fn package(out: &Path) -> String {
    // Resolves `.` and `..`, too.
    let absolute = std::path::absolute(out).unwrap_or_else(|_| out.to_owned());
    let name = absolute.file_name().unwrap_or_default().to_string_lossy();
    let name = shortened(words(&name, '-'), '-');
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let snake = name.replace('-', "_");
    if !begins_well {
        format!("amop-programs-{name}")
            .trim_end_matches('-')
            .to_owned()
    } else if TAKEN.contains(&name.as_str()) || ident(&snake) != snake {
        format!("{name}-programs")
    } else {
        name
    }
}

/// Returns the topic's name for files and modules, or the message's name if no character of the
/// topic is usable.
pub(super) fn topic(decl: &TopicDecl) -> String {
    let name = words(&decl.topic, '_');
    let name = if name.is_empty() || !decl.topic.is_ascii() {
        words(&decl.message.name().to_snake_case(), '_')
    } else {
        name
    };
    let name = shortened(name, '_');
    // A module's name must begin with a letter.
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("topic_{name}")
    } else {
        name
    }
}

/// Returns the name, or its first words that fit.
fn shortened(name: String, separator: char) -> String {
    if name.len() <= MAX_NAME {
        return name;
    }
    let start = &name[..MAX_NAME];
    let whole = if name[MAX_NAME..].starts_with(separator) {
        start
    } else {
        start
            .rsplit_once(separator)
            .map_or(start, |(words, _)| words)
    };
    whole.to_owned()
}

/// Appends a number to a name that is already taken.
pub(super) fn unique(name: String, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2_u32..).map(|number| format!("{name}_{number}"));
    let mut candidates = std::iter::once(name.clone()).chain(numbered);
    let free = candidates.find(|candidate| !taken.contains(candidate));
    let free = free.unwrap_or(name);
    taken.insert(free.clone());
    free
}

/// Returns the message's path below the module of all generated code.
pub(super) fn path(message: &MessageDescriptor) -> String {
    let package = message.package_name();
    let modules = package.split('.').filter(|part| !part.is_empty());
    let mut path: Vec<String> = modules.map(|part| ident(&part.to_snake_case())).collect();
    let mut parents = Vec::new();
    let mut parent = message.parent_message();
    while let Some(outer) = parent {
        parents.push(ident(&outer.name().to_snake_case()));
        parent = outer.parent_message();
    }
    path.extend(parents.into_iter().rev());
    path.push(type_name(message));
    path.join("::")
}

/// Returns the name of the message's type.
pub(super) fn type_name(message: &MessageDescriptor) -> String {
    ident(&message.name().to_upper_camel_case())
}

/// Returns the name under which the programs import the message's type.
pub(super) fn shared_type(message: &MessageDescriptor) -> String {
    let name = type_name(message);
    if IN_SCOPE.contains(&name.as_str()) {
        format!("{name}Message")
    } else {
        name
    }
}

/// Returns the name under which the programs import the reply's type, which differs from the
/// message's.
pub(super) fn reply_type(reply: &MessageDescriptor, message: &str) -> String {
    let name = shared_type(reply);
    if name == message {
        format!("{name}Reply")
    } else {
        name
    }
}

/// Returns the name of a field.
pub(super) fn field(name: &str) -> String {
    ident(&name.to_snake_case())
}

/// Returns the accessor functions that prost generates for a message's fields.
pub(super) fn accessors(message: &MessageDescriptor) -> Vec<String> {
    let has_one = |field: &FieldDescriptor| {
        let oneof = field.containing_oneof();
        !field.is_map()
            && oneof.is_none_or(|oneof| oneof.is_synthetic())
            && match field.kind() {
                Kind::Enum(_) => true,
                Kind::Message(_) => false,
                _ => field.supports_presence(),
            }
    };
    let fields = message.fields().filter(has_one);
    fields.map(|field| field.name().to_snake_case()).collect()
}

/// Returns the identifier that prost-build writes.
fn ident(name: &str) -> String {
    match name {
        "self" | "super" | "crate" | "extern" | "Self" | "_" => format!("{name}_"),
        name if KEYWORDS.contains(&name) => format!("r#{name}"),
        name if name.starts_with(|c: char| c.is_ascii_digit()) => format!("_{name}"),
        name => name.to_owned(),
    }
}

/// Returns the ASCII letters and digits in lower case; everything between them becomes one
/// separator.
fn words(text: &str, separator: char) -> String {
    let text = text.to_ascii_lowercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(&separator.to_string())
}

#[cfg(test)]
mod tests;
