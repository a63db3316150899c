//! Codecs, which turn messages into payload bytes and back: text, JSON, protobuf and raw bytes.
//!
//! A codec is a type without values. It adds no envelope: the payload is exactly the bytes of the
//! format, so any program that knows the format can read it.

#[cfg(feature = "json")]
mod json;
#[cfg(all(feature = "json", feature = "protobuf"))]
mod proto_json;
#[cfg(feature = "protobuf")]
mod protobuf;

use std::fmt;

use amop_proto::log::{OneLine, with_causes};
use bytes::Bytes;

#[cfg(feature = "json")]
pub use json::{Json, JsonError};
#[cfg(all(feature = "json", feature = "protobuf"))]
pub use proto_json::{ProtoJson, ProtoJsonReply, ProtoMessage, ProtoReply};
#[cfg(feature = "protobuf")]
pub use protobuf::Protobuf;

/// Turns values of type `T` into payloads and back.
///
/// With the codecs of this crate, decoding an encoded value gives the same value. A value that the
/// format cannot hold is an error when it is encoded; it is not changed silently.
pub trait Codec<T> {
    /// The format's name, for errors and logs.
    const NAME: &'static str;

    /// Encodes a value.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the value cannot be expressed in the format.
    fn encode(value: &T) -> Result<Bytes, CodecError>;

    /// Decodes a payload.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the payload does not have the format or does not match this type.
    fn decode(payload: Bytes) -> Result<T, CodecError>;
}

/// UTF-8 text: the payload is the string itself.
#[derive(Debug)]
pub enum Text {}

/// Bytes, unchanged.
#[derive(Debug)]
pub enum Raw {}

/// A type that is a piece of text, for the codec [`Text`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a piece of text",
    label = "the text codec cannot carry this",
    note = "write `reply_codec = \"json\"` if this is the reply's type, or `codec = \"json\"` if it \
            is the message's or its field's"
)]
pub trait TextValue: Sized {
    /// Returns the text.
    fn as_text(&self) -> &str;

    /// Creates a value from its text.
    fn from_text(text: String) -> Self;
}

impl TextValue for String {
    fn as_text(&self) -> &str {
        self
    }

    fn from_text(text: String) -> Self {
        text
    }
}

/// A type that is a piece of binary data, for the codec [`Raw`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a piece of binary data",
    label = "the bytes codec cannot carry this",
    note = "write `reply_codec = \"json\"` if this is the reply's type, or `codec = \"json\"` if it \
            is the message's or its field's"
)]
pub trait BytesValue: Sized {
    /// Returns the bytes. Cheap if the type holds [`Bytes`].
    fn to_bytes(&self) -> Bytes;

    /// Creates a value from its bytes.
    fn from_bytes(bytes: Bytes) -> Self;
}

impl BytesValue for Bytes {
    fn to_bytes(&self) -> Bytes {
        self.clone()
    }

    fn from_bytes(bytes: Bytes) -> Self {
        bytes
    }
}

impl BytesValue for Vec<u8> {
    fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self)
    }

    fn from_bytes(bytes: Bytes) -> Self {
        bytes.into()
    }
}

impl<T: TextValue> Codec<T> for Text {
    const NAME: &'static str = "text";

    fn encode(value: &T) -> Result<Bytes, CodecError> {
        Ok(Bytes::copy_from_slice(value.as_text().as_bytes()))
    }

    fn decode(payload: Bytes) -> Result<T, CodecError> {
        String::from_utf8(payload.into())
            .map(T::from_text)
            .map_err(|error| CodecError::new(<Self as Codec<T>>::NAME, error))
    }
}

impl<T: BytesValue> Codec<T> for Raw {
    const NAME: &'static str = "bytes";

    fn encode(value: &T) -> Result<Bytes, CodecError> {
        Ok(value.to_bytes())
    }

    fn decode(payload: Bytes) -> Result<T, CodecError> {
        Ok(T::from_bytes(payload))
    }
}

/// Why a codec could not encode a value, or decode a payload.
#[derive(Debug, thiserror::Error)]
#[error("the {codec} codec failed")]
pub struct CodecError {
    codec: &'static str,
    source: Shown,
}

/// An error whose text may come from another program, shown on one line with its causes. The wrapped
/// error is not part of the chain of sources, because programs write that chain into logs.
struct Shown(Box<dyn std::error::Error + Send + Sync>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OneLine::new(with_causes(&*self.0)).max(512).fmt(f)
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OneLine::new(format_args!("{:?}", self.0)).max(512).fmt(f)
    }
}

impl std::error::Error for Shown {}

impl CodecError {
    /// Creates an error of the codec named `codec`.
    pub fn new(
        codec: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            codec,
            source: Shown(source.into()),
        }
    }

    /// Returns the codec's own error. Its text may come from another program and contain line
    /// breaks.
    pub fn get_ref(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.source.0
    }

    /// Returns the codec's name.
    pub fn codec(&self) -> &'static str {
        self.codec
    }
}

#[cfg(test)]
mod tests;
