//! The builder: what prost-build offers, as far as topics are concerned with it.

use crate::{
    assemble::Assembler,
    error::Error,
    json::{self, JsonTypes},
    names::ExternPaths,
};
use amop_schema::{OPTIONS_PROTO_NAME, Schema};
use prost_types::FileDescriptorSet;
use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

const DESCRIPTOR_PROTO: &str = "google/protobuf/descriptor.proto";

/// Compiles `.proto` files to Rust. [`configure`](crate::configure) makes one.
///
/// The methods that take a `path` mean a protobuf path such as `.quotes.v1.Quote`, matched as
/// [prost-build does](prost_build::Config::btree_map): `"."` is everything.
#[derive(Debug)]
#[must_use = "nothing is compiled before `compile` is called"]
pub struct Builder {
    prost: prost_build::Config,
    out_dir: Option<PathBuf>,
    descriptor_set: Option<PathBuf>,
    extern_paths: ExternPaths,
    json: json::Settings,
    amop_path: String,
    pbjson_path: String,
    rerun_if_changed: bool,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            prost: prost_build::Config::new(),
            out_dir: None,
            descriptor_set: None,
            extern_paths: ExternPaths::default(),
            json: json::Settings::default(),
            amop_path: String::new(),
            pbjson_path: "::pbjson".to_owned(),
            rerun_if_changed: true,
        }
        .amop_path("::amop")
    }

    /// Where generated files go, instead of Cargo's `OUT_DIR`.
    pub fn out_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.out_dir = Some(dir.into());
        self
    }

    /// Also writes a file that includes all others in modules like the packages, to be included in
    /// place of them.
    pub fn include_file(mut self, name: impl Into<PathBuf>) -> Self {
        self.prost.include_file(name);
        self
    }

    /// The generated file's name, without `.rs`, for messages without a package; `_` by default.
    pub fn default_package_filename(mut self, name: impl Into<String>) -> Self {
        self.prost.default_package_filename(name);
        self
    }

    /// Also writes the encoded `FileDescriptorSet`, with imports, source info and the options of
    /// topics, for reflection and for `amop schema`.
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

    /// Uses Rust types from elsewhere for a package or a message, rather than generating them.
    pub fn extern_path(
        mut self,
        proto_path: impl Into<String>,
        rust_path: impl Into<String>,
    ) -> Self {
        let (proto_path, rust_path) = (proto_path.into(), rust_path.into());
        if proto_path == ".google.protobuf" {
            // Otherwise prost-build has a path for that package already.
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

    /// Uses `BTreeMap` for map fields. A message that travels as JSON has one kind of map: if one
    /// of its fields is chosen, all are.
    pub fn btree_map(mut self, path: impl Into<String>) -> Self {
        let path = path.into();
        self.prost.btree_map([&path]);
        self.json.btree_map.push(path);
        self
    }

    /// Puts a field in a `Box`.
    pub fn boxed(mut self, path: impl AsRef<str>) -> Self {
        self.prost.boxed(path);
        self
    }

    /// Leaves comments out of the generated code.
    pub fn disable_comments(mut self, path: impl AsRef<str>) -> Self {
        self.prost.disable_comments([path]);
        self
    }

    /// Leaves `Debug` to be implemented by hand.
    pub fn skip_debug(mut self, path: impl AsRef<str>) -> Self {
        self.prost.skip_debug([path]);
        self
    }

    /// Keeps the enum's name in the names of its variants.
    pub fn retain_enum_prefix(mut self) -> Self {
        self.prost.retain_enum_prefix();
        self.json.retain_enum_prefix = true;
        self
    }

    /// Where the `amop` crate is for the generated code, if it was renamed or is re-exported;
    /// `::amop` by default. Its prost is used, so the generating crate needs none.
    pub fn amop_path(mut self, path: impl Into<String>) -> Self {
        self.amop_path = path.into();
        self.prost
            .prost_path(format!("{}::__private::prost", self.amop_path));
        self
    }

    /// Where the `pbjson` crate is for the generated code, which topics with the codec JSON need;
    /// `::pbjson` by default.
    pub fn pbjson_path(mut self, path: impl Into<String>) -> Self {
        self.pbjson_path = path.into();
        self
    }

    /// Whether to print `cargo:rerun-if-changed` for the files that were read; yes by default.
    pub fn emit_rerun_if_changed(mut self, yes: bool) -> Self {
        self.rerun_if_changed = yes;
        self
    }

    /// Everything else that prost-build can do.
    ///
    /// Where [`Builder`] has a method of the same name, use that: it tells the rest of the
    /// generator. prost-build's `out_dir`, `format` and `protoc` settings have no effect.
    pub fn configure_prost(mut self, configure: impl FnOnce(&mut prost_build::Config)) -> Self {
        configure(&mut self.prost);
        self
    }

    /// Compiles `.proto` files and all that they import.
    ///
    /// A file is given by its path below one of `includes`, or by its name relative to one of them.
    ///
    /// # Errors
    ///
    /// [`Error::Schema`] with all mistakes of the schema; other variants if the schema cannot be
    /// expressed in Rust, or files cannot be written.
    pub fn compile(
        self,
        files: &[impl AsRef<Path>],
        includes: &[impl AsRef<Path>],
    ) -> Result<(), Error> {
        let target = match &self.out_dir {
            Some(dir) => dir.clone(),
            None => env::var_os("OUT_DIR").ok_or(Error::NoOutDir)?.into(),
        };
        let schema = Schema::load(files, includes)?;
        if self.rerun_if_changed {
            for source in schema.sources() {
                println!("cargo:rerun-if-changed={}", source.display());
            }
        }
        self.generate(&schema, &target)
    }

    fn generate(mut self, schema: &Schema, target: &Path) -> Result<(), Error> {
        let json = self.check(schema)?;

        // prost-build's files are only raw material here.
        let raw = tempfile::Builder::new()
            .prefix("amop-build")
            .tempdir()
            .map_err(|source| Error::Io {
                action: "create a folder in",
                path: env::temp_dir(),
                source,
            })?;
        self.prost.out_dir(raw.path()).format(false);
        self.prost.btree_map(json.btree_maps(schema, &self.json));
        let mut assembler = Assembler::new(schema, &self.extern_paths, &self.amop_path);
        assembler.mark(&mut self.prost);
        self.prost
            .compile_fds(files_to_generate(schema))
            .map_err(|source| Error::Generator {
                generator: "prost-build",
                source,
            })?;
        for (name, code) in read_all(raw.path())? {
            assembler.add(name, &code)?;
        }
        assembler.add_topics()?;
        assembler.add_json(&json, &self.json, &self.pbjson_path)?;
        for (name, code) in assembler.finish() {
            write_if_changed(&target.join(name), code.as_bytes())?;
        }
        if let Some(path) = &self.descriptor_set {
            write_if_changed(path, &schema.pool.encode_to_vec())?;
        }
        Ok(())
    }

    /// Refuses what cannot be generated.
    fn check(&self, schema: &Schema) -> Result<JsonTypes, Error> {
        let mut refused = Vec::new();
        let json = JsonTypes::of(schema, &self.extern_paths, &mut refused);
        if refused.is_empty() {
            Ok(json)
        } else {
            Err(Error::Unsupported(refused))
        }
    }
}

/// All files but the options of topics, which are nothing to a program.
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
            .collect(),
    }
}

/// The files of a folder, in the order of their names.
fn read_all(dir: &Path) -> Result<Vec<(PathBuf, String)>, Error> {
    let failed = |path: &Path, source| Error::Io {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let mut files = Vec::new();
    let entries = fs::read_dir(dir).map_err(|source| failed(dir, source))?;
    for entry in entries {
        let path = entry.map_err(|source| failed(dir, source))?.path();
        let code = fs::read_to_string(&path).map_err(|source| failed(&path, source))?;
        files.push((path.file_name().unwrap_or_default().into(), code));
    }
    files.sort();
    Ok(files)
}

/// Writes a file unless it has that content, so that what depends on it stays up to date.
fn write_if_changed(path: &Path, content: &[u8]) -> Result<(), Error> {
    match fs::read(path) {
        Ok(old) if old == content => return Ok(()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::Io {
                action: "read",
                path: path.to_owned(),
                source: error,
            });
        }
        _ => {}
    }
    fs::write(path, content).map_err(|source| Error::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}
