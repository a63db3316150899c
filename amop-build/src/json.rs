//! The JSON mapping of messages: which of them need it, and pbjson's code for it.

use crate::{
    error::{Error, Unsupported},
    names::ExternPaths,
};
use amop_schema::{Codec, Schema, TopicDecl};
use prost_reflect::{Kind, MessageDescriptor};
use std::collections::{BTreeMap, BTreeSet};

/// What of prost-build's configuration pbjson has to know, so that its code fits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) btree_map: Vec<String>,
    pub(crate) retain_enum_prefix: bool,
}

/// The types that travel as JSON or inside of what does: full names, by package.
#[derive(Debug, Default)]
pub(crate) struct JsonTypes {
    packages: BTreeMap<String, BTreeSet<String>>,
}

impl JsonTypes {
    /// Finds them. What has no code for JSON is refused.
    pub(crate) fn of(
        schema: &Schema,
        extern_paths: &ExternPaths,
        refused: &mut Vec<Unsupported>,
    ) -> Self {
        let mut types = Self::default();
        for decl in &schema.topics {
            let mut walk = Walk {
                decl,
                extern_paths,
                types: &mut types,
                refused,
            };
            if decl.codec == Codec::Json {
                walk.message(&decl.message);
            }
            if let Some(reply) = &decl.reply
                && decl.reply_codec == Codec::Json
            {
                walk.message(reply);
            }
        }
        types
    }

    fn insert(&mut self, package: &str, name: &str) -> bool {
        let names = self.packages.entry(package.to_owned()).or_default();
        names.insert(name.to_owned())
    }

    /// pbjson's code for a package, if it has such types.
    pub(crate) fn code(
        &self,
        schema: &Schema,
        package: &str,
        extern_paths: &ExternPaths,
        settings: &Settings,
    ) -> Result<Option<String>, Error> {
        let Some(names) = self.packages.get(package) else {
            return Ok(None);
        };
        let mut builder = pbjson_build::Builder::new();
        // A schema may gain fields, as it may in the wire format.
        builder.ignore_unknown_fields();
        builder.btree_map(self.btree_maps(schema, settings));
        if settings.retain_enum_prefix {
            builder.retain_enum_prefix();
        }
        for (proto_path, rust_path) in extern_paths.iter() {
            builder.extern_path(proto_path, rust_path);
        }
        for file in schema.pool.file_descriptor_protos() {
            // pbjson panics at files without a package, whose types were refused.
            if !file.package().is_empty() {
                builder.register_file_descriptor(file.clone());
            }
        }
        let paths: Vec<_> = names.iter().map(|name| format!(".{name}")).collect();
        let failed = |source| Error::Generator {
            generator: "pbjson-build",
            source,
        };
        let written = builder
            .generate(&paths, |_| Ok(Vec::new()))
            .map_err(failed)?;
        let bytes = written.into_iter().flat_map(|(_, code)| code).collect();
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|error| failed(std::io::Error::other(error)))
    }

    /// The messages with map fields that are to be a `BTreeMap`, as protobuf paths. pbjson knows one
    /// kind of map for all fields of a message and what is nested in it, so prost has to do the same.
    pub(crate) fn btree_maps(&self, schema: &Schema, settings: &Settings) -> Vec<String> {
        let chosen = |name: &str| {
            let mut paths = settings.btree_map.iter();
            paths.any(|path| is_match(path, name))
        };
        schema
            .pool
            .all_messages()
            .filter(|message| {
                let names = self.packages.get(message.package_name());
                names.is_some_and(|names| names.contains(message.full_name()))
                    && message
                        .fields()
                        .any(|field| field.is_map() && chosen(&format!(".{}", field.full_name())))
            })
            .map(|message| format!(".{}", message.full_name()))
            .collect()
    }
}

/// Whether a path given to prost-build means the field of that name.
fn is_match(path: &str, name: &str) -> bool {
    if path.starts_with('.') {
        path == "."
            || name
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    } else {
        name.strip_suffix(path)
            .is_some_and(|rest| rest.ends_with('.'))
    }
}

struct Walk<'a> {
    decl: &'a TopicDecl,
    extern_paths: &'a ExternPaths,
    types: &'a mut JsonTypes,
    refused: &'a mut Vec<Unsupported>,
}

impl Walk<'_> {
    fn message(&mut self, message: &MessageDescriptor) {
        let name = message.full_name();
        if self.extern_paths.resolve(name).is_some()
            || !self.types.insert(message.package_name(), name)
        {
            return;
        }
        if message.package_name().is_empty() {
            self.refuse_without_package(name);
        }
        // pbjson covers what is nested in a type together with it.
        for nested in message.child_messages().filter(|m| !m.is_map_entry()) {
            self.message(&nested);
        }
        for field in message.fields() {
            let kind = match field.kind() {
                Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
                kind => kind,
            };
            match kind {
                Kind::Message(of) if self.is_well_known(of.full_name()) => {
                    self.refuse_well_known(field.full_name(), of.full_name());
                }
                Kind::Message(of) => self.message(&of),
                Kind::Enum(of) if self.is_well_known(of.full_name()) => {
                    self.refuse_well_known(field.full_name(), of.full_name());
                }
                Kind::Enum(of) if self.extern_paths.resolve(of.full_name()).is_none() => {
                    let (package, name) = (of.package_name(), of.full_name());
                    if self.types.insert(package, name) && package.is_empty() {
                        self.refuse_without_package(name);
                    }
                }
                _ => {}
            }
        }
    }

    fn is_well_known(&self, name: &str) -> bool {
        name.starts_with("google.protobuf.") && self.extern_paths.resolve(name).is_none()
    }

    fn refuse_well_known(&mut self, field: &str, of: &str) {
        self.refuse(&format!(
            "there is no JSON code for `{field}`, a `{of}`: add `.extern_path(\".google.protobuf\", \
             \"::pbjson_types\")` to build.rs and pbjson-types to the dependencies, or use another \
             type"
        ));
    }

    fn refuse_without_package(&mut self, name: &str) {
        self.refuse(&format!(
            "there is no JSON code for types without a package: add `package ...;` to the file \
             with `{name}`"
        ));
    }

    fn refuse(&mut self, why: &str) {
        self.refused.push(Unsupported {
            location: self.decl.location.clone(),
            reason: format!("topic {:?} needs JSON, and {why}", self.decl.topic),
        });
    }
}
