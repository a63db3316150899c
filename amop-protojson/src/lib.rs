#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod limits;
mod number;
mod read;
mod schema;
mod text;
mod time;
mod wire;
mod write;

pub use error::{MappingError, ProtoJsonError};
pub use limits::MAX_DEPTH;

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// The messages of some `.proto` files, with the properties that are needed to write and read JSON.
#[derive(Debug)]
pub struct Mapping {
    schema: schema::SchemaIndex,
}

impl Mapping {
    /// Creates the mapping of all messages in these files.
    ///
    /// # Errors
    ///
    /// [`MappingError`] if no file declares a type that is used, or if a file uses an edition.
    pub fn new(files: &FileDescriptorSet) -> Result<Self, MappingError> {
        schema::SchemaIndex::new(files).map(|schema| Self { schema })
    }

    /// Creates the mapping from an encoded `FileDescriptorSet`.
    ///
    /// # Errors
    ///
    /// As for [`Mapping::new`], and if the bytes are not a descriptor set.
    pub fn decode(files: &[u8]) -> Result<Self, MappingError> {
        let files = FileDescriptorSet::decode(files)
            .map_err(|error| MappingError::new(format!("this is not a descriptor set: {error}")))?;
        Self::new(&files)
    }

    /// Writes a message as JSON, without spaces, with its fields in the order of their numbers.
    ///
    /// `message` is the full name of its type, such as `quotes.v1.Quote`.
    ///
    /// # Errors
    ///
    /// [`ProtoJsonError`] if the message has no JSON form that is read back as the same message,
    /// for example a timestamp out of range, an unset `google.protobuf.Value`, or an `Any` of an
    /// unknown type; also if the bytes are not a message of this type.
    pub fn to_json(&self, message: &str, wire: &[u8]) -> Result<Vec<u8>, ProtoJsonError> {
        let message = self.schema.message(message)?;
        write::message(&self.schema, message, wire)
    }

    /// Reads JSON as a message, and returns it in the wire format.
    ///
    /// Members that the type does not have are skipped, so that a schema may get new fields.
    ///
    /// # Errors
    ///
    /// [`ProtoJsonError`] if the text is not JSON, or does not match this type.
    pub fn to_wire(&self, message: &str, json: &[u8]) -> Result<Vec<u8>, ProtoJsonError> {
        let message = self.schema.message(message)?;
        read::message(&self.schema, message, json)
    }
}
