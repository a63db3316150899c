//! No file with tests is forgotten: the integration tests of a crate are one program, and a file that no program names
//! is not compiled.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Returns the folders of all packages below a folder, and of the folder itself.
fn packages(folder: &Path, found: &mut Vec<PathBuf>) {
    if folder.join("Cargo.toml").is_file() {
        found.push(folder.to_owned());
    }
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !name.starts_with('.') && !["target", "src"].contains(&name) {
            packages(&path, found);
        }
    }
}

/// Returns the main files of a package's test programs, as its manifest names them.
fn programs(package: &Path) -> Vec<PathBuf> {
    let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
    let tables = manifest.split("\n[[test]]\n").skip(1);
    let paths = tables.filter_map(|table| {
        let line = table.lines().find_map(|line| line.strip_prefix("path = "));
        Some(package.join(line?.trim_matches('"')))
    });
    paths.collect()
}

/// Returns the modules that a file names.
fn modules(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines();
    lines
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect()
}

/// Returns the files and folders that may be modules of a program in this folder.
fn candidates(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let modules = paths.filter(|path| {
        path.extension().is_some_and(|kind| kind == "rs") || path.join("mod.rs").is_file()
    });
    modules
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// Generated code, which a test includes.
const NO_TESTS: [&str; 1] = ["amop-build/tests/golden"];

#[test]
fn every_file_with_tests_is_part_of_a_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    packages(root, &mut found);
    let mut named = BTreeMap::<PathBuf, BTreeSet<String>>::new();
    for program in found.iter().flat_map(|package| programs(package)) {
        let named = named
            .entry(program.parent().unwrap().to_owned())
            .or_default();
        named.insert(program.file_stem().unwrap().to_str().unwrap().to_owned());
        named.extend(modules(&program));
    }
    assert!(named.len() > 10, "{named:?}");
    for (folder, named) in named {
        for name in candidates(&folder) {
            let has_none = NO_TESTS
                .iter()
                .any(|path| root.join(path) == folder.join(&name));
            assert!(
                has_none || named.contains(&name),
                "no program names {name} in {}",
                folder.display()
            );
        }
    }
}
