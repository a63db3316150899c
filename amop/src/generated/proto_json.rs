//! What generated code needs to write messages as JSON.

pub use amop_protojson::Mapping;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::wrappers;
use crate::codec::ProtoMessage;

/// Returns the mapping of an encoded descriptor set, which amop-build has checked and written.
///
/// # Panics
///
/// If it is not a valid descriptor set.
pub fn mapping(files: &[u8]) -> Mapping {
    match Mapping::decode(files) {
        Ok(mapping) => mapping,
        Err(error) => panic!("generated code has a wrong descriptor set: {error}"),
    }
}

/// Serializes a message in the shape of the JSON mapping, for any format of serde.
pub fn serialize<T: ProtoMessage, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let json = T::mapping()
        .to_json(T::NAME, &wrappers::to_vec(value))
        .map_err(ser::Error::custom)?;
    let value: serde_json::Value = serde_json::from_slice(&json).map_err(ser::Error::custom)?;
    value.serialize(serializer)
}

/// Deserializes a message that [`serialize`] wrote.
pub fn deserialize<'de, T: ProtoMessage, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let wire = T::mapping()
        .to_wire(T::NAME, value.to_string().as_bytes())
        .map_err(de::Error::custom)?;
    T::decode(wire.as_slice()).map_err(de::Error::custom)
}
