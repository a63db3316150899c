//! Reads schemas for the commands: compares two, and describes topics as AsyncAPI.

use std::path::{Path, PathBuf};

use amop_schema::{Schema, asyncapi, compat, descriptors};
use anyhow::Context;

/// Returns the folders of the files, where imports are looked up by default.
pub(crate) fn folders(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for file in files {
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !folders.iter().any(|known| known == folder) {
            folders.push(folder.to_owned());
        }
    }
    folders
}

/// Reads a `.proto` file, or a binary descriptor set if the name has another extension.
///
/// Imports are looked up in `includes`, then in the file's folder.
///
/// # Errors
///
/// All mistakes of the schema, or the reason why the file cannot be read.
pub fn read(file: &Path, includes: &[PathBuf]) -> anyhow::Result<Schema> {
    if file
        .extension()
        .is_some_and(|extension| extension == "proto")
    {
        let files = [file.to_owned()];
        // The two versions under comparison may be in folders outside of the includes.
        let includes: Vec<PathBuf> = includes.iter().cloned().chain(folders(&files)).collect();
        return Ok(Schema::load(&files, &includes)?);
    }
    let bytes = std::fs::read(file)
        .with_context(|| format!("cannot read {}; check the path", file.display()))?;
    Schema::from_descriptor_set(&bytes).with_context(|| {
        format!(
            "{} is neither named .proto nor a descriptor set",
            file.display()
        )
    })
}

/// Compares two versions of a schema.
///
/// # Errors
///
/// If one of them cannot be read, or neither declares a topic.
pub fn check(old: &Path, new: &Path, includes: &[PathBuf]) -> anyhow::Result<compat::CompatReport> {
    let was = read(old, &own_includes(old, new, includes))?;
    let is = read(new, &own_includes(new, old, includes))?;
    anyhow::ensure!(
        !was.topics.is_empty() || !is.topics.is_empty(),
        "{} and {} declare no topics, so there is nothing to compare: topics are messages with the option \
         (amop.topic)",
        old.display(),
        new.display()
    );
    Ok(compat::check(&was, &is))
}

/// Returns the include folders for one of two versions. Folders that contain only the other
/// version's file come last: their files are used only if no other folder has them.
fn own_includes(file: &Path, other: &Path, includes: &[PathBuf]) -> Vec<PathBuf> {
    let contains = |folder: &Path, file: &Path| match (folder.canonicalize(), file.canonicalize()) {
        (Ok(folder), Ok(file)) => file.starts_with(folder),
        _ => false,
    };
    let (own, others): (Vec<_>, Vec<_>) = includes
        .iter()
        .cloned()
        .partition(|folder| contains(folder, file) || !contains(folder, other));
    [own, folders(&[file.to_owned()]), others].concat()
}

/// Describes topics as an AsyncAPI 3.0 document in JSON. Files named `.json` are descriptors of Rust
/// topics, all others are `.proto` files.
///
/// # Errors
///
/// If a file cannot be read, or none declares a topic.
pub fn asyncapi(
    files: &[PathBuf],
    includes: &[PathBuf],
    info: &asyncapi::DocumentInfo,
) -> anyhow::Result<String> {
    let named = |file: &Path, name: &str| file.extension().is_some_and(|it| it == name);
    if let Some(rust) = files.iter().find(|file| named(file, "rs")) {
        anyhow::bail!(
            "{} is Rust code, which only the compiler reads: let a test of its crate write the topics \
             with `amop::TopicDescriptors::new().with::<YourTopic>().write(\"topics.json\")`, and give \
             topics.json here",
            rust.display()
        );
    }
    let (described, proto): (Vec<_>, Vec<_>) =
        files.iter().cloned().partition(|file| named(file, "json"));
    let mut topics = Vec::new();
    if !proto.is_empty() {
        let includes: Vec<PathBuf> = includes.iter().cloned().chain(folders(&proto)).collect();
        let schema = Schema::load(&proto, &includes)?;
        topics.extend(schema.topics.iter().map(asyncapi::DeclaredTopic::from));
    }
    for file in &described {
        topics.extend(descriptors::read(file)?);
    }
    anyhow::ensure!(
        !topics.is_empty(),
        "the files declare no topics: topics are messages with the option (amop.topic), and \
         structs that `amop::TopicDescriptors` describes"
    );
    Ok(format!("{:#}", asyncapi::document(&topics, info)))
}
