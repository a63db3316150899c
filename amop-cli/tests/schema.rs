//! `amop schema` as users run it: exit codes and output.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

fn amop(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amop"));
    command.args(args).current_dir(dir).env_remove("RUST_LOG");
    command.output().unwrap()
}

fn schema(number: u32) -> String {
    format!(
        "syntax = \"proto3\";\npackage demo;\nimport \"amop/options.proto\";\n\
         message Quote {{\n  option (amop.topic) = \"quote\";\n  uint64 price = {number};\n}}\n"
    )
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn check_tells_by_its_exit_code() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("old.proto"), schema(1)).unwrap();
    fs::write(dir.path().join("new.proto"), schema(2)).unwrap();

    let same = amop(dir.path(), &["schema", "check", "old.proto", "old.proto"]);
    assert_eq!(same.status.code(), Some(0), "{same:?}");

    let other = amop(dir.path(), &["schema", "check", "old.proto", "new.proto"]);
    assert_eq!(other.status.code(), Some(1), "{other:?}");
    let report = text(&other.stdout);
    assert!(
        report.contains("quote") && report.contains("price"),
        "{report}"
    );
}

/// Each version has its own imports, although both have the same names.
#[test]
fn check_looks_imports_up_in_the_versions_own_folders() {
    let dir = TempDir::new().unwrap();
    for (version, of) in [("old", "int32"), ("new", "string")] {
        let folder = dir.path().join(version).join("quotes");
        fs::create_dir_all(&folder).unwrap();
        let text = schema(1).replace("uint64", "Price");
        let text = text.replace("package", "import \"quotes/price.proto\";\npackage");
        fs::write(folder.join("quote.proto"), text).unwrap();
        let price = format!("syntax = \"proto3\"; package demo; message Price {{ {of} x = 1; }}");
        fs::write(folder.join("price.proto"), price).unwrap();
    }
    let (old, new) = ("old/quotes/quote.proto", "new/quotes/quote.proto");
    for includes in [["old", "new"], ["new", "old"]] {
        let [a, b] = includes;
        let args = ["schema", "check", old, new, "--include", a, "--include", b];
        let other = amop(dir.path(), &args);
        assert_eq!(other.status.code(), Some(1), "{other:?}");
        let report = text(&other.stdout);
        assert!(report.contains("Quote.price.x"), "{report}");
    }
}

#[test]
fn check_says_what_is_lost_and_that_nothing_was_compared() {
    let dir = TempDir::new().unwrap();
    let narrow = schema(1).replace("uint64", "uint32");
    fs::write(dir.path().join("old.proto"), schema(1)).unwrap();
    fs::write(dir.path().join("new.proto"), narrow).unwrap();
    let lossy = amop(dir.path(), &["schema", "check", "old.proto", "new.proto"]);
    assert_eq!(lossy.status.code(), Some(0), "{lossy:?}");
    let report = text(&lossy.stdout);
    assert!(report.contains("but the LOSSY parts"), "{report}");

    let nothing = schema(1).replace("option (amop.topic) = \"quote\";", "");
    fs::write(dir.path().join("nothing.proto"), nothing).unwrap();
    let args = ["schema", "check", "nothing.proto", "nothing.proto"];
    let nothing = amop(dir.path(), &args);
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
    assert!(
        text(&nothing.stderr).contains("declare no topics"),
        "{nothing:?}"
    );
}

#[test]
fn check_reads_descriptor_sets() {
    let dir = TempDir::new().unwrap();
    let old = dir.path().join("old.proto");
    fs::write(&old, schema(1)).unwrap();
    let read = amop_cli::schema::read(&old, &[]).unwrap();
    fs::write(dir.path().join("old.binpb"), read.pool.encode_to_vec()).unwrap();
    fs::write(dir.path().join("new.proto"), schema(2)).unwrap();
    fs::write(dir.path().join("broken.binpb"), "no descriptor set").unwrap();

    let same = amop(dir.path(), &["schema", "check", "old.binpb", "old.proto"]);
    assert_eq!(same.status.code(), Some(0), "{same:?}");
    let other = amop(dir.path(), &["schema", "check", "old.binpb", "new.proto"]);
    assert_eq!(other.status.code(), Some(1), "{other:?}");
    let broken = amop(
        dir.path(),
        &["schema", "check", "broken.binpb", "new.proto"],
    );
    assert_eq!(broken.status.code(), Some(1));
    assert!(text(&broken.stderr).contains("broken.binpb"), "{broken:?}");
    assert_eq!(text(&broken.stdout), "");
}

#[test]
fn asyncapi_takes_proto_files_and_descriptors() {
    #[amop::topic("hello")]
    struct Hello(#[allow(dead_code)] String);

    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("quote.proto"), schema(1)).unwrap();
    let described = amop::TopicDescriptors::new().with::<Hello>();
    described.write(dir.path().join("topics.json")).unwrap();

    let output = amop(
        dir.path(),
        &["schema", "asyncapi", "quote.proto", "topics.json"],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["asyncapi"], "3.0.0");
    let channels = document["channels"].as_object().unwrap();
    let mut addresses: Vec<_> = channels.values().map(|c| c["address"].as_str()).collect();
    addresses.sort_unstable();
    assert_eq!(addresses, [Some("hello"), Some("quote")]);
}

#[test]
fn rust_code_is_refused_with_the_way_to_describe_it() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("hello.rs"), "").unwrap();
    let output = amop(dir.path(), &["schema", "asyncapi", "hello.rs"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains("amop::TopicDescriptors::new()"), "{said}");
}

/// A reader that has read enough, such as `head`, is not an error, and the exit code stays the
/// same.
#[test]
fn a_closed_pipe_changes_nothing() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("old.proto"), schema(1)).unwrap();
    fs::write(dir.path().join("new.proto"), schema(2)).unwrap();
    for (args, expected) in [
        (&["check", "old.proto", "old.proto"][..], 0),
        (&["check", "old.proto", "new.proto"], 1),
        (&["asyncapi", "old.proto"], 0),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let finished = Command::new(env!("CARGO_BIN_EXE_amop"))
            .arg("schema")
            .args(args)
            .current_dir(dir.path())
            .env_remove("RUST_LOG")
            .stdout(writer)
            .stderr(std::process::Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(
            finished.status.code(),
            Some(expected),
            "{args:?}: {finished:?}"
        );
        assert_eq!(text(&finished.stderr), "");
    }
}
