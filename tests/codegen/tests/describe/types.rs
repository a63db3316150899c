//! Types of fields: aliases, generics, types without descriptors, codecs of one's own, and messages
//! of prost.

use std::{borrow::Cow, collections::BTreeMap};

use amop::{AmopTopic, Codec, CodecError, Describe, TopicDescriptors};
use amop_schema::{Schema, asyncapi::PayloadSchema};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{foreign, read, schema};

/// A type that serde knows and that has no descriptor.
#[derive(Serialize, Deserialize)]
struct Undescribed {
    x: u8,
}

type Maybe = Option<u16>;

#[amop::topic("fields")]
struct Fields {
    alias: Maybe,
    boxed: Box<Maybe>,
    cow: Cow<'static, str>,
    map: BTreeMap<String, Vec<u32>>,
    tuple: (u8, Option<char>),
    undescribed: Undescribed,
    option: Option<Undescribed>,
    list: Vec<Undescribed>,
    values: BTreeMap<u8, Undescribed>,
    deep: Option<Vec<foreign::DateTime<foreign::Utc>>>,
}

#[test]
fn the_compiler_knows_what_names_mean() {
    let described = schema(&read(&TopicDescriptors::new().with::<Fields>()), 0);
    let field = |name: &str| described["properties"][name].clone();
    let maybe = json!({ "type": ["integer", "null"], "minimum": 0, "maximum": 65535 });
    assert_eq!([field("alias"), field("boxed")], [maybe.clone(), maybe]);
    assert_eq!(field("cow"), json!({ "type": "string" }));
    assert_eq!(field("map")["additionalProperties"]["type"], "array");
    assert_eq!(
        field("tuple")["items"][1]["type"],
        json!(["string", "null"])
    );
    let required = described["required"].as_array().unwrap();
    for optional in ["alias", "boxed", "option", "deep"] {
        assert!(!required.contains(&json!(optional)), "{optional}");
    }
    assert_eq!(required.len(), 6);

    // Of these, the name is known, and the container around it.
    let unknown = |value: Value| {
        let name = value["x-rust-type"].as_str().unwrap_or_default().to_owned();
        assert!(name.ends_with("types::Undescribed"), "{value}");
    };
    unknown(field("undescribed"));
    unknown(field("option")["anyOf"][0].clone());
    unknown(field("list")["items"].clone());
    unknown(field("values")["additionalProperties"].clone());
    assert!(field("deep")["x-rust-type"].is_string() || field("deep")["anyOf"].is_array());
}

#[amop::topic("generic")]
struct Generic<T: Serialize + DeserializeOwned + Send + 'static> {
    of: T,
    list: Vec<T>,
    known: u8,
}

#[test]
fn type_parameters_are_any_type() {
    let generic = schema(&read(&TopicDescriptors::new().with::<Generic<u8>>()), 0);
    assert_eq!(generic["properties"]["of"], json!({ "x-rust-type": "u8" }));
    let items = &generic["properties"]["list"]["items"];
    assert_eq!(*items, json!({ "x-rust-type": "u8" }));
    assert_eq!(generic["properties"]["known"]["maximum"], 255);
}

enum Cbor {}

impl<T> Codec<T> for Cbor {
    const NAME: &'static str = "cbor";

    fn encode(_: &T) -> Result<amop::__private::bytes::Bytes, CodecError> {
        Err(CodecError::new("cbor", "not for use"))
    }

    fn decode(_: amop::__private::bytes::Bytes) -> Result<T, CodecError> {
        Err(CodecError::new("cbor", "not for use"))
    }
}

/// A reply.
#[derive(Serialize, Deserialize, Describe)]
struct Answer {
    y: u8,
}

#[amop::topic("own", codec = Cbor, reply = Answer, reply_codec = "json")]
struct Own {
    x: u8,
}

#[derive(AmopTopic, Serialize, Deserialize)]
#[amop(topic = "own.reply", reply = Answer, reply_codec = Cbor, private)]
struct OwnReply {
    x: u8,
    y: u8,
}

#[test]
fn codecs_of_ones_own_have_their_name() {
    let topics = read(&TopicDescriptors::new().with::<Own>().with::<OwnReply>());
    let cbor = PayloadSchema::Own {
        codec: "cbor".to_owned(),
    };
    assert_eq!(topics[0].message.content, cbor);
    let reply = topics[0].reply.as_ref().unwrap();
    assert!(matches!(reply.content, PayloadSchema::Json { .. }));
    assert_eq!(reply.description.as_deref(), Some("A reply."));
    assert_eq!(schema(&topics, 1)["required"], json!(["x", "y"]));
    assert_eq!(topics[1].reply.as_ref().unwrap().content, cbor);
    assert!(topics[1].private && !topics[0].private);
}

#[amop::topic("p", codec = "protobuf")]
#[derive(Clone, PartialEq, prost::Message)]
struct Message {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(oneof = "Choice", tags = "2, 3")]
    choice: Option<Choice>,
    #[prost(oneof = "Other", tags = "4, 5")]
    number: Option<Other>,
    #[prost(enumeration = "Level", tag = "6", default = "High")]
    level: i32,
    #[prost(message, optional, tag = "7")]
    price: Option<f64>,
    #[prost(message, repeated, tag = "8")]
    names: Vec<String>,
    #[prost(message, optional, tag = "9")]
    raw: Option<Vec<u8>>,
    #[prost(message, optional, tag = "10")]
    unknown: Option<Hidden>,
    #[prost(message, optional)]
    numbered: Option<()>,
}

#[derive(Clone, PartialEq, prost::Oneof, Describe)]
enum Choice {
    #[prost(string, tag = "2")]
    Text(String),
    #[prost(bool, tag = "3")]
    Choice(bool),
}

#[derive(Clone, PartialEq, prost::Oneof, Describe)]
enum Other {
    #[prost(string, tag = "4")]
    Text(String),
    #[prost(uint64, tag = "5")]
    Number(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, Describe)]
enum Level {
    Low = 1,
    High = 2,
}

/// A message without a descriptor.
#[derive(Clone, PartialEq, prost::Message)]
struct Hidden {
    #[prost(string, tag = "1")]
    text: String,
}

/// Valid Rust gives a valid text: members of oneofs with the names of fields and oneofs, enums that
/// do not start with 0, and built-in Rust types for Google's wrappers.
#[test]
fn texts_of_prost_messages_compile() {
    let topics = read(&TopicDescriptors::new().with::<Message>());
    let PayloadSchema::Protobuf { text, version, .. } = &topics[0].message.content else {
        panic!("no protobuf");
    };
    assert_eq!(*version, 2);
    assert!(text.contains("[default = LEVEL_HIGH]"), "{text}");
    let dir = std::env::temp_dir().join(format!("amop-describe-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("p.proto"), text).unwrap();
    let pool = Schema::load(&["p.proto"], &[&dir]);
    std::fs::remove_dir_all(&dir).unwrap();
    let pool = pool.unwrap_or_else(|error| panic!("{error}\n{text}")).pool;
    let message = pool.get_message_by_name("Message").unwrap();
    let kinds = [
        (7, "google.protobuf.DoubleValue"),
        (8, "google.protobuf.StringValue"),
        (9, "google.protobuf.BytesValue"),
        (10, "Hidden"),
        (11, "google.protobuf.Empty"),
    ];
    for (number, name) in kinds {
        let kind = message.get_field(number).unwrap().kind();
        assert_eq!(kind.as_message().unwrap().full_name(), name);
    }
}
