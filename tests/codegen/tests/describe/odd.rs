//! Topics with little in them, and protobuf types whose names meet in one file.

use amop::Describe;
use serde::{Deserialize, Serialize};

/// Returns the descriptors.
pub(crate) fn descriptors() -> amop::TopicDescriptors {
    amop::TopicDescriptors::new()
        .with::<Nothing>()
        .with::<Unit>()
        .with::<Tuples>()
        .with::<Enums>()
        .with::<Node>()
}

#[amop::topic("nothing")]
struct Nothing();

#[amop::topic("unit")]
struct Unit;

#[amop::topic("tuples")]
struct Tuples {
    none: (),
    one: (u8,),
    two: (u8, String),
    empty: Empty,
    never: Never,
}

#[derive(Serialize, Deserialize, Describe)]
struct Empty();

#[derive(Serialize, Deserialize, Describe)]
enum Never {}

#[derive(Serialize, Deserialize, Describe)]
enum Some_ {
    A(),
    B(u8),
    C {},
    D,
}

#[amop::topic("enums")]
struct Enums {
    of: Some_,
    list: Vec<Some_>,
    array: [u8; 0],
}

#[amop::topic("protobuf", codec = "protobuf")]
#[derive(Clone, PartialEq, prost::Message)]
struct Node {
    #[prost(message, optional, tag = "1")]
    edge: Option<Box<Edge>>,
    #[prost(enumeration = "FooBar", tag = "2")]
    one: i32,
    #[prost(enumeration = "Foo", tag = "3")]
    two: i32,
}

#[derive(Clone, PartialEq, prost::Message, Describe)]
struct Edge {
    #[prost(message, optional, tag = "1")]
    node: Option<Box<Node>>,
    #[prost(message, repeated, tag = "2")]
    edges: Vec<Edge>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, Describe)]
enum FooBar {
    Baz = 0,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, Describe)]
enum Foo {
    BarBaz = 0,
    FooBarBaz = 1,
}
