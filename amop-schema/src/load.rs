//! Reads `.proto` files with a compiler written in Rust: no `protoc` is needed.

mod descriptor_set;
mod diagnostic;
mod resolver;
mod topics;

use crate::{Schema, SchemaError, SchemaErrorKind, SchemaErrors};
use prost_reflect::DescriptorPool;
use resolver::{Opened, Resolver};
use std::path::Path;

/// The name schemas import `amop/options.proto` by.
pub const OPTIONS_PROTO_NAME: &str = "amop/options.proto";

/// The text of `amop/options.proto`, for protobuf compilers of other languages, which need it in
/// an include path.
pub const OPTIONS_PROTO: &str = include_str!("../proto/amop/options.proto");

impl Schema {
    /// Reads `.proto` files and all that they import.
    ///
    /// A file is given by its path, which must be below one of `includes`, or by its name
    /// relative to one of them, as imports are. `amop/options.proto` and `google/protobuf/*.proto`
    /// are built in.
    ///
    /// # Errors
    ///
    /// All that is wrong with the files, each with its place. What a file with syntax errors
    /// states about topics is not checked until the syntax is right.
    pub fn load(
        files: &[impl AsRef<Path>],
        includes: &[impl AsRef<Path>],
    ) -> Result<Self, SchemaErrors> {
        let opened = Opened::default();
        let resolver = Resolver::new(includes.iter().map(AsRef::as_ref), opened.clone());
        let mut compiler = protox::Compiler::with_file_resolver(resolver);
        let mut found = Vec::new();
        for file in files {
            let unread = resolver::shadowed(file.as_ref(), includes)
                .or_else(|| resolver::nowhere(file.as_ref(), includes));
            if let Some(kind) = unread {
                found.push(SchemaError {
                    location: None,
                    kind,
                });
            } else if let Err(error) = compiler.open_file(file) {
                diagnostic::explain(&error, &opened, &mut found);
            }
        }
        let pool = compiler.descriptor_pool();
        let topics = topics::read(&pool, &|name| opened.path_of(name), &mut found);
        match SchemaErrors::new(found) {
            Some(errors) => Err(errors),
            None => Ok(Self {
                pool,
                topics,
                sources: opened.sources(),
                shadowing: opened.shadowing(),
            }),
        }
    }

    /// Reads an encoded `google.protobuf.FileDescriptorSet`, as `protoc --include_imports
    /// --descriptor_set_out=FILE` writes it. With `--include_source_info` as well, places and
    /// comments are known.
    ///
    /// # Errors
    ///
    /// All that is wrong with the set.
    pub fn from_descriptor_set(bytes: &[u8]) -> Result<Self, SchemaErrors> {
        let mut found = Vec::new();
        let pool = descriptor_set::pool(bytes).unwrap_or_else(|reason| {
            found.push(SchemaError {
                location: None,
                kind: SchemaErrorKind::DescriptorSet { reason },
            });
            DescriptorPool::new()
        });
        let topics = topics::read(&pool, &|name| name.to_owned(), &mut found);
        match SchemaErrors::new(found) {
            Some(errors) => Err(errors),
            None => Ok(Self {
                pool,
                topics,
                sources: Vec::new(),
                shadowing: Vec::new(),
            }),
        }
    }
}
