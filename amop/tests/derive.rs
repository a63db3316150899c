//! Tests of what the macros give a type: its topic, its codec, and payloads with nothing added.
// Types are written with paths, to test that paths are understood.
#![allow(unused_qualifications)]

use amop::{AmopTopic, Codec, CodecError, Request, Topic};
use bytes::Bytes;
use std::fmt::Debug;

fn encode<T: Topic>(message: &T) -> Bytes {
    T::Codec::encode(message).unwrap()
}

fn decode<T: Topic>(payload: Bytes) -> Result<T, CodecError> {
    T::Codec::decode(payload)
}

fn codec<T: Topic>() -> &'static str {
    <T::Codec as Codec<T>>::NAME
}

fn reply_codec<T: Request>() -> &'static str {
    <T::ReplyCodec as Codec<T::Reply>>::NAME
}

#[track_caller]
fn round_trip<T: Topic + PartialEq + Debug>(message: T) {
    assert_eq!(decode::<T>(encode(&message)).unwrap(), message);
}

#[amop::topic("hello")]
#[derive(Debug, PartialEq)]
struct Hello {
    text: String,
}

#[derive(AmopTopic, Debug, PartialEq)]
#[amop(topic = "hello")]
struct HelloNewtype(std::string::String);

#[test]
fn one_string_is_text() {
    assert_eq!(Hello::TOPIC, "hello");
    assert_eq!(<Hello as Topic>::TOPIC, "hello");
    assert_eq!(codec::<Hello>(), "text");
    let hello = Hello {
        text: "world".to_owned(),
    };
    assert_eq!(encode(&hello), "world");
    round_trip(hello);

    assert_eq!(HelloNewtype::TOPIC, "hello");
    assert_eq!(codec::<HelloNewtype>(), "text");
    assert_eq!(encode(&HelloNewtype("世界".to_owned())), "世界");
    round_trip(HelloNewtype(String::new()));

    let invalid = decode::<Hello>(Bytes::from_static(b"\xff"));
    assert_eq!(invalid.unwrap_err().codec(), "text");
}

/// The macro derives serde's traits, and serde's attributes work.
#[amop::topic("quotes/λ", reply = QuoteReply)]
#[serde(rename_all = "camelCase")]
#[derive(Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct Quote {
    bond_code: String,
    #[serde(rename = "px")]
    price: u64,
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct QuoteReply {
    accepted: bool,
}

#[test]
fn all_else_is_json() {
    assert_eq!(Quote::TOPIC, "quotes/λ");
    assert_eq!(codec::<Quote>(), "json");
    let quote = Quote {
        bond_code: "112".to_owned(),
        price: 9,
    };
    let payload = encode(&quote);
    assert_eq!(payload, r#"{"bondCode":"112","px":9}"#);
    assert_eq!(payload, serde_json::to_vec(&quote).unwrap());
    round_trip(quote);

    let unknown = Bytes::from_static(br#"{"bondCode":"","px":1,"x":2}"#);
    let error = decode::<Quote>(unknown).unwrap_err();
    assert_eq!(error.codec(), "json");
}

#[test]
fn replies_have_the_topics_codec_unless_told() {
    assert_eq!(reply_codec::<Quote>(), "json");
    let reply = QuoteReply { accepted: true };
    let payload = <Quote as Request>::ReplyCodec::encode(&reply).unwrap();
    assert_eq!(payload, r#"{"accepted":true}"#);
    let read: QuoteReply = <Quote as Request>::ReplyCodec::decode(payload).unwrap();
    assert_eq!(read, reply);

    #[amop::topic("ask", reply = String)]
    struct Ask(String);
    assert_eq!(reply_codec::<Ask>(), "text");
    let answer = <Ask as Request>::ReplyCodec::encode(&"yes".to_owned()).unwrap();
    assert_eq!(answer, "yes");

    #[amop::topic("ask", reply = "self::QuoteReply", reply_codec = "json")]
    struct AskQuote(String);
    assert_eq!(codec::<AskQuote>(), "text");
    assert_eq!(reply_codec::<AskQuote>(), "json");

    #[derive(AmopTopic)]
    #[amop(topic = "ask", reply = std::collections::BTreeMap<String, u8>)]
    #[amop(reply_codec = "json")]
    struct AskMap(String);
    let map = std::collections::BTreeMap::from([("a".to_owned(), 1)]);
    let answer = <AskMap as Request>::ReplyCodec::encode(&map).unwrap();
    assert_eq!(answer, r#"{"a":1}"#);

    #[derive(AmopTopic)]
    #[amop(topic = "ask", reply = "Vec<u8>", reply_codec = "bytes")]
    struct AskBytes(String);
    assert_eq!(reply_codec::<AskBytes>(), "bytes");
}

#[test]
fn codecs_can_be_chosen() {
    #[amop::topic("hello", codec = "json")]
    #[derive(Debug, PartialEq)]
    struct JsonString(String);
    assert_eq!(encode(&JsonString("a".to_owned())), r#""a""#);
    round_trip(JsonString("a\"b".to_owned()));

    #[amop::topic("hello", codec = "bytes")]
    #[derive(Debug, PartialEq)]
    struct Raw(Vec<u8>);
    assert_eq!(codec::<Raw>(), "bytes");
    assert_eq!(encode(&Raw(vec![0, 255])), &[0, 255][..]);
    round_trip(Raw(vec![0, 255]));

    #[derive(AmopTopic, Debug, PartialEq)]
    #[amop(topic = "hello", codec = "bytes")]
    struct RawBytes {
        data: bytes::Bytes,
    }
    let message = RawBytes {
        data: Bytes::from_static(&[1, 2, 3]),
    };
    let payload = encode(&message);
    assert_eq!(payload, &[1, 2, 3][..]);
    // `Bytes` are not copied.
    assert_eq!(payload.as_ptr(), message.data.as_ptr());
    round_trip(message);

    // Without the codec, bytes are like any other type.
    #[amop::topic("hello")]
    struct Numbers(Vec<u8>);
    assert_eq!(encode(&Numbers(vec![1, 2])), "[1,2]");

    #[amop::topic("ping")]
    #[derive(Debug, PartialEq)]
    struct Ping;
    assert_eq!(encode(&Ping), "null");
    round_trip(Ping);
}

mod generated {
    /// As `amop-build` lets prost generate it.
    #[derive(::amop::AmopTopic)]
    #[amop(
        topic = "greet",
        codec = "protobuf",
        reply = "super::generated::HelloReply"
    )]
    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub(crate) struct HelloRequest {
        #[prost(string, tag = "1")]
        pub(crate) name: ::prost::alloc::string::String,
        #[prost(message, optional, tag = "2")]
        pub(crate) previous: ::core::option::Option<::prost::alloc::boxed::Box<HelloRequest>>,
    }

    #[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
    pub(crate) struct HelloReply {
        #[prost(uint64, tag = "1")]
        pub(crate) count: u64,
    }

    /// The same topic with the other macro.
    #[amop::topic("greet", codec = "protobuf")]
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub(crate) struct HelloOneField {
        #[prost(string, tag = "1")]
        pub(crate) name: ::prost::alloc::string::String,
    }

    /// Another codec on a prost message: serde's derives come with it.
    #[amop::topic("greet", codec = "json")]
    #[derive(Clone, PartialEq, ::prost::Message)]
    pub(crate) struct HelloJson {
        #[prost(string, tag = "1")]
        pub(crate) name: ::prost::alloc::string::String,
    }
}

#[test]
fn prost_messages() {
    use generated::{HelloJson, HelloOneField, HelloReply, HelloRequest};
    use prost::Message;

    assert_eq!(codec::<HelloRequest>(), "protobuf");
    assert_eq!(reply_codec::<HelloRequest>(), "protobuf");
    let request = HelloRequest {
        name: "world".to_owned(),
        previous: Some(Box::default()),
    };
    let payload = encode(&request);
    assert_eq!(payload, &b"\x0a\x05world\x12\x00"[..]);
    assert_eq!(payload, request.encode_to_vec());
    round_trip(request);

    let reply = HelloReply { count: 300 };
    let payload = <HelloRequest as Request>::ReplyCodec::encode(&reply).unwrap();
    assert_eq!(payload, &[8, 0xac, 2][..]);

    let one = HelloOneField {
        name: "a".to_owned(),
    };
    assert_eq!(encode(&one), &b"\x0a\x01a"[..]);
    let json = HelloJson {
        name: "a".to_owned(),
    };
    assert_eq!(encode(&json), r#"{"name":"a"}"#);

    let cut = Bytes::from_static(b"\x0a\x05wor");
    let error = decode::<HelloRequest>(cut).unwrap_err();
    assert_eq!(error.codec(), "protobuf");
}

#[test]
fn serde_derives_of_the_users_are_kept() {
    #[amop::topic("a")]
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "UPPERCASE")]
    struct Both {
        n: u32,
    }
    assert_eq!(encode(&Both { n: 1 }), r#"{"N":1}"#);
    round_trip(Both { n: 2 });

    #[amop::topic("a")]
    #[derive(Debug, PartialEq, serde::Serialize)]
    struct One {
        n: u32,
    }
    round_trip(One { n: 1 });

    use serde::Deserialize;
    #[amop::topic("a")]
    #[derive(Debug, PartialEq, Deserialize)]
    struct Other {
        n: u32,
    }
    round_trip(Other { n: 1 });

    #[amop::topic("a")]
    #[cfg_attr(all(), derive(serde::Serialize), derive(serde::Deserialize))]
    #[derive(Debug, PartialEq)]
    struct Conditional {
        n: u32,
    }
    round_trip(Conditional { n: 1 });

    #[amop::topic("a")]
    #[derive(Debug, PartialEq)]
    #[serde(crate = "serde")]
    struct OwnCrate {
        n: u32,
    }
    round_trip(OwnCrate { n: 1 });
}

#[test]
fn generics_with_bounds() {
    use serde::{Serialize, de::DeserializeOwned};

    trait Value: Serialize + DeserializeOwned + Send + 'static {}
    impl Value for u32 {}

    #[amop::topic("generic")]
    #[derive(Debug, PartialEq)]
    struct Inline<T: Serialize + DeserializeOwned + Send + 'static> {
        value: T,
    }
    assert_eq!(Inline::<u32>::TOPIC, "generic");
    assert_eq!(encode(&Inline { value: 5 }), r#"{"value":5}"#);
    round_trip(Inline { value: 5 });

    #[amop::topic("generic", reply = Vec<T>)]
    #[derive(Debug, PartialEq)]
    struct Where<T, const N: usize>
    where
        T: Value,
    {
        value: T,
    }
    round_trip(Where::<u32, 3> { value: 5 });
    assert_eq!(reply_codec::<Where<u32, 3>>(), "json");

    #[derive(AmopTopic, Debug, PartialEq, Serialize, serde::Deserialize)]
    #[amop(topic = "generic")]
    #[serde(bound = "")]
    struct ByHand<T: Value>(T);
    round_trip(ByHand(5));
}

/// The crate under another name.
mod renamed {
    pub(crate) use ::amop as messenger;

    #[amop::topic("hello", crate = "crate::derive::renamed::messenger", reply = u8)]
    #[derive(Debug, PartialEq)]
    pub(crate) struct Message {
        pub(crate) n: u32,
    }

    #[derive(messenger::AmopTopic)]
    #[amop(topic = "hello", crate = "self::messenger")]
    pub(crate) struct Text(pub(crate) String);
}

#[test]
fn renamed_crate() {
    round_trip(renamed::Message { n: 1 });
    assert_eq!(encode(&renamed::Text("a".to_owned())), "a");
}

#[test]
fn structs_from_macro_rules() {
    macro_rules! message {
        ($name:ident, $topic:literal, $ty:ty, $codec:expr) => {
            #[amop::topic($topic, codec = $codec)]
            struct $name($ty);
        };
    }
    message!(Text, "a", String, "text");
    message!(Raw, "b", Vec<u8>, "bytes");
    assert_eq!(Text::TOPIC, "a");
    assert_eq!(encode(&Text("x".to_owned())), "x");
    assert_eq!(encode(&Raw(vec![7])), &[7][..]);
}

#[test]
fn topics_have_the_same_limits_as_on_the_wire() {
    #[amop::topic(
        "ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt\
         ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt\
         tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
    )]
    struct Longest(String);
    assert_eq!(Longest::TOPIC.len(), amop_proto::MAX_TOPIC_LEN);

    #[amop::topic(r#"# "raw""#)]
    struct RawString(String);
    assert_eq!(RawString::TOPIC, "# \"raw\"");
    assert!(amop_proto::TopicName::new(RawString::TOPIC).is_ok());
}

/// Tasks can be spawned from the functions: their futures are `Send`.
#[test]
fn futures_are_send() {
    fn check<F: Future + Send>(_: impl FnOnce(&'static amop::Client, &'static Quote) -> F) {}
    check(|client, _| Quote::subscribe(client));
    check(|client, _| Quote::subscribe_to(client, "a"));
    check(|client, _| Quote::deliveries(client));
    check(|client, _| Quote::deliveries_to(client, "a"));
    check(|client, quote| quote.publish_unicast(client));
    check(|client, quote| quote.publish_unicast_to(client, "a"));
    check(|client, quote| quote.publish_multicast(client));
    check(|client, quote| quote.publish_multicast_to(client, "a"));
    check(|client, quote| quote.request(client));
    check(|client, quote| quote.request_to(client, "a"));
}
