//! Reads `.proto` files with a compiler written in Rust: no `protoc` is needed.

mod descriptor_set;
mod diagnostic;
mod resolver;
mod topics;

use crate::{Schema, SchemaError, SchemaErrorKind, SchemaErrors};
use prost_reflect::DescriptorPool;
use resolver::{OpenedFiles, Resolver};
use std::path::Path;

/// The name under which schemas import `amop/options.proto`.
pub const OPTIONS_PROTO_NAME: &str = "amop/options.proto";

/// The text of `amop/options.proto`, for protobuf compilers of other languages, which need the file
/// in an include path.
pub const OPTIONS_PROTO: &str = include_str!("../proto/amop/options.proto");

impl Schema {
    /// Reads `.proto` files and all their imports.
    ///
    /// Give a file as its path, which must be below one of `includes`, or as its name relative to
    /// one of them, as in imports. `amop/options.proto` and `google/protobuf/*.proto` are built in.
    ///
    /// # Errors
    ///
    /// All mistakes in the files, each with its place. The topics of a file with syntax errors are
    /// not checked until the syntax is correct.
    pub fn load(
        files: &[impl AsRef<Path>],
        includes: &[impl AsRef<Path>],
    ) -> Result<Self, SchemaErrors> {
        let opened = OpenedFiles::default();
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

    /// Reads an encoded `google.protobuf.FileDescriptorSet`, as written by `protoc
    /// --include_imports --descriptor_set_out=FILE`. With `--include_source_info`, places and
    /// comments are known as well.
    ///
    /// # Errors
    ///
    /// All mistakes in the set.
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
