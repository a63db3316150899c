//! `amop generate`: its output builds, satisfies clippy, and behaves like the documented demos. A
//! failure leaves nothing behind.

mod running;

use std::{env, fs, path::Path};

use amop_cli::generate::{
    GenerateError, GenerateOptions, Programs, generate, multicast_publisher, subscriber,
    unicast_publisher,
};
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The programs of `examples/` as the templates see them.
fn examples() -> Programs {
    Programs {
        prefix: String::new(),
        module: "amop_examples".to_owned(),
        type_name: "Hello".to_owned(),
        text_field: Some("0".to_owned()),
        message: "Hello(format!(\n            {{text}}\n        ))".to_owned(),
        uses_number: true,
        ..Programs::default()
    }
}

/// With the variable `AMOP_BLESS` set, the examples are written again.
#[test]
fn the_examples_come_from_the_templates() {
    for (name, rendered) in examples().all() {
        let path = root().join(format!("examples/{name}.rs"));
        if env::var_os("AMOP_BLESS").is_some() {
            fs::write(&path, &rendered).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap();
        assert_eq!(
            found,
            rendered,
            "{} differs: change the template",
            path.display()
        );
    }
    let texts: Vec<String> = examples().all().into_iter().map(|(_, text)| text).collect();
    let expected = [subscriber, unicast_publisher, multicast_publisher];
    assert_eq!(texts, expected.map(|program| program(&examples())));
}

fn generate_into(out: &Path, proto: &str) -> Result<Vec<String>, GenerateError> {
    let options = GenerateOptions {
        protos: vec![root().join("schemas/proto").join(format!("{proto}.proto"))],
        out: out.to_owned(),
        ..GenerateOptions::default()
    };
    generate(&options).map(|project| project.programs)
}

#[test]
fn a_folder_with_files_is_left_alone() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("mine"), "").unwrap();
    let error = generate_into(dir.path(), "hello").unwrap_err();
    assert!(matches!(error, GenerateError::NotEmpty { .. }), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn several_topics_have_programs_of_their_own() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("out");
    let proto = |name: &str| root().join(format!("schemas/proto/{name}.proto"));
    let project = generate(&GenerateOptions {
        protos: vec![proto("price"), proto("file_transfer")],
        out: out.clone(),
        ..GenerateOptions::default()
    })
    .unwrap();
    let expected = [
        "price_tick_subscriber",
        "price_tick_unicast_publisher",
        "price_tick_multicast_publisher",
        "file_chunk_subscriber",
        "file_chunk_unicast_publisher",
        "file_chunk_multicast_publisher",
    ];
    assert_eq!(project.programs, expected);
    for name in expected {
        let text = fs::read_to_string(out.join(format!("src/bin/{name}.rs"))).unwrap();
        assert!(!text.contains("{{"), "{text}");
    }
}

/// Returns the error of generating a project of one file. The error must leave everything
/// unchanged.
#[track_caller]
fn fails_and_leaves_nothing(schema: &str, out: &str) -> String {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    fs::write(dir.path().join("a.proto"), schema).unwrap();
    let entries = |dir: &Path| {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        names.sort();
        names
    };
    let before = entries(dir.path());
    let error = generate(&GenerateOptions {
        protos: vec![dir.path().join("a.proto")],
        out: dir.path().join(out),
        ..GenerateOptions::default()
    })
    .unwrap_err();
    assert_eq!(entries(dir.path()), before, "{error}");
    assert_eq!(entries(&dir.path().join("empty")).len(), 0, "{error}");
    error
        .to_string()
        .replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn a_failed_run_leaves_nothing_behind() {
    let head = "syntax = \"proto3\";\npackage p;\nimport \"amop/options.proto\";\n";
    let topic = "message M { option (amop.topic) = \"t\"; }\n";
    for out in ["new", "empty", "some/new/folder"] {
        // A schema that amop-build refuses is already refused here.
        assert_eq!(
            fails_and_leaves_nothing(&format!("{head}{topic}enum E {{ E_A = 0; A = 1; }}"), out),
            "a.proto:5:19: `p.E.E_A` and `p.E.A` would both be the variant `A` in Rust: give one of them another \
             name"
        );
        let error = fails_and_leaves_nothing(&format!("{head}message M {{}}"), out);
        assert!(error.starts_with("the schema has no topics"), "{error}");
        let error = fails_and_leaves_nothing("syntax = \"proto3\"; message {", out);
        assert!(error.starts_with("a.proto:1:28: "), "{error}");
        let error = fails_and_leaves_nothing("syntax = \"proto3\"; message", out);
        assert!(error.starts_with("a.proto: expected"), "{error}");
    }
    // A file exists where a folder is needed.
    let good = format!("{head}{topic}");
    let error = fails_and_leaves_nothing(&good, "a.proto/new");
    assert!(error.contains("a.proto/new"), "{error}");
    let error = fails_and_leaves_nothing(&good, "a.proto");
    assert!(error.contains("cannot read"), "{error}");
}

#[test]
fn an_empty_folder_is_filled() {
    let dir = TempDir::new().unwrap();
    generate_into(dir.path(), "hello").unwrap();
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        ".gitignore",
        "Cargo.toml",
        "README.md",
        "build.rs",
        "proto",
        "src",
    ];
    assert_eq!(names, expected);
}

#[test]
fn programs_have_names_that_files_may_have() {
    let dir = TempDir::new().unwrap();
    let project = generate(&GenerateOptions {
        protos: vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/generate/proto/odd.proto")],
        out: dir.path().join("x".repeat(200)),
        ..GenerateOptions::default()
    })
    .unwrap();
    assert_eq!(project.package, "x".repeat(40));
    let expected = [
        "topic_2fa_responder",
        "topic_2fa_requester",
        "a_topic_with_as_many_bytes_as_there_may_responder",
        "a_topic_with_as_many_bytes_as_there_may_requester",
        "con_responder",
        "con_requester",
        "a_b_responder",
        "a_b_requester",
        "a_b_2_subscriber",
        "a_b_2_unicast_publisher",
        "a_b_2_multicast_publisher",
        "timestamp_subscriber",
        "timestamp_unicast_publisher",
        "timestamp_multicast_publisher",
        "crate_subscriber",
        "crate_unicast_publisher",
        "crate_multicast_publisher",
    ];
    assert_eq!(project.programs, expected);
}
