//! Topics in Rust files, in any place and with any name of the attribute.

use amop_schema::{
    Schema,
    asyncapi::{self, DeclaredTopic, DocumentInfo, PayloadSchema},
    rust_source,
};
use serde_json::{Value, json};

fn topics(source: &str) -> Vec<DeclaredTopic> {
    rust_source::parse([("src/topics.rs", source)]).unwrap_or_else(|error| panic!("{error}"))
}

fn names(source: &str) -> Vec<String> {
    topics(source)
        .into_iter()
        .map(|topic| topic.topic)
        .collect()
}

/// Returns the properties of a topic's message.
#[track_caller]
fn schema(topics: &[DeclaredTopic], topic: &str) -> Value {
    let found = topics.iter().find(|known| known.topic == topic).unwrap();
    let PayloadSchema::Json {
        schema,
        definitions,
    } = &found.message.content
    else {
        panic!("{topic} is not JSON");
    };
    let name = schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
    definitions[name].clone()
}

fn error(source: &str) -> String {
    rust_source::parse([("src/topics.rs", source)])
        .unwrap_err()
        .to_string()
}

#[test]
fn modules_have_types_of_one_name() {
    let topics = topics(
        "mod one { #[amop::topic(\"one\")] pub struct Note { pub a: u8, pub b: Part } pub struct Part { c: u8 } }
         mod two { #[amop::topic(\"two\")] pub struct Note { pub d: u8, pub e: super::one::Part }
                   pub mod inner { pub struct Part { f: String } } }
         mod three { #[amop::topic(\"three\")] pub struct Third { g: super::two::inner::Part, h: u8 } }",
    );
    let part = |topic: &str, field: &str| {
        let schema = schema(&topics, topic);
        schema["properties"][field].clone()
    };
    assert!(schema(&topics, "one")["properties"]["a"].is_object());
    assert!(schema(&topics, "two")["properties"]["d"].is_object());
    let document = asyncapi::document(&topics, &DocumentInfo::new("Modules", "1"));
    let described = |reference: Value| {
        reference["$ref"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(described(part("one", "b")), "Part");
    // In the document, different types with one name get different names.
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let of = |property: &str| {
        schemas
            .values()
            .filter(|schema| schema["properties"][property].is_object())
            .count()
    };
    assert_eq!(
        [of("c"), of("f"), of("a"), of("d"), of("g")],
        [1, 1, 1, 1, 1]
    );
}

#[test]
fn the_attribute_has_many_names() {
    assert_eq!(
        names(
            "use amop::topic as t; use amop as am; use amop::{self as ours, topic as other};
             #[t(\"a\")] struct A { x: u8, y: u8 }
             #[am::topic(\"b\")] struct B { x: u8, y: u8 }
             #[::amop::topic(\"c\")] struct C { x: u8, y: u8 }
             #[renamed::topic(\"d\", crate = \"renamed\")] struct D { x: u8, y: u8 }
             #[ours::topic(\"e\")] struct E { x: u8, y: u8 }
             #[other(\"f\")] struct F { x: u8, y: u8 }
             #[cfg_attr(all(), amop::topic(\"g\"))] struct G { x: u8, y: u8 }
             #[cfg_attr(feature = \"amop\", derive(amop::AmopTopic), amop(topic = \"h\"))] struct H(String);
             #[rocket::topic(\"i\")] struct I { x: u8, y: u8 }
             #[t2(\"j\")] struct J { x: u8, y: u8 }
             fn topic() {}"
        ),
        ["a", "b", "c", "d", "e", "f", "g", "h"]
    );
}

#[test]
fn topics_are_found_in_functions_and_not_in_tests() {
    assert_eq!(
        names(
            "fn f() { { #[amop::topic(\"fn\")] struct A { x: u8, y: u8 } } }
             impl X { fn g() { let _ = || { #[amop::topic(\"closure\")] struct A(String); }; } }
             const _: () = { #[amop::topic(\"const\")] struct A(String); };
             #[cfg(test)] mod tests { #[amop::topic(\"test\")] struct A(String); }
             #[cfg(all(test, unix))] #[amop::topic(\"test\")] struct B(String);
             #[cfg(not(test))] #[amop::topic(\"no test\")] struct C(String);
             #[cfg(feature = \"more\")] #[amop::topic(\"feature\")] struct D(String);
             #[cfg(any())] #[amop::topic(\"never\")] struct E(String);"
        ),
        ["fn", "closure", "const", "no test", "feature"]
    );
}

#[test]
fn fields_under_conditions_need_not_be_there() {
    let topics = topics(
        "#[amop::topic(\"a\")] struct A { x: u8, y: u8, #[cfg(feature = \"z\")] z: u8, #[cfg(test)] t: u8 }
         #[amop::topic(\"b\")] struct B { text: String, #[cfg(test)] t: u8 }
         #[amop::topic(\"c\", codec = \"json\")] struct C { text: String, #[cfg(feature = \"z\")] z: u8 }
         #[amop::topic(\"d\")] struct D { x: u8, #[cfg(feature = \"z\")] text: String }",
    );
    let a = schema(&topics, "a");
    assert_eq!(a["required"], json!(["x", "y"]));
    assert!(
        a["properties"]["z"].is_object() && a["properties"]["t"].is_null(),
        "{a}"
    );
    assert_eq!(topics[1].message.content, PayloadSchema::Text);
    assert_eq!(schema(&topics, "c")["required"], json!(["text"]));
    assert_eq!(schema(&topics, "d")["required"], json!(["x"]));

    let unclear = "#[amop::topic(\"t\")]\nstruct T { text: String, #[cfg(feature = \"z\")] z: u8 }";
    assert_eq!(
        error(unclear),
        "src/topics.rs:2:8: the codec of `T` depends on which fields `#[cfg(...)]` keeps: name the codec, as in \
         `codec = \"json\"`"
    );
}

/// Valid Rust gives a valid text: alternatives with the names of fields and oneofs, enums that do
/// not start with 0, and built-in Rust types for Google's wrappers.
#[test]
fn texts_of_prost_messages_compile() {
    let topics = topics(
        "#[amop::topic(\"p\", codec = \"protobuf\")] #[derive(prost::Message)]
         struct P {
             #[prost(string, tag = \"1\")] text: String,
             #[prost(oneof = \"Choice\", tags = \"2, 3\")] choice: Option<Choice>,
             #[prost(oneof = \"Other\", tags = \"4, 5\")] number: Option<Other>,
             #[prost(enumeration = \"Level\", tag = \"6\")] level: i32,
             #[prost(message, optional, tag = \"7\")] price: Option<f64>,
             #[prost(message, repeated, tag = \"8\")] names: Vec<String>,
             #[prost(message, optional, tag = \"9\")] raw: Option<Vec<u8>>,
         }
         #[derive(prost::Oneof)] enum Choice {
             #[prost(string, tag = \"2\")] Text(String), #[prost(bool, tag = \"3\")] Choice(bool),
         }
         #[derive(prost::Oneof)] enum Other {
             #[prost(string, tag = \"4\")] Text(String), #[prost(uint64, tag = \"5\")] Number(u64),
         }
         #[derive(prost::Enumeration)] enum Level { Low = 1, High = 2 }",
    );
    let PayloadSchema::Protobuf { text, version, .. } = &topics[0].message.content else {
        panic!("no protobuf");
    };
    assert_eq!(*version, 2);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("p.proto"), text).unwrap();
    let pool = Schema::load(&["p.proto"], &[dir.path()]);
    let pool = pool.unwrap_or_else(|error| panic!("{error}\n{text}")).pool;
    let message = pool.get_message_by_name("P").unwrap();
    let kinds = [
        (7, "google.protobuf.DoubleValue"),
        (8, "google.protobuf.StringValue"),
        (9, "google.protobuf.BytesValue"),
    ];
    for (number, name) in kinds {
        let kind = message.get_field(number).unwrap().kind();
        assert_eq!(kind.as_message().unwrap().full_name(), name);
    }
}

#[test]
fn codecs_of_ones_own_are_bytes_of_that_name() {
    let topics = topics(
        "#[amop::topic(\"a\", codec = codecs::Cbor<A>, reply = B, reply_codec = \"json\")] struct A { x: u8 }
         struct B { y: u8 }
         #[derive(AmopTopic)] #[amop(topic = \"c\", reply = B, reply_codec = Own, without(request, subscribe))]
         struct C { x: u8, y: u8 }",
    );
    let own = |codec: &str| PayloadSchema::Own {
        codec: codec.to_owned(),
    };
    assert_eq!(topics[0].message.content, own("codecs::Cbor<A>"));
    let reply = |topic: usize| topics[topic].reply.as_ref().unwrap().content.clone();
    assert!(
        matches!(reply(0), PayloadSchema::Json { .. }),
        "{:?}",
        reply(0)
    );
    assert_eq!(schema(&topics, "c")["required"], json!(["x", "y"]));
    assert_eq!(reply(1), own("Own"));
    let document = asyncapi::document(&topics, &DocumentInfo::new("Test", "1.0.0"));
    let a = &document["components"]["messages"]["A"];
    assert_eq!(a["contentType"], "application/octet-stream");
    assert_eq!(a["x-amop-codec"], "codecs::Cbor<A>");
    assert_eq!(
        error("#[amop::topic(\"a\", codec = [u8])]\nstruct A(u8);"),
        "src/topics.rs:1:28: this is not a codec: write \"text\", \"json\", \"protobuf\", \"bytes\" or the path of a type"
    );
}

#[test]
fn type_parameters_are_any_type() {
    let topics = topics(
        "struct T { wrong: u8 }
         #[amop::topic(\"g\")] struct G<T: Send> { t: T, list: Vec<T>, other: U } struct U { right: T }",
    );
    let g = schema(&topics, "g");
    assert_eq!(g["properties"]["t"], json!({ "x-rust-type": "T" }));
    assert_eq!(
        g["properties"]["list"]["items"],
        json!({ "x-rust-type": "T" })
    );
    let PayloadSchema::Json { definitions, .. } = &topics[0].message.content else {
        panic!("no JSON");
    };
    assert_eq!(
        definitions["U"]["properties"]["right"],
        json!({ "$ref": "#/components/schemas/T" })
    );
}

#[test]
fn files_that_are_not_utf8_are_refused_with_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gbk.rs");
    std::fs::write(&path, b"// a\n/// \xb1\xa8\xbc\xdb\nstruct A;\n").unwrap();
    let error = rust_source::read(&[&path]).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{}:2:5: this is not UTF-8 from here on: save the file as UTF-8, for example with `iconv -f GBK -t UTF-8` if it is \
             in GBK",
            path.display()
        )
    );
}
