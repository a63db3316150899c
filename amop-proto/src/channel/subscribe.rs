//! The topic set of a session, 0x32 (channel-v2 section 6).

use std::{borrow::Cow, fmt, ops::ControlFlow};

use bytes::Bytes;
use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// Returns the body of a 0x32 frame: a JSON array of the topics.
pub fn encode_topics<'a>(topics: impl IntoIterator<Item = &'a str>) -> Bytes {
    let topics: Vec<&str> = topics.into_iter().collect();
    // Strings always serialise.
    serde_json::to_vec(&topics).unwrap_or_default().into()
}

/// The meaning of a 0x32 body, read as leniently as a FISCO node reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetTopics {
    /// The body is the session's whole new set, in the order given.
    Replace(Vec<String>),
    /// The body is not understood, or too long to be read: the old set stays.
    Keep,
}

/// The longest body that is read, in bytes: room for thousands of the longest topics.
const MAX_BODY: usize = 2 * 1024 * 1024;

impl SetTopics {
    /// A number of topics that is larger than any body can name.
    pub(crate) const MOST: usize = MAX_BODY;

    /// Reads a body (channel-v2 section 6.1).
    pub fn parse(body: &[u8]) -> Self {
        let mut names = Vec::new();
        let read = read_names(body, |name| {
            names.push(name.into_owned());
            ControlFlow::Continue(())
        });
        match read {
            Some(()) => Self::Replace(names),
            None => Self::Keep,
        }
    }
}

/// Passes the names in a body to `take`, one after the other, until the end or until `take` breaks;
/// the rest is not read then. Returns `None` if the body is not understood, or is too long to be
/// read; ignore the names taken so far in this case.
pub(crate) fn read_names(
    body: &[u8],
    take: impl FnMut(Cow<'_, str>) -> ControlFlow<()>,
) -> Option<()> {
    if body.len() > MAX_BODY {
        return None;
    }
    let mut names = Names {
        take,
        enough: false,
    };
    // Only the first value counts; text after it is ignored.
    let read = serde_json::Deserializer::from_slice(body).deserialize_any(&mut names);
    (read.is_ok() || names.enough).then_some(())
}

/// The top of a body.
struct Names<F> {
    take: F,
    /// Whether `take` asked to stop.
    enough: bool,
}

impl<'de, F: FnMut(Cow<'_, str>) -> ControlFlow<()>> Visitor<'de> for &mut Names<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of topics")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Name(&mut *self))?.is_some() {
            if self.enough {
                return Err(de::Error::custom("read far enough"));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match map.next_key::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(de::Error::custom("an object")),
        }
    }

    // Any other value clears the set.

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// One element of the array.
struct Name<'a, F>(&'a mut Names<F>);

impl<F: FnMut(Cow<'_, str>) -> ControlFlow<()>> Name<'_, F> {
    fn take<E>(self, name: Cow<'_, str>) -> Result<(), E> {
        self.0.enough = (self.0.take)(name).is_break();
        Ok(())
    }
}

impl<'de, F: FnMut(Cow<'_, str>) -> ControlFlow<()>> DeserializeSeed<'de> for Name<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de, F: FnMut(Cow<'_, str>) -> ControlFlow<()>> Visitor<'de> for Name<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a topic")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.take(text.into())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.take(flag.to_string().into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.take(number.to_string().into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.take(number.to_string().into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        let number = serde_json::Number::from_f64(number);
        self.take(number.map(|n| n.to_string()).unwrap_or_default().into())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.take("".into())
    }
}

#[cfg(test)]
mod tests;
