//! Topics in all the ways structs can declare them.

use std::collections::HashMap;

use amop::{AmopTopic, Describe, topic};

use super::{foreign, shared};

/// Returns the descriptors.
pub(crate) fn descriptors() -> amop::TopicDescriptors {
    amop::TopicDescriptors::new()
        .with::<Hello>()
        .with::<Newtype>()
        .with::<Quote>()
        .with::<Chunk>()
        .with::<Tick>()
}

/// A greeting.
#[amop::topic("hello")]
struct Hello {
    text: String,
}

/// A greeting as the newtype of a string.
#[derive(AmopTopic, Clone)]
#[amop(topic = "hello/newtype")]
struct Newtype(String);

/// A quote for a bond.
#[amop::topic("quotes", reply = QuoteReply)]
#[derive(Clone, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Quote {
    /// The bond's code.
    bond_code: String,
    price: u64,
    #[serde(rename = "qty")]
    quantity: Option<u32>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(skip)]
    cached: bool,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    history: Vec<Quote>,
    side: Side,
    extra: HashMap<String, shared::Detail>,
    at: foreign::DateTime<foreign::Utc>,
    #[serde(with = "foreign::hex")]
    hash: [u8; 32],
    pair: (i32, f64),
    r#type: char,
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, Describe)]
struct QuoteReply {
    accepted: bool,
    reason: Reason,
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, Describe)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Side {
    Buy,
    SellShort,
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize, Describe)]
enum Reason {
    Nothing,
    TooLate {
        by_seconds: u64,
    },
    Other(String),
    #[serde(skip)]
    Internal,
}

/// A file's chunk.
#[topic(
    "files",
    codec = "bytes",
    reply = "Vec<u64>",
    reply_codec = "json",
    sealed
)]
struct Chunk(Vec<u8>);

#[derive(AmopTopic, Clone, PartialEq, prost::Message)]
#[amop(topic = "ticks", codec = "protobuf")]
struct Tick {
    /// The instrument.
    #[prost(string, tag = "1")]
    symbol: String,
    #[prost(sint64, optional, tag = "2")]
    price: Option<i64>,
    #[prost(enumeration = "Phase", tag = "3")]
    phase: i32,
    #[prost(message, repeated, tag = "4")]
    levels: Vec<Level>,
    #[prost(map = "string, message", tag = "5")]
    venues: HashMap<String, Level>,
    #[prost(oneof = "tick::Source", tags = "6, 7")]
    source: Option<tick::Source>,
    #[prost(int32, repeated, packed = "false", tag = "8")]
    sizes: Vec<i32>,
    #[prost(message, optional, tag = "9")]
    at: Option<::prost_types::Timestamp>,
}

#[derive(Clone, PartialEq, prost::Message, Describe)]
struct Level {
    #[prost(double, tag = "1")]
    bid: f64,
    #[prost(message, optional, boxed, tag = "2")]
    next: Option<Box<Level>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, Describe)]
#[repr(i32)]
enum Phase {
    Closed = 0,
    PreOpen = 1,
    Open = 5,
}

mod tick {
    use amop::Describe;

    #[derive(Clone, PartialEq, prost::Oneof, Describe)]
    pub(crate) enum Source {
        #[prost(string, tag = "6")]
        Feed(String),
        #[prost(uint32, tag = "7")]
        DeskNumber(u32),
    }
}
