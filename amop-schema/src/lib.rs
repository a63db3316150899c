#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod asyncapi;
pub mod compat;
mod error;
mod load;
mod model;
pub mod rust_source;
mod utf8;

pub use amop_proto::{MAX_TOPIC_LEN, channel::MAX_PRIVATE_LEN};
pub use error::{SchemaError, SchemaErrorKind, SchemaErrors};
pub use load::{OPTIONS_PROTO, OPTIONS_PROTO_NAME};
pub use model::{Location, Schema, TopicCodec, TopicDecl};
pub use prost_reflect;
