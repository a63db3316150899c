//! Types of crates that know nothing of descriptors.

use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Debug)]
pub(crate) struct Utc;

/// A point in time, written as text.
#[derive(Clone, Debug)]
pub(crate) struct DateTime<Z>(PhantomData<Z>);

impl<Z> Serialize for DateTime<Z> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("1970-01-01T00:00:00Z")
    }
}

impl<'de, Z> Deserialize<'de> for DateTime<Z> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|_| Self(PhantomData))
    }
}

/// Functions for `#[serde(with = ...)]`.
pub(crate) mod hex {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(of: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        of.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        <[u8; 32]>::deserialize(from)
    }
}
