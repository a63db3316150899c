//! Tests that every codec decodes what it has encoded to the same value, and refuses to encode
//! other values.
#![allow(missing_docs)]

use amop::codec::{Codec, CodecError, Json, JsonError, Protobuf, Raw, Text};
use amop::{Topic, codec::BytesValue as _};
use bytes::Bytes;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[amop::topic("numbers")]
#[derive(Clone, Debug, Default)]
struct Numbers {
    double: f64,
    float: f32,
    some: Option<f64>,
    list: Vec<f32>,
    map: BTreeMap<i64, f64>,
    int: i128,
    nested: Option<Box<Numbers>>,
}

impl Numbers {
    /// Returns all bits, which `==` does not compare.
    fn bits(&self) -> String {
        let list: Vec<u32> = self.list.iter().map(|value| value.to_bits()).collect();
        let map: Vec<(i64, u64)> = self.map.iter().map(|(k, v)| (*k, v.to_bits())).collect();
        format!(
            "{} {} {:?} {list:?} {map:?} {} {:?}",
            self.double.to_bits(),
            self.float.to_bits(),
            self.some.map(f64::to_bits),
            self.int,
            self.nested.as_ref().map(|nested| nested.bits()),
        )
    }

    fn are_finite(&self) -> bool {
        self.double.is_finite()
            && self.float.is_finite()
            && self.some.is_none_or(f64::is_finite)
            && self.list.iter().all(|value| value.is_finite())
            && self.map.values().all(|value| value.is_finite())
            && self
                .nested
                .as_ref()
                .is_none_or(|nested| nested.are_finite())
    }
}

fn numbers() -> impl Strategy<Value = Numbers> {
    let double = || {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits),
            (0_i64..1_000_000_000).prop_map(|cents| cents as f64 / 100.0),
            Just(-0.0)
        ]
    };
    let float = || any::<u32>().prop_map(f32::from_bits);
    let leaf = (
        double(),
        float(),
        prop::option::of(double()),
        prop::collection::vec(float(), 0..4),
        prop::collection::btree_map(any::<i64>(), double(), 0..4),
        any::<i128>(),
    )
        .prop_map(|(double, float, some, list, map, int)| Numbers {
            double,
            float,
            some,
            list,
            map,
            int,
            nested: None,
        });
    (leaf.clone(), prop::option::of(leaf)).prop_map(|(outer, nested)| Numbers {
        nested: nested.map(Box::new),
        ..outer
    })
}

type NumbersCodec = <Numbers as Topic>::Codec;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn json_keeps_every_bit_or_refuses(numbers in numbers()) {
        match NumbersCodec::encode(&numbers) {
            Ok(payload) => {
                prop_assert!(numbers.are_finite());
                let read: Numbers = NumbersCodec::decode(payload).unwrap();
                prop_assert_eq!(read.bits(), numbers.bits());
            }
            Err(error) => prop_assert!(!numbers.are_finite(), "{}", error),
        }
    }

    #[test]
    fn text_and_bytes_are_themselves(text in ".*", bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let payload = <Text as Codec<String>>::encode(&text).unwrap();
        prop_assert_eq!(<Text as Codec<String>>::decode(payload).unwrap(), text);
        let payload = <Raw as Codec<Vec<u8>>>::encode(&bytes).unwrap();
        prop_assert_eq!(<Raw as Codec<Vec<u8>>>::decode(payload).unwrap().to_bytes(), Bytes::from(bytes));
    }
}

fn refusal<T: Serialize + for<'de> Deserialize<'de>>(value: &T) -> (CodecError, String) {
    let error = <Json as Codec<T>>::encode(value).unwrap_err();
    let text = amop::with_causes(&error).to_string();
    (error, text)
}

#[test]
fn refusals_of_json_name_the_place() {
    let nested = Numbers {
        list: vec![0.0, f32::NEG_INFINITY],
        ..Numbers::default()
    };
    let numbers = Numbers {
        nested: Some(Box::new(nested)),
        ..Numbers::default()
    };
    let (error, text) = refusal(&numbers);
    let refused = error.get_ref().downcast_ref::<JsonError>();
    assert!(
        matches!(refused, Some(JsonError::NotFinite { path, value })
            if path == "nested.list[1]" && *value == f64::NEG_INFINITY),
        "{refused:?}"
    );
    assert_eq!(
        text,
        "the json codec failed: `nested.list[1]` is -inf, which is not a number in JSON: leave such values \
         out, or use another codec"
    );
    let (_, text) = refusal(&BTreeMap::from(
        [("a", 1.0), ("b", f64::NAN)].map(|(k, v)| (k.to_owned(), v)),
    ));
    assert!(text.contains("`[\"b\"]` is NaN"), "{text}");
}

/// A flattened field may have members with the names of other fields.
#[test]
fn json_writes_no_member_twice() {
    #[amop::topic("flat")]
    #[derive(Debug, PartialEq)]
    struct Flat {
        inner: Vec<Inner>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        name: String,
        #[serde(flatten)]
        others: BTreeMap<String, i32>,
    }
    let flat = |others: &[&str]| Flat {
        inner: vec![Inner {
            name: "a".to_owned(),
            others: others.iter().map(|key| ((*key).to_owned(), 1)).collect(),
        }],
    };
    let payload = <Flat as Topic>::Codec::encode(&flat(&["x", "y"])).unwrap();
    let read: Flat = <Flat as Topic>::Codec::decode(payload).unwrap();
    assert_eq!(read, flat(&["x", "y"]));
    let (error, text) = refusal(&flat(&["name", "x"]));
    let refused = error.get_ref().downcast_ref::<JsonError>();
    assert!(
        matches!(refused, Some(JsonError::Twice { .. })),
        "{refused:?}"
    );
    assert!(
        text.contains("`inner[0][\"name\"]` would be written twice"),
        "{text}"
    );
}

#[test]
fn what_json_writes_as_null_is_no_some() {
    for value in [None, Some(Some(1)), Some(None)] {
        let written = <Json as Codec<Option<Option<i32>>>>::encode(&value);
        match written {
            Ok(payload) => assert_eq!(
                <Json as Codec<Option<Option<i32>>>>::decode(payload).unwrap(),
                value
            ),
            Err(_) => assert_eq!(value, Some(None)),
        }
    }
    let (error, _) = refusal(&vec![Some(())]);
    assert!(matches!(
        error.get_ref().downcast_ref::<JsonError>(),
        Some(JsonError::SomeOfNull { path }) if path == "[0]"
    ));
    let (_, text) = refusal(&Some(serde_json::Value::Null));
    assert!(text.contains("reads as `None`"), "{text}");
}

#[derive(Clone, PartialEq, prost::Message)]
struct Node {
    #[prost(message, optional, boxed, tag = "1")]
    next: Option<Box<Node>>,
    #[prost(bytes = "vec", tag = "2")]
    bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Level(Vec<Level>);

fn nodes(depth: usize) -> Node {
    (0..depth).fold(Node::default(), |next, _| Node {
        next: Some(Box::new(next)),
        bytes: Vec::new(),
    })
}

/// Readers have a nesting limit, and a value that they would refuse is not written.
#[test]
fn depth_is_refused_where_it_would_not_be_read() {
    for depth in [1, 99, 100, 101, 102, 500] {
        let written = <Protobuf as Codec<Node>>::encode(&nodes(depth));
        assert_eq!(written.is_ok(), depth <= 100, "{depth}");
        if let Ok(payload) = written {
            assert_eq!(
                <Protobuf as Codec<Node>>::decode(payload).unwrap(),
                nodes(depth)
            );
        }
        let levels = (1..depth).fold(Level(Vec::new()), |level, _| Level(vec![level]));
        let written = <Json as Codec<Level>>::encode(&levels);
        assert_eq!(written.is_ok(), depth <= 127, "{depth}");
        if let Ok(payload) = written {
            assert!(<Json as Codec<Level>>::decode(payload).is_ok());
        }
    }
    // Bytes that happen to be readable as a message are not one.
    let looks_deep = Node {
        next: None,
        bytes: prost::Message::encode_to_vec(&nodes(300)),
    };
    let payload = <Protobuf as Codec<Node>>::encode(&looks_deep).unwrap();
    assert_eq!(
        <Protobuf as Codec<Node>>::decode(payload).unwrap(),
        looks_deep
    );
}

/// A codec of the user.
enum Reversed {}

impl Codec<Word> for Reversed {
    const NAME: &'static str = "reversed";

    fn encode(value: &Word) -> Result<Bytes, CodecError> {
        Ok(value.0.chars().rev().collect::<String>().into())
    }

    fn decode(payload: Bytes) -> Result<Word, CodecError> {
        let text = String::from_utf8(payload.into()).map_err(|e| CodecError::new("reversed", e))?;
        Ok(Word(text.chars().rev().collect()))
    }
}

#[amop::topic("words", codec = Reversed)]
struct Word(String);

#[test]
fn a_codec_may_be_a_type() {
    let payload = <Word as Topic>::Codec::encode(&Word("abc".to_owned())).unwrap();
    assert_eq!(payload, "cba");
    assert_eq!(<Word as Topic>::Codec::decode(payload).unwrap().0, "abc");
}
