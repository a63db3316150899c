//! Keeps the rooms of the project small and in order: no file is too long, and no files of a crate import each other.

mod rings;
mod source;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The maximum number of lines of a file.
const MAX_LINES: usize = 500;

/// Files whose paths begin with one of these may import each other: a type and long parts of its methods.
const PARTS: &[&str] = &[
    "amop-cli/src/conformance",
    "amop-cli/src/tap",
    "amop-node/src/config",
    "amop-node/src/layout",
    "amop-schema/src/load",
];

/// Folders whose content is generated, downloaded or built.
const GENERATED: &[&str] = &["target", "node_modules", "corpus", "artifacts"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && !GENERATED.contains(&&*name) {
                sources(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_file_is_too_long() {
    let mut files = Vec::new();
    sources(root(), &mut files);
    assert!(files.len() > 500, "{} files", files.len());
    let lines = |file: &PathBuf| fs::read_to_string(file).map_or(0, |text| text.lines().count());
    let long = files.iter().map(|file| (lines(file), file));
    let long: Vec<_> = long.filter(|&(lines, _)| lines > MAX_LINES).collect();
    assert!(
        long.is_empty(),
        "over {MAX_LINES} lines; divide by purpose: {long:#?}"
    );
}

#[test]
fn no_files_of_a_crate_import_each_other() {
    let mut found = Vec::new();
    let mut crates = 0;
    for entry in fs::read_dir(root()).unwrap() {
        let folder = entry.unwrap().path();
        let is_shipped = folder
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("amop");
        for file in ["src/lib.rs", "src/main.rs"].map(|file| folder.join(file)) {
            if is_shipped && file.exists() {
                crates += 1;
                found.extend(rings::rings(&file));
            }
        }
    }
    assert!(crates > 8, "{crates} crates");
    let is_part = |ring: &BTreeSet<PathBuf>, part: &str| {
        let part = root().join(part);
        let part = part.to_string_lossy();
        ring.iter()
            .all(|file| file.to_string_lossy().starts_with(&*part))
    };
    found.retain(|ring| !PARTS.iter().any(|part| is_part(ring, part)));
    assert!(found.is_empty(), "files that import each other: {found:#?}");
}
