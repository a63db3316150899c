#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod asyncapi;
pub mod compat;
pub mod descriptors;
mod error;
mod load;
mod model;
mod utf8;

pub use error::{SchemaError, SchemaErrorKind, SchemaErrors};
pub use load::{OPTIONS_PROTO, OPTIONS_PROTO_NAME};
pub use model::{Location, MAX_PRIVATE_LEN, MAX_TOPIC_LEN, Schema, TopicCodec, TopicDecl};
pub use prost_reflect;
