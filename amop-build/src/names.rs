//! The Rust types of messages, and the paths between them.

use heck::{ToSnakeCase, ToUpperCamelCase};
use std::collections::BTreeMap;

/// The path of a generated type: modules, then the type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RustPath(Vec<String>);

impl RustPath {
    pub(crate) fn new(modules: &[String], name: String) -> Self {
        Self(modules.iter().cloned().chain([name]).collect())
    }

    /// Returns the path of this type as seen from `modules`.
    pub(crate) fn relative_to(&self, modules: &[String]) -> String {
        let (own_modules, _) = self.0.split_at(self.0.len().saturating_sub(1));
        let shared = own_modules
            .iter()
            .zip(modules)
            .take_while(|(a, b)| a == b)
            .count();
        let up = std::iter::repeat_n("super", modules.len() - shared);
        let down = self.0[shared..].iter().map(String::as_str);
        up.chain(down).collect::<Vec<_>>().join("::")
    }
}

/// The generated types, by the full names of their messages.
pub(crate) type Generated = BTreeMap<String, RustPath>;

/// The protobuf paths whose Rust types exist elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExternPaths(Vec<(String, String)>);

impl ExternPaths {
    pub(crate) fn add(&mut self, proto_path: String, rust_path: String) {
        self.0.push((proto_path, rust_path));
    }

    /// Returns the Rust path of a type that exists elsewhere, by its full name.
    pub(crate) fn resolve(&self, full_name: &str) -> Option<String> {
        let rest = |proto_path: &str| {
            let proto_path = proto_path.strip_prefix('.').unwrap_or(proto_path);
            if proto_path.is_empty() {
                return Some(full_name.to_owned());
            }
            let rest = full_name.strip_prefix(proto_path)?;
            if rest.is_empty() {
                Some(String::new())
            } else {
                rest.strip_prefix('.').map(str::to_owned)
            }
        };
        let (rest, rust_path) = self
            .0
            .iter()
            .filter_map(|(proto_path, rust_path)| Some((rest(proto_path)?, rust_path)))
            .min_by_key(|(rest, _)| rest.len())?;
        if rest.is_empty() {
            return Some(rust_path.clone());
        }
        let mut path = rust_path.clone();
        let mut parts = rest.split('.').peekable();
        while let Some(part) = parts.next() {
            path.push_str("::");
            // The same names of modules and types as in prost-build.
            if parts.peek().is_some() {
                let module = prost_build::Module::from_protobuf_package_name(part);
                path.push_str(module.parts().next().unwrap_or(part));
            } else {
                match part.to_upper_camel_case().as_str() {
                    "Self" => path.push_str("Self_"),
                    name => path.push_str(name),
                }
            }
        }
        Some(path)
    }
}

/// Returns the Rust type that prost uses for a message of `google.protobuf` that it does not
/// generate.
pub(crate) fn well_known(full_name: &str) -> Option<String> {
    let name = full_name.strip_prefix("google.protobuf.")?;
    Some(match name {
        "Empty" => "()".to_owned(),
        "BoolValue" => "::core::primitive::bool".to_owned(),
        "BytesValue" => "::std::vec::Vec<::core::primitive::u8>".to_owned(),
        "DoubleValue" => "::core::primitive::f64".to_owned(),
        "FloatValue" => "::core::primitive::f32".to_owned(),
        "Int32Value" => "::core::primitive::i32".to_owned(),
        "Int64Value" => "::core::primitive::i64".to_owned(),
        "StringValue" => "::std::string::String".to_owned(),
        "UInt32Value" => "::core::primitive::u32".to_owned(),
        "UInt64Value" => "::core::primitive::u64".to_owned(),
        other => {
            let mut path = "::prost_types".to_owned();
            let mut parts = other.split('.').peekable();
            while let Some(part) = parts.next() {
                path.push_str("::");
                if parts.peek().is_some() {
                    path.push_str(&part.to_snake_case());
                } else {
                    path.push_str(&part.to_upper_camel_case());
                }
            }
            path
        }
    })
}

#[cfg(test)]
mod tests;
