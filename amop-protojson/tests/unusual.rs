//! Declarations that differ from Google's, and encodings that Google's libraries do not write.

use amop_protojson::Mapping;
use prost::Message as _;
use prost_types::{
    Any, DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    MessageOptions,
    field_descriptor_proto::{Label, Type},
};
use std::path::Path;

fn broad() -> Mapping {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    let files = protox::compile(["broad.proto"], [schemas]).unwrap();
    Mapping::new(&files).unwrap()
}

fn files(package: &str, message: DescriptorProto) -> FileDescriptorSet {
    FileDescriptorSet {
        file: vec![FileDescriptorProto {
            package: Some(package.to_owned()),
            syntax: Some("proto3".to_owned()),
            message_type: vec![message],
            ..Default::default()
        }],
    }
}

fn field(number: i32, of: Type, label: Label) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(format!("field{number}")),
        number: Some(number),
        label: Some(label.into()),
        r#type: Some(of.into()),
        ..Default::default()
    }
}

#[test]
fn types_of_google_without_their_fields_are_refused() {
    for (name, json) in [("Int64Value", "1"), ("Struct", "{}"), ("ListValue", "[]")] {
        let message = DescriptorProto {
            name: Some(name.to_owned()),
            ..Default::default()
        };
        let mapping = Mapping::new(&files("google.protobuf", message)).unwrap();
        let name = format!("google.protobuf.{name}");
        for error in [
            mapping.to_json(&name, b"").unwrap_err(),
            mapping.to_wire(&name, json.as_bytes()).unwrap_err(),
        ] {
            assert!(
                error.to_string().contains("differs from Google's"),
                "{error}"
            );
        }
    }
}

#[test]
fn keys_that_no_map_has_are_refused() {
    for (key, good) in [
        (Type::Sfixed64, true),
        (Type::Float, false),
        (Type::Bytes, false),
    ] {
        let entry = DescriptorProto {
            name: Some("Entry".to_owned()),
            field: vec![
                field(1, key, Label::Optional),
                field(2, Type::Bool, Label::Optional),
            ],
            options: Some(MessageOptions {
                map_entry: Some(true),
                ..Default::default()
            }),
            ..Default::default()
        };
        let mut map = field(1, Type::Message, Label::Repeated);
        map.type_name = Some(".a.M.Entry".to_owned());
        let message = DescriptorProto {
            name: Some("M".to_owned()),
            field: vec![map],
            nested_type: vec![entry],
            ..Default::default()
        };
        assert_eq!(Mapping::new(&files("a", message)).is_ok(), good, "{key:?}");
    }
}

/// Pieces of a message are merged, but those before another alternative of its oneof are gone.
#[test]
fn the_last_alternative_starts_anew() {
    let mapping = broad();
    let wire = |text: &str| mapping.to_wire("broad.All", text.as_bytes()).unwrap();
    let (x, more) = (
        wire(r#"{"oneInner":{"x":1}}"#),
        wire(r#"{"oneInner":{"all":{}}}"#),
    );
    let other = wire(r#"{"oneBool":true}"#);
    for (pieces, expected) in [
        ([&x, &more].as_slice(), r#"{"oneInner":{"x":"1","all":{}}}"#),
        (&[&x, &other, &more], r#"{"oneInner":{"all":{}}}"#),
        (&[&x, &more, &other], r#"{"oneBool":true}"#),
    ] {
        let wire: Vec<u8> = pieces
            .iter()
            .flat_map(|piece| piece.iter().copied())
            .collect();
        let json = mapping.to_json("broad.All", &wire).unwrap();
        assert_eq!(String::from_utf8(json).unwrap(), expected);
    }
}

/// An `Any` is compared by its bytes, so nothing in it may be dropped.
#[test]
fn unknown_fields_in_an_any_are_refused() {
    let mapping = broad();
    // Field 7 with the value 1.
    for name in [
        "broad.All.Inner",
        "google.protobuf.Timestamp",
        "google.protobuf.Empty",
    ] {
        let any = Any {
            type_url: format!("type.googleapis.com/{name}"),
            value: vec![7 << 3, 1],
        };
        let error = mapping.to_json("google.protobuf.Any", &any.encode_to_vec());
        let error = error.unwrap_err();
        assert_eq!(error.path(), "value");
        assert!(error.reason().contains("number 7"), "{error}");
        // Elsewhere they are dropped.
        assert!(mapping.to_json(name, &any.value).is_ok());
    }
}
