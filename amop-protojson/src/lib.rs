//! The JSON mapping of Protocol Buffers, between the wire format and JSON text.
//!
//! What is written is what Google's libraries write and read: names in lowerCamelCase, enums by name,
//! 64-bit integers as strings, bytes as base64, `google.protobuf` types in forms of their own. Nothing
//! is written that would not be read as the same value again: such a message is refused, with the
//! place and the reason.
//!
//! A [`Mapping`] is made of file descriptors once, and then knows all their messages. Messages come
//! and go in the wire format, so any implementation of Protocol Buffers can be used with it.
//!
//! ```
//! use amop_protojson::Mapping;
//! use prost::Message as _;
//! use prost_types::{
//!     DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
//!     field_descriptor_proto::{Label, Type},
//! };
//!
//! let cents = FieldDescriptorProto {
//!     name: Some("price_cents".into()),
//!     number: Some(1),
//!     label: Some(Label::Optional.into()),
//!     r#type: Some(Type::Int64.into()),
//!     ..Default::default()
//! };
//! let quote = DescriptorProto { name: Some("Quote".into()), field: vec![cents], ..Default::default() };
//! let file = FileDescriptorProto {
//!     name: Some("quote.proto".into()),
//!     syntax: Some("proto3".into()),
//!     message_type: vec![quote],
//!     ..Default::default()
//! };
//! let mapping = Mapping::new(&FileDescriptorSet { file: vec![file] })?;
//!
//! let json = mapping.to_json("Quote", &[0x08, 42])?;
//! assert_eq!(json, br#"{"priceCents":"42"}"#);
//! assert_eq!(mapping.to_wire("Quote", &json)?, [0x08, 42]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod error;
mod number;
mod read;
mod schema;
mod text;
mod time;
mod wire;
mod write;

pub use error::{Error, SchemaError};

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// How deep messages may be nested, as in Google's libraries and in prost. An entry of a map counts.
pub const MAX_DEPTH: u32 = 100;

/// The messages of some `.proto` files, with what is to know of them to write and read JSON.
#[derive(Debug)]
pub struct Mapping {
    schema: schema::Schema,
}

impl Mapping {
    /// The mapping of all messages in these files.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] if a type is used that no file has, or a file is of an edition.
    pub fn new(files: &FileDescriptorSet) -> Result<Self, SchemaError> {
        schema::Schema::new(files).map(|schema| Self { schema })
    }

    /// The same for an encoded `FileDescriptorSet`.
    ///
    /// # Errors
    ///
    /// As for [`Mapping::new`], and if the bytes are no descriptor set.
    pub fn decode(files: &[u8]) -> Result<Self, SchemaError> {
        let files = FileDescriptorSet::decode(files)
            .map_err(|error| SchemaError::new(format!("this is no descriptor set: {error}")))?;
        Self::new(&files)
    }

    /// Writes a message as JSON, without spaces, its fields in the order of their numbers.
    ///
    /// `message` is the full name of its type, such as `quotes.v1.Quote`.
    ///
    /// # Errors
    ///
    /// [`Error`] if the message cannot be expressed in JSON so that it reads as the same one, such as
    /// a timestamp out of range, an unset `google.protobuf.Value`, or an `Any` of an unknown type; and
    /// if the bytes are no such message.
    pub fn to_json(&self, message: &str, wire: &[u8]) -> Result<Vec<u8>, Error> {
        let message = self.schema.message(message)?;
        write::message(&self.schema, message, wire)
    }

    /// Reads JSON as a message, and gives it in the wire format.
    ///
    /// Members that the type does not have are skipped, so that a schema may gain fields.
    ///
    /// # Errors
    ///
    /// [`Error`] if the text is no JSON, or not this type's.
    pub fn to_wire(&self, message: &str, json: &[u8]) -> Result<Vec<u8>, Error> {
        let message = self.schema.message(message)?;
        read::message(&self.schema, message, json)
    }
}
