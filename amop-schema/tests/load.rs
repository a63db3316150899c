//! The content read from schemas: topics with their options, places, comments and sources.

use amop_schema::{OPTIONS_PROTO, Schema, TopicCodec};
use std::{fs, path::Path};
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

const QUOTES: &str = r#"syntax = "proto3";
package quotes.v1;

import "amop/options.proto";
import "common/reply.proto";

// A quote for a bond.
//
// Prices are in cents.
message Quote {
  option (amop.topic) = "quote";
  option (amop.reply) = "common.Reply";
  option (amop.codec) = JSON;
  option (amop.private) = true;

  string bond_code = 1;

  message Nested {
    option (amop.topic) = "nested";
    option (amop.sealed) = true;
    option (amop.reply) = "Answer";
    message Answer {}
  }
}

message Hello {
  option (amop.topic) = "hello";
  option (amop.codec) = TEXT;
  string text = 1;
}

message NoTopic {}
"#;

const REPLY: &str = r#"syntax = "proto3";
package common;
import "amop/options.proto";

message Reply {
  option (amop.codec) = TEXT;
  string reason = 1;
}
"#;

#[test]
fn topics_carry_all_that_was_stated() {
    let dir = folder(&[("quotes.proto", QUOTES), ("common/reply.proto", REPLY)]);
    let schema = Schema::load(&["quotes.proto"], &[dir.path()]).unwrap();

    let names: Vec<_> = schema.topics.iter().map(|t| t.topic.as_str()).collect();
    assert_eq!(names, ["quote", "nested", "hello"]);

    let quote = schema.topic_of("quotes.v1.Quote").unwrap();
    assert_eq!(quote.codec, TopicCodec::Json);
    assert!(quote.private);
    assert_eq!(quote.reply.as_ref().unwrap().full_name(), "common.Reply");
    assert_eq!(quote.reply_codec, TopicCodec::Text);
    let path = dir.path().join("quotes.proto");
    assert_eq!(
        quote.location.to_string(),
        format!("{}:11:3", path.display())
    );
    assert_eq!(
        quote.comment.as_deref(),
        Some("A quote for a bond.\n\nPrices are in cents.")
    );

    let nested = schema.topic_of("quotes.v1.Quote.Nested").unwrap();
    assert_eq!(nested.codec, TopicCodec::Protobuf);
    assert_eq!(nested.reply_codec, TopicCodec::Protobuf);
    assert!(!nested.private && nested.sealed && !quote.sealed);
    assert_eq!(
        nested.reply.as_ref().unwrap().full_name(),
        "quotes.v1.Quote.Nested.Answer"
    );
    assert_eq!(nested.comment, None);

    assert_eq!(
        schema.sources().collect::<Vec<_>>(),
        [path.as_path(), &dir.path().join("common/reply.proto")]
    );
}

#[test]
fn a_descriptor_set_says_the_same_as_its_files() {
    let dir = folder(&[("quotes.proto", QUOTES), ("common/reply.proto", REPLY)]);
    let loaded = Schema::load(&["quotes.proto"], &[dir.path()]).unwrap();
    let decoded = Schema::from_descriptor_set(&loaded.pool.encode_to_vec()).unwrap();

    assert_eq!(decoded.topics.len(), loaded.topics.len());
    for (a, b) in decoded.topics.iter().zip(&loaded.topics) {
        assert_eq!(a.topic, b.topic);
        assert_eq!(a.codec, b.codec);
        assert_eq!((a.private, a.sealed), (b.private, b.sealed));
        assert_eq!(a.reply_codec, b.reply_codec);
        assert_eq!(a.comment, b.comment);
        assert_eq!(a.location.line, b.location.line);
        assert_eq!(a.message.full_name(), b.message.full_name());
    }
    assert_eq!(decoded.topics[0].location.to_string(), "quotes.proto:11:3");
    assert_eq!(decoded.sources().count(), 0);
}

#[test]
fn files_are_found_by_path_and_by_name() {
    let dir = folder(&[("quotes.proto", QUOTES), ("common/reply.proto", REPLY)]);
    let by_path = Schema::load(&[dir.path().join("quotes.proto")], &[dir.path()]).unwrap();
    assert_eq!(by_path.topics.len(), 3);
}

#[test]
fn a_copy_of_the_options_is_not_read() {
    let dir = folder(&[
        ("quotes.proto", QUOTES),
        ("common/reply.proto", REPLY),
        ("amop/options.proto", "not protobuf at all"),
    ]);
    Schema::load(&["quotes.proto"], &[dir.path()]).unwrap();
}

#[test]
fn a_file_without_topics_is_a_schema() {
    let dir = folder(&[("plain.proto", "syntax = \"proto3\"; message Plain {}")]);
    let schema = Schema::load(&["plain.proto"], &[dir.path()]).unwrap();
    assert!(schema.topics.is_empty());
    assert!(schema.pool.get_message_by_name("Plain").is_some());
}

#[test]
fn one_topic_may_have_a_message_in_each_package() {
    let version = |n: u32| {
        format!(
            "syntax = \"proto3\"; package q.v{n}; import \"amop/options.proto\";
             message Quote {{ option (amop.topic) = \"quote\"; }}"
        )
    };
    let (v1, v2) = (version(1), version(2));
    let dir = folder(&[("v1.proto", &v1), ("v2.proto", &v2)]);
    let schema = Schema::load(&["v1.proto", "v2.proto"], &[dir.path()]).unwrap();
    assert_eq!(schema.topics.len(), 2);
}

#[test]
fn the_shipped_options_are_the_file_in_the_crate() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto/amop/options.proto");
    assert_eq!(fs::read_to_string(path).unwrap(), OPTIONS_PROTO);
}
