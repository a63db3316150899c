//! The builder: the options of prost-build that concern topics.

use crate::{
    assemble::FileAssembler, clashes, defaults, error::BuildError, files, json::JsonTypes,
    names::ExternPaths,
};
use amop_schema::{OPTIONS_PROTO_NAME, Schema};
use prost_types::FileDescriptorSet;
use std::{
    env,
    path::{Path, PathBuf},
};

const DESCRIPTOR_PROTO: &str = "google/protobuf/descriptor.proto";

/// Compiles `.proto` files to Rust. Created by [`configure`](crate::configure).
///
/// The methods with a `path` take a protobuf path such as `.quotes.v1.Quote`, matched in the same
/// way as by [prost-build](prost_build::Config::btree_map): `"."` is everything.
#[derive(Debug)]
#[must_use = "nothing is compiled before `compile` is called"]
pub struct Builder {
    prost: prost_build::Config,
    out_dir: Option<PathBuf>,
    descriptor_set: Option<PathBuf>,
    extern_paths: ExternPaths,
    /// The messages that get the JSON mapping although no topic needs it.
    json: Vec<String>,
    retain_enum_prefix: bool,
    amop_path: String,
    rerun_if_changed: bool,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            prost: prost_build::Config::new(),
            out_dir: None,
            descriptor_set: None,
            extern_paths: ExternPaths::default(),
            json: Vec::new(),
            retain_enum_prefix: false,
            amop_path: String::new(),
            rerun_if_changed: true,
        }
        .amop_path("::amop")
    }

    /// Sets the folder for generated files, instead of Cargo's `OUT_DIR`.
    pub fn out_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.out_dir = Some(dir.into());
        self
    }

    /// Also writes a file that includes all others, in modules that follow the packages. Include
    /// this file instead of the others.
    pub fn include_file(mut self, name: impl Into<PathBuf>) -> Self {
        self.prost.include_file(name);
        self
    }

    /// Sets the name, without `.rs`, of the generated file for messages without a package; `_` by
    /// default.
    pub fn default_package_filename(mut self, name: impl Into<String>) -> Self {
        self.prost.default_package_filename(name);
        self
    }

    /// Also writes the encoded `FileDescriptorSet`, with imports, source info and topic options,
    /// for reflection and for `amop schema`.
    pub fn file_descriptor_set_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.descriptor_set = Some(path.into());
        self
    }

    /// Adds an attribute to messages, enums and oneofs.
    pub fn type_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.prost.type_attribute(path, attribute);
        self
    }

    /// Adds an attribute to messages.
    pub fn message_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.prost.message_attribute(path, attribute);
        self
    }

    /// Adds an attribute to enums and oneofs.
    pub fn enum_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.prost.enum_attribute(path, attribute);
        self
    }

    /// Adds an attribute to fields.
    pub fn field_attribute(mut self, path: impl AsRef<str>, attribute: impl AsRef<str>) -> Self {
        self.prost.field_attribute(path, attribute);
        self
    }

    /// Uses existing Rust types for a package or a message, instead of generating them.
    pub fn extern_path(
        mut self,
        proto_path: impl Into<String>,
        rust_path: impl Into<String>,
    ) -> Self {
        let (proto_path, rust_path) = (proto_path.into(), rust_path.into());
        if proto_path == ".google.protobuf" {
            // Otherwise prost-build already has a path for this package.
            self.prost.compile_well_known_types();
        }
        self.prost.extern_path(&proto_path, &rust_path);
        self.extern_paths.add(proto_path, rust_path);
        self
    }

    /// Uses `bytes::Bytes` for `bytes` fields, which then share the memory of received payloads.
    pub fn bytes(mut self, path: impl AsRef<str>) -> Self {
        self.prost.bytes([path]);
        self
    }

    /// Uses `BTreeMap` for map fields.
    pub fn btree_map(mut self, path: impl AsRef<str>) -> Self {
        self.prost.btree_map([path]);
        self
    }

    /// Gives messages the JSON mapping although no topic of this schema needs it: they implement
    /// [serde](https://serde.rs)'s traits in this shape. Types that travel as JSON always have it.
    pub fn json(mut self, path: impl Into<String>) -> Self {
        self.json.push(path.into());
        self
    }

    /// Puts a field in a `Box`.
    pub fn boxed(mut self, path: impl AsRef<str>) -> Self {
        self.prost.boxed(path);
        self
    }

    /// Omits comments from the generated code.
    pub fn disable_comments(mut self, path: impl AsRef<str>) -> Self {
        self.prost.disable_comments([path]);
        self
    }

    /// Does not derive `Debug`, so that it can be implemented by hand.
    pub fn skip_debug(mut self, path: impl AsRef<str>) -> Self {
        self.prost.skip_debug([path]);
        self
    }

    /// Keeps the enum's name in the names of its variants.
    pub fn retain_enum_prefix(mut self) -> Self {
        self.prost.retain_enum_prefix();
        self.retain_enum_prefix = true;
        self
    }

    /// Sets the path of the `amop` crate in the generated code, for a crate that is renamed or
    /// re-exported; `::amop` by default. The code uses the prost of `amop`, so your crate does not
    /// need prost.
    pub fn amop_path(mut self, path: impl Into<String>) -> Self {
        self.amop_path = path.into();
        self.prost
            .prost_path(format!("{}::__private::prost", self.amop_path));
        self
    }

    /// Sets whether to print `cargo:rerun-if-changed` for the files that were read; yes by default.
    pub fn emit_rerun_if_changed(mut self, yes: bool) -> Self {
        self.rerun_if_changed = yes;
        self
    }

    /// Sets all other options of prost-build.
    ///
    /// If [`Builder`] has a method of the same name, use that method: the rest of the generator
    /// also needs the setting. prost-build's `out_dir`, `format` and `protoc` settings have no
    /// effect.
    pub fn configure_prost(mut self, configure: impl FnOnce(&mut prost_build::Config)) -> Self {
        configure(&mut self.prost);
        self
    }

    /// Compiles `.proto` files and all their imports.
    ///
    /// Give a file as its path below one of `includes`, or as its name relative to one of them.
    ///
    /// # Errors
    ///
    /// [`BuildError::Schema`] with all mistakes of the schema; other variants if the schema cannot
    /// be expressed in Rust, or files cannot be written.
    pub fn compile(
        self,
        files: &[impl AsRef<Path>],
        includes: &[impl AsRef<Path>],
    ) -> Result<(), BuildError> {
        let target = match &self.out_dir {
            Some(dir) => dir.clone(),
            None => env::var_os("OUT_DIR").ok_or(BuildError::NoOutDir)?.into(),
        };
        let schema = Schema::load(files, includes)?;
        if self.rerun_if_changed {
            for source in schema.sources() {
                println!("cargo:rerun-if-changed={}", source.display());
            }
            // A new file in one of these folders would be read instead of another one.
            for folder in schema.shadowing() {
                println!("cargo:rerun-if-changed={}", folder.display());
            }
        }
        self.generate(&schema, &target)
    }

    fn generate(mut self, schema: &Schema, target: &Path) -> Result<(), BuildError> {
        let files = files_to_generate(schema);
        let json = self.check(schema, &files)?;

        // prost-build's files are only intermediate. They are written below the output folder,
        // since other folders may not be writable.
        let raw = tempfile::Builder::new()
            .prefix("amop-build")
            .tempdir_in(target)
            .map_err(|source| BuildError::Io {
                action: "create a folder in",
                path: target.to_owned(),
                source,
            })?;
        self.prost.out_dir(raw.path()).format(false);
        let mut assembler = FileAssembler::new(schema, &self.extern_paths, &self.amop_path);
        assembler.mark(&mut self.prost);
        defaults::box_groups(&schema.pool, &mut self.prost);
        self.prost
            .compile_fds(files.clone())
            .map_err(|source| BuildError::Generator {
                generator: "prost-build",
                source,
            })?;
        for (name, code) in files::read_all(raw.path())? {
            assembler.add(name, &code)?;
        }
        assembler.add_topics()?;
        assembler.add_json(&json, &files)?;
        for (name, code) in assembler.finish() {
            files::write_if_changed(&target.join(name), code.as_bytes())?;
        }
        if let Some(path) = &self.descriptor_set {
            files::write_if_changed(path, &schema.pool.encode_to_vec())?;
        }
        Ok(())
    }

    /// Returns an error for everything that cannot be generated.
    fn check(&self, schema: &Schema, files: &FileDescriptorSet) -> Result<JsonTypes, BuildError> {
        let mut refused = Vec::new();
        let own = files.file.iter().map(|file| file.name());
        let own = own.filter(|name| !self.is_elsewhere(schema, name));
        clashes::check(schema, own, self.retain_enum_prefix, &mut refused);
        if refused.is_empty() {
            Ok(JsonTypes::of(schema, &self.json))
        } else {
            refused.sort_by(|a, b| a.location.cmp(&b.location));
            refused.dedup();
            Err(BuildError::Unsupported(refused))
        }
    }

    /// Returns whether the types of a file are not generated here.
    fn is_elsewhere(&self, schema: &Schema, file: &str) -> bool {
        schema.pool.get_file_by_name(file).is_some_and(|file| {
            let package = file.package_name();
            package == "google.protobuf" || self.extern_paths.resolve(package).is_some()
        })
    }
}

/// Returns all files except the options of topics, which a program does not need.
fn files_to_generate(schema: &Schema) -> FileDescriptorSet {
    let wanted = |name: &str| {
        name != OPTIONS_PROTO_NAME
            && (name != DESCRIPTOR_PROTO
                || schema.pool.files().any(|file| {
                    file.name() != OPTIONS_PROTO_NAME
                        && file.dependencies().any(|of| of.name() == DESCRIPTOR_PROTO)
                }))
    };
    FileDescriptorSet {
        file: schema
            .pool
            .file_descriptor_protos()
            .filter(|file| wanted(file.name()))
            .cloned()
            .map(|mut file| {
                defaults::readable(&mut file);
                file
            })
            .collect(),
    }
}
