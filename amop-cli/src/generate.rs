//! Writes a Cargo project with programs for every topic of a schema: a subscriber and two
//! publishers, or a responder and a requester for a topic with a reply.

mod error;
mod names;
mod output;
mod render;
mod sample;

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use amop_schema::{OPTIONS_PROTO_NAME, Schema, TopicDecl};

use self::output::TemporaryProject;
pub use self::{
    error::GenerateError,
    render::{
        Programs, ReplySample, TopicAccess, multicast_publisher, subscriber, unicast_publisher,
    },
};

const DESCRIPTOR_PROTO: &str = "google/protobuf/descriptor.proto";

/// What to generate, and where.
#[derive(Clone, Debug, Default)]
pub struct GenerateOptions {
    /// The `.proto` files.
    pub protos: Vec<PathBuf>,
    /// The folders in which files and imports are looked up. If empty: the folders of the files.
    pub includes: Vec<PathBuf>,
    /// The project's folder, which must be empty or not exist.
    pub out: PathBuf,
    /// The folder with the sources of AMOP for Rust. Default: the sources from which this program
    /// was built if they still exist, otherwise the released version.
    pub amop_path: Option<PathBuf>,
}

/// The generated project.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Project {
    /// The name of the Cargo package.
    pub package: String,
    /// The names of all programs. For each topic, the subscribing program comes first.
    pub programs: Vec<String>,
}

/// Writes a project for every topic of a schema.
///
/// ```no_run
/// use amop_cli::generate::{GenerateOptions, generate};
///
/// let project = generate(&GenerateOptions {
///     protos: vec!["proto/hello.proto".into()],
///     out: "hello-programs".into(),
///     ..GenerateOptions::default()
/// })?;
/// assert_eq!(project.programs, ["subscriber", "unicast_publisher", "multicast_publisher"]);
/// # Ok::<(), amop_cli::generate::GenerateError>(())
/// ```
///
/// # Errors
///
/// All mistakes of the schema, or the file that could not be read or written. On an error the
/// folder is left as it was.
pub fn generate(options: &GenerateOptions) -> Result<Project, GenerateError> {
    let includes = includes(options);
    let schema = Schema::load(&options.protos, &includes)?;
    if schema.topics.is_empty() {
        return Err(GenerateError::NoTopics);
    }
    let amop = Amop::find(options.amop_path.as_deref())?;

    let protos = sources(&schema, &includes);
    let package = names::package(&options.out);
    let lib = package.replace('-', "_");
    let topics = topics(&schema, &lib);
    let well_known = uses_well_known_types(&schema);

    let mut out = TemporaryProject::new(&options.out)?;
    out.check(&options.protos, &includes)?;
    for (name, source) in &protos {
        let text = fs::read(source).map_err(|error| GenerateError::read(source, error))?;
        out.write(Path::new("proto").join(name), &text)?;
    }
    let names: Vec<&str> = protos.iter().map(|(name, _)| name.as_str()).collect();
    let manifest = render::manifest(
        &package,
        &lib,
        &amop.dependency("amop"),
        &amop.dependency("amop-build"),
        if well_known {
            "prost-types = \"0.14\"\n"
        } else {
            ""
        },
    );
    out.write("Cargo.toml", manifest)?;
    out.write("build.rs", render::build_script(&names))?;
    out.write(".gitignore", "/target\n")?;
    out.write("README.md", render::readme(&package, &topics))?;
    out.write("src/lib.rs", render::library(&topics))?;
    let mut programs = Vec::new();
    for topic in &topics {
        let bin = |name: &str| Path::new("src/bin").join(format!("{name}.rs"));
        let shared = format!("src/{}.rs", topic.module);
        out.write(shared, render::topic(topic))?;
        for (name, text) in topic.programs.all() {
            out.write(bin(&name), text)?;
            programs.push(name);
        }
    }
    out.keep()?;
    Ok(Project { package, programs })
}

/// A topic as the templates see it.
struct GeneratedTopic<'a> {
    decl: &'a TopicDecl,
    /// The module with the parts that the topic's programs share.
    module: String,
    /// The path of the message below the module `proto`.
    path: String,
    /// The path of the reply, if its type is generated.
    reply_path: Option<String>,
    programs: Programs,
}

fn topics<'a>(schema: &'a Schema, lib: &str) -> Vec<GeneratedTopic<'a>> {
    let single = schema.topics.len() == 1;
    let mut taken = BTreeSet::new();
    let topic = |decl: &'a TopicDecl| {
        let name = names::unique(names::topic(decl), &mut taken);
        let module = format!("{name}_topic");
        let type_name = names::shared_type(&decl.message);
        let sample = sample::message(decl, &type_name);
        let reply = decl.reply.as_ref();
        // Types of `google.protobuf` are built-in Rust types or types of a crate.
        let generated = reply.filter(|reply| reply.package_name() != "google.protobuf");
        let reply_type = generated.map(|reply| {
            if *reply == decl.message {
                type_name.clone()
            } else {
                names::reply_type(reply, &type_name)
            }
        });
        GeneratedTopic {
            decl,
            path: names::path(&decl.message),
            reply_path: generated.map(names::path),
            programs: Programs {
                prefix: if single {
                    String::new()
                } else {
                    format!("{name}_")
                },
                module: format!("{lib}::{module}"),
                type_name,
                text_field: sample.text_field,
                message: sample.message,
                uses_number: sample.uses_number,
                access: match (decl.private, decl.sealed) {
                    (_, true) => TopicAccess::Sealed,
                    (true, _) => TopicAccess::Private,
                    _ => TopicAccess::Plain,
                },
                reply: reply.map(|reply| ReplySample {
                    expression: sample::reply(reply, reply_type.as_deref()),
                    type_name: reply_type,
                }),
                accessors: names::accessors(&decl.message),
            },
            module,
        }
    };
    schema.topics.iter().map(topic).collect()
}

fn includes(options: &GenerateOptions) -> Vec<PathBuf> {
    if !options.includes.is_empty() {
        return options.includes.clone();
    }
    crate::schema::folders(&options.protos)
}

/// Returns the schema's files that are not built in, with the names by which they are imported.
fn sources(schema: &Schema, includes: &[PathBuf]) -> Vec<(String, PathBuf)> {
    let find = |name: &str| {
        let mut places = includes.iter().map(|include| include.join(name));
        places.find(|place| place.is_file())
    };
    schema
        .pool
        .files()
        .filter(|file| {
            file.name() != OPTIONS_PROTO_NAME && file.package_name() != "google.protobuf"
        })
        .filter(|file| {
            // Do not write outside of the project.
            let mut parts = Path::new(file.name()).components();
            parts.all(|part| matches!(part, Component::Normal(_)))
        })
        .filter_map(|file| Some((file.name().to_owned(), find(file.name())?)))
        .collect()
}

fn uses_well_known_types(schema: &Schema) -> bool {
    schema
        .pool
        .files()
        .any(|file| file.package_name() == "google.protobuf" && file.name() != DESCRIPTOR_PROTO)
}

/// The source of the project's `amop` crates.
enum Amop {
    Folder(PathBuf),
    Released,
}

impl Amop {
    fn find(given: Option<&Path>) -> Result<Self, GenerateError> {
        let is_source = |folder: &Path| {
            ["amop", "amop-build"]
                .iter()
                .all(|name| folder.join(name).join("Cargo.toml").is_file())
        };
        let Some(folder) = given else {
            let own = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
            return Ok(match own.filter(|folder| is_source(folder)) {
                Some(folder) => Self::Folder(folder.to_owned()),
                None => Self::Released,
            });
        };
        // Cargo would resolve a relative path from the project's folder.
        let absolute =
            fs::canonicalize(folder).map_err(|error| GenerateError::read(folder, error))?;
        if !is_source(&absolute) {
            return Err(GenerateError::NoAmop { folder: absolute });
        }
        Ok(Self::Folder(absolute))
    }

    /// Returns the text after the `=` in `Cargo.toml`.
    fn dependency(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => {
                // A JSON string is a TOML string.
                let path = folder.join(name).display().to_string();
                format!("{{ path = {} }}", serde_json::Value::from(path))
            }
            Self::Released => format!("\"{}\"", env!("CARGO_PKG_VERSION")),
        }
    }
}
