//! The JSON mapping of Protocol Buffers, for types that amop-build made.

use std::marker::PhantomData;

use amop_protojson::Mapping;
use bytes::Bytes;

use super::{Codec, CodecError};
use crate::__private::wrappers;

/// JSON as Protocol Buffers map it, for messages that `amop-build` made.
///
/// It is what Google's libraries write and read. What they would not read as the same message is
/// refused, with the field in [`amop_protojson::Error`].
#[derive(Debug)]
pub enum ProtoJson {}

/// The same for the replies of `T`, whose own types may come from anywhere.
#[derive(Debug)]
pub struct ProtoJsonReply<T>(PhantomData<T>);

/// A message that knows its JSON mapping. `amop-build` implements it.
pub trait ProtoMessage: prost::Message + Default + 'static {
    /// The message's full name, such as `quotes.v1.Quote`.
    const NAME: &'static str;

    /// The mapping that knows it, and all types in it.
    fn mapping() -> &'static Mapping;
}

/// A message that knows the JSON mapping of its replies. `amop-build` implements it.
pub trait ProtoReply {
    /// The full name of the reply.
    const REPLY: &'static str;

    /// The mapping that knows it, and all types in it.
    fn mapping() -> &'static Mapping;
}

const NAME: &str = "json";

impl<T: ProtoMessage> Codec<T> for ProtoJson {
    const NAME: &'static str = NAME;

    fn encode(value: &T) -> Result<Bytes, CodecError> {
        encode(T::mapping(), T::NAME, value)
    }

    fn decode(payload: Bytes) -> Result<T, CodecError> {
        decode(T::mapping(), T::NAME, &payload)
    }
}

impl<T: prost::Message + Default + 'static, R: ProtoReply> Codec<T> for ProtoJsonReply<R> {
    const NAME: &'static str = NAME;

    fn encode(value: &T) -> Result<Bytes, CodecError> {
        encode(R::mapping(), R::REPLY, value)
    }

    fn decode(payload: Bytes) -> Result<T, CodecError> {
        decode(R::mapping(), R::REPLY, &payload)
    }
}

fn encode<T: prost::Message + 'static>(
    mapping: &Mapping,
    name: &str,
    value: &T,
) -> Result<Bytes, CodecError> {
    mapping
        .to_json(name, &wrappers::to_vec(value))
        .map(Bytes::from)
        .map_err(|error| CodecError::new(NAME, error))
}

fn decode<T: prost::Message + Default>(
    mapping: &Mapping,
    name: &str,
    payload: &[u8],
) -> Result<T, CodecError> {
    let wire = mapping
        .to_wire(name, payload)
        .map_err(|error| CodecError::new(NAME, error))?;
    T::decode(wire.as_slice()).map_err(|error| CodecError::new(NAME, error))
}
