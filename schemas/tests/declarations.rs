//! Tests that the generated code has the topics, codecs and types that the schemas declare.

use amop::Topic;
use amop_schema::{Schema, TopicCodec};
use amop_schemas::{
    DESCRIPTOR_SET, file_transfer::FileChunk, hello::Hello, price::PriceTick,
    settlement::SettlementNotice,
};
use std::any::type_name;

/// Returns topic, codec and type of the generated code.
fn generated<T: Topic>() -> (String, &'static str, &'static str) {
    let codec = type_name::<T::Codec>().rsplit("::").next().unwrap();
    let name = type_name::<T>().rsplit("::").next().unwrap();
    (T::TOPIC.to_owned(), codec, name)
}

#[test]
fn topics_and_codecs_are_those_of_the_files() {
    let schema = Schema::from_descriptor_set(DESCRIPTOR_SET).unwrap();
    let declared: Vec<_> = schema
        .topics
        .iter()
        .map(|decl| {
            let codec = match decl.codec {
                TopicCodec::Protobuf => "Protobuf",
                TopicCodec::Json => "ProtoJson",
                TopicCodec::Text => "Text",
            };
            (decl.topic.clone(), codec, decl.message.name())
        })
        .collect();
    assert_eq!(
        declared,
        [
            generated::<Hello>(),
            generated::<SettlementNotice>(),
            generated::<FileChunk>(),
            generated::<PriceTick>(),
        ]
    );
}

#[test]
fn every_type_and_field_is_described() {
    let schema = Schema::from_descriptor_set(DESCRIPTOR_SET).unwrap();
    for file in schema.pool.file_descriptor_protos() {
        if file.name().starts_with("google/") || file.name().starts_with("amop/") {
            continue;
        }
        let info = file.source_code_info.as_ref().unwrap();
        let described = |path: &[i32]| {
            info.location
                .iter()
                .any(|place| place.path == path && !place.leading_comments().trim().is_empty())
        };
        for (m, message) in (0..).zip(&file.message_type) {
            assert!(described(&[4, m]), "{}", message.name());
            for (f, field) in (0..).zip(&message.field) {
                let name = format!("{}.{}", message.name(), field.name());
                assert!(described(&[4, m, 2, f]), "{name}");
            }
        }
    }
}
