//! AsyncAPI documents: they have the expected content, the AsyncAPI Initiative's schema accepts
//! them, and their payload schemas accept the messages that programs send.

use super::compat_support::random::{self, Random};
use amop_schema::{
    Schema,
    asyncapi::{self, DeclaredTopic, DocumentInfo, PayloadSchema},
    compat, descriptors,
};
use serde_json::{Value, json};
use std::{
    error::Error,
    path::{Path, PathBuf},
};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn load(files: &[&str]) -> Schema {
    Schema::load(files, &[data("asyncapi")]).unwrap_or_else(|error| panic!("{error}"))
}

fn declared(schema: &Schema) -> Vec<DeclaredTopic> {
    schema.topics.iter().map(DeclaredTopic::from).collect()
}

/// Returns the topics of tests/codegen/tests/describe/topics.rs, whose test writes the file.
fn structs() -> Vec<DeclaredTopic> {
    let topics = descriptors::read(&data("asyncapi/structs.json"));
    topics.unwrap_or_else(|error| panic!("{error}"))
}

/// Fails unless the document is a valid AsyncAPI 3.0.0 document and all its references exist.
fn assert_valid(document: &Value) {
    let text = std::fs::read_to_string(data("asyncapi-3.0.0/schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}\n{document:#}", errors.join("\n"));

    let mut references = Vec::new();
    find_references(document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
}

fn find_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(to)) = map.get("$ref") {
                found.push(to.clone());
            }
            map.values().for_each(|value| find_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| find_references(value, found)),
        _ => {}
    }
}

/// Compares with a file, or writes it if `UPDATE_GOLDEN` is set.
fn assert_golden(document: &Value, name: &str) {
    let text = format!("{document:#}\n");
    let path = data(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == expected,
        "{name} differs; if that is meant, run the tests with UPDATE_GOLDEN=1\n{text}"
    );
}

/// Returns a payload's schema with the document's components, for a validator.
fn payload_validator(document: &Value, message: &str) -> jsonschema::Validator {
    let mut schema = document["components"]["messages"][message]["payload"].clone();
    schema = json!({ "allOf": [schema], "components": document["components"] });
    jsonschema::draft7::new(&schema).unwrap()
}

#[test]
fn proto_topics_are_described() {
    let schema = load(&["hello.proto", "market.proto"]);
    let mut info = DocumentInfo::new("Market", "1.2.0");
    info.description = Some("What the market's members tell each other.".to_owned());
    let document = asyncapi::document(&declared(&schema), &info);
    assert_valid(&document);
    assert_golden(&document, "asyncapi/proto.json");
}

#[test]
fn rust_topics_are_described() {
    let document = asyncapi::document(&structs(), &DocumentInfo::new("Structs", "0.1.0"));
    assert_valid(&document);
    assert_golden(&document, "asyncapi/rust.json");
}

#[test]
fn proto_and_rust_topics_share_a_document() {
    let mut topics = declared(&load(&["hello.proto", "market.proto"]));
    topics.extend(structs());
    let info = DocumentInfo::new("All", "1.0.0");
    let document = asyncapi::document(&topics, &info);
    assert_valid(&document);

    // The order does not matter.
    topics.reverse();
    assert_eq!(
        document.to_string(),
        asyncapi::document(&topics, &info).to_string()
    );
}

#[test]
fn an_empty_document_is_valid() {
    let document = asyncapi::document(&[], &DocumentInfo::new("Nothing", "0"));
    let text = std::fs::read_to_string(data("asyncapi-3.0.0/schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert!(jsonschema::draft7::is_valid(&schema, &document));
}

/// The official schema refuses wrong documents. Otherwise the other tests would prove nothing.
#[test]
fn the_official_schema_refuses_wrong_documents() {
    let text = std::fs::read_to_string(data("asyncapi-3.0.0/schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let good = asyncapi::document(
        &declared(&load(&["hello.proto"])),
        &DocumentInfo::new("Hello", "1"),
    );
    assert!(jsonschema::draft7::is_valid(&schema, &good));
    let operation = good["operations"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    for (pointer, wrong) in [
        ("/asyncapi", json!("2.6.0")),
        ("/info/title", json!(7)),
        (&format!("/operations/{operation}/action"), json!("publish")),
        (&format!("/operations/{operation}/channel"), json!("hello")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = wrong;
        assert!(!jsonschema::draft7::is_valid(&schema, &bad), "{pointer}");
    }
}

/// Messages in the JSON mapping match the payload's schema.
#[test]
fn json_messages_are_valid_payloads() {
    let schema = load(&["market.proto"]);
    let document = asyncapi::document(&declared(&schema), &DocumentInfo::new("Market", "1"));
    let decl = schema.topic_of("market.Everything").unwrap();
    let validator = payload_validator(&document, "market.Everything");
    for seed in 0..500 {
        let message = random::message(&mut Random::new(seed), &decl.message, 4);
        let json = serde_json::to_value(&message).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&json)
            .map(|e| e.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?}\n{json:#}");
    }
    for wrong in [
        json!({ "big": 5 }),
        json!({ "small": 1_u64 << 40 }),
        json!({ "side": "NEITHER" }),
        json!({ "text": "a", "number": 1 }),
        json!({ "numbers": { "x": "y" } }),
        json!([]),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}

/// The text in the document compiles to a schema with the same messages.
#[test]
fn proto_texts_compile_to_the_same_messages() {
    let schema = load(&["hello.proto", "market.proto", "legacy.proto"]);
    let mut seen = 0;
    for decl in &schema.topics {
        let PayloadSchema::Protobuf { text, message, .. } =
            DeclaredTopic::from(decl).message.content
        else {
            continue;
        };
        seen += 1;
        let dir = tempfile::tempdir().unwrap();
        // As a topic of its own schema, so that it can be compared.
        let short = message.rsplit('.').next().unwrap();
        let import = "import \"amop/options.proto\";\n";
        let at = text.find('\n').unwrap() + 1;
        let head = format!("message {short} {{\n");
        let option = format!(
            "{head}option (amop.topic) = \"{}\"; option (amop.private) = {}; option (amop.sealed) = {};\n",
            decl.topic, decl.private, decl.sealed
        );
        let text = format!("{}{import}{}", &text[..at], &text[at..]);
        let text = text.replacen(&format!("\n{}", head), &format!("\n{option}"), 1);
        std::fs::write(dir.path().join("again.proto"), &text).unwrap();
        let again = Schema::load(&["again.proto"], &[dir.path()])
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
        let again_decl = again.topic_of(&message).unwrap_or_else(|| panic!("{text}"));

        let mut decl = decl.clone();
        decl.reply = None;
        let mut old = schema.clone();
        old.topics = vec![decl];
        let mut new = again.clone();
        new.topics = vec![again_decl.clone()];
        let report = compat::check(&old, &new);
        assert_eq!(report.topics_compared, 1);
        assert!(report.findings.is_empty(), "{report}\n{text}");
    }
    assert_eq!(seen, 3);
}

#[test]
fn demo_schemas_are_described() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/proto");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|of| of == "proto") {
            files.push(path);
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no schemas in {}", dir.display());
    let schema = Schema::load(&files, &[&dir]).unwrap_or_else(|error| panic!("{error}"));
    assert!(!schema.topics.is_empty());
    assert_valid(&asyncapi::document(
        &declared(&schema),
        &DocumentInfo::new("Demos", "1.0.0"),
    ));
}

#[test]
fn wrong_descriptor_files_are_refused() {
    let error = |text: &str| {
        let error = descriptors::parse("topics.json", text).unwrap_err();
        let source = error.source().map(ToString::to_string);
        (error.to_string(), source.unwrap_or_default())
    };
    let form = "topics.json is not a file that `amop::TopicDescriptors` writes; write it again";
    for (text, reason) in [
        ("", "EOF while parsing a value"),
        ("{}", "missing field `amop-topics`"),
        (
            r#"{ "amop-topics": 1, "topics": [{}] }"#,
            "missing field `topic`",
        ),
    ] {
        let (shown, source) = error(text);
        assert_eq!(shown, form);
        assert!(source.contains(reason), "{source}");
    }
    let (shown, _) = error(r#"{ "amop-topics": 2, "topics": [{ "new": true }] }"#);
    assert_eq!(
        shown,
        "topics.json has version 2, but this program reads version 1; use the same version of `amop` \
         and of the `amop` command"
    );
    let absent = descriptors::read(Path::new("absent.json")).unwrap_err();
    assert_eq!(
        absent.to_string(),
        "cannot read absent.json; check the path"
    );
}
