//! Shared parts of the compatibility tests: schemas from text, random messages, and a check of what
//! a message means to its reader, which is independent of the code under test.
#![allow(dead_code, unreachable_pub)]

pub mod meaning;
pub mod pairs;
pub mod random;

use amop_schema::compat::{CompatReport, Severity};
use amop_schema::{Schema, SchemaErrors};

/// Returns a schema of one file. `body` follows the header.
pub fn schema(syntax: &str, body: &str) -> Schema {
    try_schema(syntax, body).unwrap_or_else(|error| panic!("{error}\nin\n{body}"))
}

fn try_schema(syntax: &str, body: &str) -> Result<Schema, SchemaErrors> {
    let dir = tempfile::tempdir().unwrap();
    let text =
        format!("syntax = \"{syntax}\";\npackage demo;\nimport \"amop/options.proto\";\n{body}");
    std::fs::write(dir.path().join("demo.proto"), &text).unwrap();
    let schema = Schema::load(&["demo.proto"], &[dir.path()])?;
    // Reflection over a pool of parsed files ignores `packed`.
    Schema::from_descriptor_set(&schema.pool.encode_to_vec())
}

/// Returns a schema with one topic, whose message has these members. Other declarations follow it.
pub fn topic(syntax: &str, codec: &str, members: &str, others: &str) -> Schema {
    schema(syntax, &body(codec, members, others))
}

/// Does the same; `None` if the schema is not valid.
pub fn try_topic(syntax: &str, codec: &str, members: &str, others: &str) -> Option<Schema> {
    try_schema(syntax, &body(codec, members, others)).ok()
}

fn body(codec: &str, members: &str, others: &str) -> String {
    format!(
        "message M {{\n  option (amop.topic) = \"topic\";\n  option (amop.codec) = {codec};\n\
         {members}\n}}\n{others}"
    )
}

/// Returns the findings as `SEVERITY direction path rule`, where directions are `>` (forward: new
/// publishers, old subscribers), `<` (backward) and `=` (both).
pub fn summary(report: &CompatReport) -> Vec<String> {
    report
        .findings
        .iter()
        .map(|finding| {
            let severity = match finding.severity {
                Severity::Break => "break",
                Severity::Lossy => "lossy",
                Severity::Note => "note",
            };
            let direction = match (finding.directions.forward, finding.directions.backward) {
                (true, true) => "=",
                (true, false) => ">",
                (false, true) => "<",
                (false, false) => panic!("no direction: {finding}"),
            };
            format!("{severity} {direction} {} {}", finding.path, finding.rule)
        })
        .collect()
}
