//! JSON by serde, which refuses values that serde_json would change.

mod error;
mod strict;

use bytes::Bytes;

pub use self::error::JsonError;
use super::{Codec, CodecError};

/// JSON, by serde.
///
/// It refuses values that JSON cannot hold, and [`JsonError`] names the place: numbers that are not
/// finite, which serde_json writes as `null`; `Some` of a value that is written as `null`, which
/// reads as `None`; members that `#[serde(flatten)]` would write twice; and values that are nested
/// deeper than readers accept.
#[derive(Debug)]
pub enum Json {}

impl<T: serde::Serialize + serde::de::DeserializeOwned> Codec<T> for Json {
    const NAME: &'static str = "json";

    fn encode(value: &T) -> Result<Bytes, CodecError> {
        strict::to_vec(value)
            .map(Bytes::from)
            .map_err(|error| CodecError::new(<Self as Codec<T>>::NAME, error))
    }

    fn decode(payload: Bytes) -> Result<T, CodecError> {
        serde_json::from_slice(&payload)
            .map_err(|error| CodecError::new(<Self as Codec<T>>::NAME, error))
    }
}
