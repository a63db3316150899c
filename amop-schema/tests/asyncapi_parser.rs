//! The AsyncAPI Initiative's own parser accepts our documents, and finds the main messages in them.
//!
//! The test needs Node.js and the parser, in the folder that `AMOP_NODE` names (`.ci/node` creates
//! one). Without it, the test prints a message and skips itself; with `AMOP_REQUIRE_NODE` set, this
//! is a failure.

use amop_schema::{
    Schema,
    asyncapi::{self, DeclaredTopic, DocumentInfo},
    descriptors,
};
use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Writes a document of the topics. Returns the names of all its messages, with the main messages
/// of protobuf texts.
fn write(dir: &Path, name: &str, topics: &[DeclaredTopic]) -> BTreeSet<String> {
    let document = asyncapi::document(topics, &DocumentInfo::new("Test", "1.0.0"));
    fs::write(dir.join(name), format!("{document:#}")).unwrap();
    let messages = document["components"]["messages"]
        .as_object()
        .unwrap()
        .values();
    messages
        .map(|message| {
            let short = message["x-amop-message-type"].as_str();
            let short = short.map(|full| format!(" {}", full.rsplit('.').next().unwrap()));
            let full = message["name"].as_str().unwrap();
            format!("{name}: read {full}{}", short.unwrap_or_default())
        })
        .collect()
}

fn proto(folder: &Path, files: &[&str]) -> Vec<DeclaredTopic> {
    let schema = Schema::load(files, &[folder]).unwrap_or_else(|error| panic!("{error}"));
    assert!(!schema.topics.is_empty());
    schema.topics.iter().map(DeclaredTopic::from).collect()
}

/// Nested and recursive types, enums of two packages with equal values, and empty types.
const SCHEMAS: [(&str, &str); 3] = [
    (
        "odd.proto",
        r#"syntax = "proto3"; package odd; import "amop/options.proto"; import "one.proto"; import "two.proto";
        message Outer {
            option (amop.topic) = "outer";
            message Inner { string text = 1; message Deep { Outer out = 1; Inner in = 2; } Deep deep = 2; }
            enum Kind { A = 0; B = 1; }
            Inner inner = 1; repeated Inner.Deep deep = 2; map<string, Kind> kinds = 3; Outer self = 4;
        }
        message Ring { option (amop.topic) = "ring"; Link link = 1; one.Side one = 2; two.Side two = 3; Side own = 4; }
        message Link { Ring ring = 1; Ring other = 2; optional Ring third = 3; oneof of { Ring a = 4; Link b = 5; } }
        enum Side { BUY = 0; }
        message Around { message Topic { option (amop.topic) = "inside"; Other other = 1; } message Other { int32 x = 1; } }
        message Unused { Ring ring = 1; message Nested { } }
        message Empty { option (amop.topic) = "empty"; option (amop.reply) = "Outer"; }
        message Plain { option (amop.topic) = "plain"; option (amop.codec) = JSON; Outer outer = 1; one.Side side = 2; }
        message One { option (amop.topic) = "of.one"; one.Holder holder = 1; }
        message Braces { option (amop.topic) = "with {braces} and #?%"; option (amop.codec) = TEXT; string s = 1; }
        "#,
    ),
    (
        "one.proto",
        r#"syntax = "proto3"; package one; enum Side { BUY = 0; SELL = 1; }
        message Holder { message BUY { int32 x = 1; } BUY buy = 1; Side side = 2; }"#,
    ),
    (
        "two.proto",
        r#"syntax = "proto2"; package two; enum Side { BUY = 3; SELL = 4; odd_Side = 5; }
        message Holder { optional Side side = 1 [default = SELL]; }"#,
    ),
];

#[test]
fn asyncapis_own_parser_reads_our_documents() {
    let Some(node) = env::var_os("AMOP_NODE") else {
        assert!(
            env::var_os("AMOP_REQUIRE_NODE").is_none(),
            "AMOP_REQUIRE_NODE is set, and AMOP_NODE is not: set it to what .ci/node prints"
        );
        eprintln!(
            "SKIPPED: AMOP_NODE is not set, so AsyncAPI's parser does not read our documents"
        );
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut expected = BTreeSet::new();
    for (name, text) in SCHEMAS {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let data = tests().join("data/asyncapi");
    let demos = tests().join("../../schemas/proto");
    for (name, topics) in [
        (
            "market.json",
            proto(&data, &["hello.proto", "market.proto", "legacy.proto"]),
        ),
        (
            "demos.json",
            proto(
                &demos,
                &[
                    "hello.proto",
                    "settlement.proto",
                    "file_transfer.proto",
                    "price.proto",
                ],
            ),
        ),
        ("odd.json", proto(dir.path(), &["odd.proto"])),
        // tests/codegen/tests/describe writes these two.
        (
            "rust.json",
            descriptors::read(&data.join("structs.json")).unwrap(),
        ),
        (
            "odd_rust.json",
            descriptors::read(&data.join("odd.json")).unwrap(),
        ),
    ] {
        expected.extend(write(dir.path(), name, &topics));
    }
    let documents = ["market", "demos", "odd", "rust", "odd_rust"];
    let output = Command::new("node")
        .arg(tests().join("data/asyncapi-parser.cjs"))
        .arg(&node)
        .args(documents.map(|name| dir.path().join(format!("{name}.json"))))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said = String::from_utf8(output.stdout).unwrap();
    let found: BTreeSet<String> = said.lines().map(str::to_owned).collect();
    assert_eq!(found, expected, "{errors}");
}
