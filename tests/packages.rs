//! Every crate for users has what crates.io and docs.rs show of it, and no other crate can be published.

use std::{collections::BTreeSet, env, fs, path::Path, process::Command};

use serde_json::Value;

/// The categories that the crates use, all of them known to crates.io.
const CATEGORIES: &[&str] = &[
    "asynchronous",
    "command-line-utilities",
    "cryptography",
    "development-tools",
    "development-tools::build-utils",
    "development-tools::procedural-macro-helpers",
    "development-tools::testing",
    "encoding",
    "network-programming",
];

/// The crates for users, as the scripts of `.ci` know them.
const PUBLISHED: &str = include_str!("../.ci/published");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(args)
        .arg("--offline")
        .current_dir(root())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the manifests of the workspace's members.
fn members() -> Vec<Value> {
    let text = cargo(&["metadata", "--no-deps", "--format-version=1"]);
    let metadata: Value = serde_json::from_str(&text).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn name(member: &Value) -> &str {
    member["name"].as_str().unwrap()
}

/// Returns the members that may be published: a manifest with `publish = false` has an empty list here.
fn published() -> Vec<Value> {
    let mut members = members();
    members.retain(|member| member["publish"].is_null());
    members
}

fn texts(value: &Value) -> Vec<&str> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_str().unwrap()).collect()
}

#[test]
fn only_crates_for_users_can_be_published() {
    let published = published();
    let found: BTreeSet<&str> = published.iter().map(name).collect();
    let listed: BTreeSet<&str> = PUBLISHED.lines().collect();
    assert_eq!(found, listed, "`publish = false`, or .ci/published");
}

#[test]
fn published_crates_say_what_crates_io_shows() {
    for member in published() {
        let name = name(&member);
        for field in ["description", "repository", "license", "rust_version"] {
            let text = member[field].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{name} has no {field}");
        }
        assert_eq!(member["readme"], "README.md", "{name}");
        assert!(member["metadata"]["docs"]["rs"].is_object(), "{name}");

        let keywords = texts(&member["keywords"]);
        assert!((1..=5).contains(&keywords.len()), "{name}: {keywords:?}");
        for keyword in keywords {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_+".contains(c);
            assert!(
                keyword.len() <= 20
                    && keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && keyword.chars().all(allowed),
                "{name}: crates.io refuses the keyword {keyword:?}"
            );
        }
        let categories = texts(&member["categories"]);
        assert!(
            (1..=5).contains(&categories.len()),
            "{name}: {categories:?}"
        );
        for category in categories {
            assert!(CATEGORIES.contains(&category), "{name}: {category:?}");
        }
    }
}

/// A package is made from files of its folder alone.
#[test]
fn packages_have_a_licence_and_a_readme_and_no_tests() {
    let licence = fs::read_to_string(root().join("LICENSE")).unwrap();
    for member in published() {
        let name = name(&member);
        let files = cargo(&["package", "--list", "--allow-dirty", "--package", name]);
        for file in ["LICENSE", "README.md", "src/"] {
            assert!(
                files.lines().any(|line| line.starts_with(file)),
                "{name} lacks {file}"
            );
        }
        for folder in ["tests/", "benches/", "target/"] {
            assert!(
                !files.lines().any(|line| line.starts_with(folder)),
                "{name} has {folder}"
            );
        }
        let folder = root().join(name);
        assert_eq!(
            fs::read_to_string(folder.join("LICENSE")).unwrap(),
            licence,
            "{name}"
        );
        let readme = fs::read_to_string(folder.join("README.md")).unwrap();
        assert!(readme.starts_with(&format!("# {name}\n")), "{name}");
        // On crates.io, there is nothing around the package that a relative link could lead to.
        assert!(!readme.contains("]("), "{name}: a link in README.md");
    }
}

/// A crate that is published depends on published crates only, and names their versions; cargo leaves out
/// dev-dependencies without a version.
#[test]
fn published_crates_depend_on_published_crates() {
    let listed: BTreeSet<&str> = PUBLISHED.lines().collect();
    for member in published() {
        let own = member["dependencies"].as_array().unwrap().iter();
        for dependency in own.filter(|dependency| dependency["path"].is_string()) {
            let (of, to) = (name(&member), name(dependency));
            let versioned = dependency["req"] != "*";
            if dependency["kind"] == "dev" && !versioned {
                continue;
            }
            assert!(
                versioned,
                "{of} depends on {to} without a version of its own"
            );
            assert!(
                listed.contains(to),
                "{of} depends on {to}, which is not published"
            );
        }
    }
}
