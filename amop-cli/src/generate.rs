//! Writes a Cargo project with programs for every topic of a schema: a subscriber and two
//! publishers, or a responder and a requester for a topic with a reply.

mod amop_source;
mod error;
mod names;
mod output;
mod programs;
mod render;
mod sample;
mod topics;

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use amop_schema::{OPTIONS_PROTO_NAME, Schema};

use self::{amop_source::Amop, output::TemporaryProject, topics::topics};
pub use self::{
    error::GenerateError,
    programs::{Programs, ReplySample, TopicAccess},
    render::{multicast_publisher, subscriber, unicast_publisher},
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
