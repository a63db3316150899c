//! Descriptors of topics: they say what the structs say, wherever these are and whatever the macros
//! are called there.
//!
//! amop-schema's tests make documents of the files that are compared here.
#![allow(dead_code, clippy::non_minimal_cfg)]

mod conditions;
mod foreign;
mod names;
mod odd;
mod shared;
mod topics;
mod types;

use std::{fs, path::Path};

use amop::TopicDescriptors;
use amop_schema::{
    asyncapi::{DeclaredTopic, PayloadSchema},
    descriptors,
};
use serde_json::Value;

/// Reads descriptors as the command does.
fn read(described: &TopicDescriptors) -> Vec<DeclaredTopic> {
    let text = described.to_json();
    descriptors::parse("topics.json", &text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Returns the definition of the message of the topic at a place.
#[track_caller]
fn schema(topics: &[DeclaredTopic], at: usize) -> Value {
    let PayloadSchema::Json {
        schema,
        definitions,
    } = &topics[at].message.content
    else {
        panic!("{} is not JSON", topics[at].topic);
    };
    let name = schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
    definitions[name].clone()
}

/// Compares with a file, or writes it if `UPDATE_GOLDEN` is set.
#[track_caller]
fn assert_golden(described: &TopicDescriptors, name: &str) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../amop-schema/tests/data/asyncapi");
    let path = data.join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        described.write(&path).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let text = described.to_json();
    assert!(
        text == expected,
        "{name} differs; if that is meant, run the tests with UPDATE_GOLDEN=1\n{text}"
    );
}

#[test]
fn descriptors_are_those_that_the_schema_tests_read() {
    assert_golden(&topics::descriptors(), "structs.json");
    assert_golden(&odd::descriptors(), "odd.json");
}

#[test]
fn lists_of_descriptors_show_their_topics() {
    assert_eq!(
        format!("{:?}", odd::descriptors()),
        r#"[String("nothing"), String("unit"), String("tuples"), String("enums"), String("protobuf")]"#
    );
}
