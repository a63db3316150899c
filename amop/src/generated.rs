//! What generated code names: the macros' and amop-build's. Not for anybody else.

#[path = "generated/wrappers.rs"]
pub mod wrappers;

pub use amop_protojson::Mapping;
pub use bytes;
pub use serde;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::codec::ProtoMessage;

/// prost, with what it loses of floating-point numbers kept.
pub mod prost {
    pub use ::prost::*;

    /// The functions that prost's derive calls.
    pub mod encoding {
        pub use super::super::wrappers as message;
        pub use ::prost::encoding::*;

        /// Writes every key and every value, as Google's libraries do. prost leaves out values that
        /// equal the default, and takes -0.0 for one.
        macro_rules! map {
            ($name:ident, $map:ident) => {
                pub mod $name {
                    pub use ::prost::encoding::$name::{merge, merge_with_default};

                    use std::{collections::$map, hash::Hash};

                    use ::prost::{
                        bytes::BufMut,
                        encoding::{
                            WireType, encode_key, encode_varint, encoded_len_varint, key_len,
                        },
                    };

                    pub fn encode<K, V, B, KE, KL, VE, VL>(
                        key_encode: KE,
                        key_encoded_len: KL,
                        val_encode: VE,
                        val_encoded_len: VL,
                        tag: u32,
                        values: &$map<K, V>,
                        buf: &mut B,
                    ) where
                        K: Eq + Hash + Ord,
                        B: BufMut,
                        KE: Fn(u32, &K, &mut B),
                        KL: Fn(u32, &K) -> usize,
                        VE: Fn(u32, &V, &mut B),
                        VL: Fn(u32, &V) -> usize,
                    {
                        for (key, value) in values {
                            let len = key_encoded_len(1, key) + val_encoded_len(2, value);
                            encode_key(tag, WireType::LengthDelimited, buf);
                            encode_varint(len as u64, buf);
                            key_encode(1, key, buf);
                            val_encode(2, value, buf);
                        }
                    }

                    #[allow(clippy::too_many_arguments)]
                    pub fn encode_with_default<K, V, B, KE, KL, VE, VL>(
                        key_encode: KE,
                        key_encoded_len: KL,
                        val_encode: VE,
                        val_encoded_len: VL,
                        _: &V,
                        tag: u32,
                        values: &$map<K, V>,
                        buf: &mut B,
                    ) where
                        K: Eq + Hash + Ord,
                        B: BufMut,
                        KE: Fn(u32, &K, &mut B),
                        KL: Fn(u32, &K) -> usize,
                        VE: Fn(u32, &V, &mut B),
                        VL: Fn(u32, &V) -> usize,
                    {
                        encode(
                            key_encode,
                            key_encoded_len,
                            val_encode,
                            val_encoded_len,
                            tag,
                            values,
                            buf,
                        );
                    }

                    pub fn encoded_len<K, V, KL, VL>(
                        key_encoded_len: KL,
                        val_encoded_len: VL,
                        tag: u32,
                        values: &$map<K, V>,
                    ) -> usize
                    where
                        K: Eq + Hash + Ord,
                        KL: Fn(u32, &K) -> usize,
                        VL: Fn(u32, &V) -> usize,
                    {
                        let entry = |(key, value): (&K, &V)| {
                            let len = key_encoded_len(1, key) + val_encoded_len(2, value);
                            encoded_len_varint(len as u64) + len
                        };
                        key_len(tag) * values.len() + values.iter().map(entry).sum::<usize>()
                    }

                    pub fn encoded_len_with_default<K, V, KL, VL>(
                        key_encoded_len: KL,
                        val_encoded_len: VL,
                        _: &V,
                        tag: u32,
                        values: &$map<K, V>,
                    ) -> usize
                    where
                        K: Eq + Hash + Ord,
                        KL: Fn(u32, &K) -> usize,
                        VL: Fn(u32, &V) -> usize,
                    {
                        encoded_len(key_encoded_len, val_encoded_len, tag, values)
                    }
                }
            };
        }

        map!(hash_map, HashMap);
        map!(btree_map, BTreeMap);
    }
}

/// The mapping of an encoded descriptor set that amop-build wrote, having read it.
///
/// # Panics
///
/// If it is none.
pub fn mapping(files: &[u8]) -> Mapping {
    match Mapping::decode(files) {
        Ok(mapping) => mapping,
        Err(error) => panic!("generated code has a wrong descriptor set: {error}"),
    }
}

/// serde's traits in the shape of the JSON mapping, for any format.
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

/// The way back.
pub fn deserialize<'de, T: ProtoMessage, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let wire = T::mapping()
        .to_wire(T::NAME, value.to_string().as_bytes())
        .map_err(de::Error::custom)?;
    T::decode(wire.as_slice()).map_err(de::Error::custom)
}
