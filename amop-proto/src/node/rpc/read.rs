//! Reads requests, and only the parts of them that matter.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Number;

use super::{
    call::{Call, MAX_BATCH, Read, RpcId},
    params::{self, Method},
};

/// The top-level value of a body. Sets the flag if a batch is too long.
pub(super) struct Top<'a>(pub(super) &'a mut bool);

impl<'de> Visitor<'de> for Top<'_> {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request or a batch of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Read, A::Error> {
        let mut calls = Vec::new();
        while let Some(call) = items.next_element()? {
            if calls.len() == MAX_BATCH {
                *self.0 = true;
                return Err(de::Error::custom("too many requests"));
            }
            calls.push(call);
        }
        Ok(match calls.is_empty() {
            true => Read::One(Call::default()),
            false => Read::Batch(calls),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Read, A::Error> {
        CallVisitor.visit_map(map).map(Read::One)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Read, E> {
        CallVisitor.visit_str(text).map(Read::One)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Read, E> {
        CallVisitor.visit_bool(flag).map(Read::One)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Read, E> {
        CallVisitor.visit_i64(number).map(Read::One)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Read, E> {
        CallVisitor.visit_u64(number).map(Read::One)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Read, E> {
        CallVisitor.visit_f64(number).map(Read::One)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Read, E> {
        CallVisitor.visit_unit().map(Read::One)
    }
}

/// Reads one request. A value that is not an object is an invalid request.
struct CallVisitor;

impl<'de> Deserialize<'de> for Call {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(CallVisitor)
    }
}

impl<'de> Visitor<'de> for CallVisitor {
    type Value = Call;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Call, A::Error> {
        let mut call = Call::default();
        // If a key occurs twice, the last one counts.
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match &*key {
                "id" => call.id = Some(map.next_value()?),
                "jsonrpc" => {
                    let version: TextOrOther = map.next_value()?;
                    call.current = version.0.as_deref() == Some("2.0");
                }
                "method" => {
                    let name: TextOrOther = map.next_value()?;
                    call.method = name.0.as_deref().map(Method::named);
                }
                "params" => call.params = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(call)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Call, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Call::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Call, E> {
        Ok(Call::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Call, E> {
        Ok(Call::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Call, E> {
        Ok(Call::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Call, E> {
        Ok(Call::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Call, E> {
        Ok(Call::default())
    }

    fn visit_unit<E>(self) -> Result<Call, E> {
        Ok(Call::default())
    }
}

impl<'de> Deserialize<'de> for RpcId {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl<'de> Visitor<'de> for IdVisitor {
    type Value = RpcId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id")
    }

    fn visit_str<E>(self, text: &str) -> Result<RpcId, E> {
        Ok(RpcId::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<RpcId, E> {
        Ok(RpcId::Number(number.into()))
    }

    fn visit_unit<E>(self) -> Result<RpcId, E> {
        Ok(RpcId::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<RpcId, E> {
        Ok(RpcId::Bad)
    }

    fn visit_i64<E>(self, number: i64) -> Result<RpcId, E> {
        Ok(RpcId::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<RpcId, E> {
        let whole = params::is_whole(number).then(|| Number::from_f64(number));
        Ok(whole.flatten().map_or(RpcId::Bad, RpcId::Number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<RpcId, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(RpcId::Bad)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RpcId, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(RpcId::Bad)
    }
}

/// A string; `None` if the value is of another type.
struct TextOrOther(Option<String>);

impl<'de> Deserialize<'de> for TextOrOther {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        let text = match RpcId::deserialize(value)? {
            RpcId::Text(text) => Some(text),
            RpcId::Null | RpcId::Number(_) | RpcId::Bad => None,
        };
        Ok(Self(text))
    }
}
