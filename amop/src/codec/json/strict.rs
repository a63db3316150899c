//! A wrapper around serde_json's serializer that refuses values that would not be read as the same
//! value.

use std::{
    cell::RefCell,
    collections::HashSet,
    fmt::{self, Display},
};

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::error::JsonError;

/// The nesting limit of serde_json when it reads.
const MAX_DEPTH: u32 = 127;

pub(super) fn to_vec(value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::with_capacity(128);
    let refused = RefCell::new(None);
    let at = At {
        refused: &refused,
        place: &ValuePath::Root,
        depth: 0,
        in_some: false,
    };
    let written = value.serialize(Strict {
        inner: &mut serde_json::Serializer::new(&mut out),
        at,
    });
    match (refused.into_inner(), written) {
        (Some(refused), _) => Err(refused),
        (None, Err(error)) => Err(JsonError::Refused(error)),
        (None, Ok(())) => Ok(out),
    }
}

/// The place of a value, as a chain from the inside out.
enum ValuePath<'a> {
    Root,
    Field(&'a ValuePath<'a>, &'static str),
    Element(&'a ValuePath<'a>, usize),
    /// A value of a map, with a function that writes its key.
    Value(&'a ValuePath<'a>, &'a dyn Fn() -> String),
}

impl Display for ValuePath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(outer, name) => write!(f, "{outer}.{name}"),
            Self::Element(outer, index) => write!(f, "{outer}[{index}]"),
            Self::Value(outer, key) => write!(f, "{outer}[{}]", key()),
        }
    }
}

/// The context in which a value is written.
#[derive(Clone, Copy)]
struct At<'a> {
    refused: &'a RefCell<Option<JsonError>>,
    place: &'a ValuePath<'a>,
    depth: u32,
    /// Whether this is directly inside of a `Some`.
    in_some: bool,
}

impl<'a> At<'a> {
    fn refuse<E: serde::ser::Error>(&self, why: impl FnOnce(String) -> JsonError) -> E {
        let error = why(self.place.to_string());
        let text = error.to_string();
        self.refused.borrow_mut().get_or_insert(error);
        E::custom(text)
    }

    fn finite<E: serde::ser::Error>(&self, value: f64) -> Result<(), E> {
        if value.is_finite() {
            return Ok(());
        }
        Err(self.refuse(|path| JsonError::NotFinite { path, value }))
    }

    fn null<E: serde::ser::Error>(&self) -> Result<(), E> {
        if self.in_some {
            return Err(self.refuse(|path| JsonError::SomeOfNull { path }));
        }
        Ok(())
    }

    /// Returns the context `levels` brackets deeper.
    fn below<E: serde::ser::Error>(&self, levels: u32) -> Result<Self, E> {
        let depth = self.depth + levels;
        if depth > MAX_DEPTH {
            return Err(self.refuse(|path| JsonError::TooDeep { path }));
        }
        Ok(Self {
            depth,
            in_some: false,
            ..*self
        })
    }

    fn wrap<'b, T: ?Sized>(self, place: &'b ValuePath<'b>, value: &'b T) -> Wrapped<'b, T>
    where
        'a: 'b,
    {
        Wrapped {
            value,
            at: At { place, ..self },
        }
    }

    fn same<'b, T: ?Sized>(self, value: &'b T) -> Wrapped<'b, T>
    where
        'a: 'b,
    {
        Wrapped { value, at: self }
    }
}

/// A value that wraps any serializer that it is given in a [`Strict`] one.
struct Wrapped<'a, T: ?Sized> {
    value: &'a T,
    at: At<'a>,
}

impl<T: Serialize + ?Sized> Serialize for Wrapped<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Strict {
            inner: serializer,
            at: self.at,
        })
    }
}

struct Strict<'a, S> {
    inner: S,
    at: At<'a>,
}

/// The inside of a list, an object and the like.
struct Inside<'a, C> {
    inner: C,
    at: At<'a>,
    elements: usize,
    /// The members of an object so far, if one may come twice.
    keys: Option<HashSet<String>>,
}

impl<'a, C> Inside<'a, C> {
    fn new(inner: C, at: At<'a>) -> Self {
        Self {
            inner,
            at,
            elements: 0,
            keys: None,
        }
    }

    /// Refuses a member that was written before: readers refuse such an object, or take one of the
    /// two.
    fn once<K: Serialize + ?Sized, E: serde::ser::Error>(&mut self, key: &K) -> Result<(), E> {
        let Some(keys) = &mut self.keys else {
            return Ok(());
        };
        let key = serde_json::to_string(key).unwrap_or_default();
        // Numbers are in quotes when they are names.
        if keys.insert(key.trim_matches('"').to_owned()) {
            return Ok(());
        }
        let name = || key.clone();
        let place = ValuePath::Value(self.at.place, &name);
        let at = At {
            place: &place,
            ..self.at
        };
        Err(at.refuse(|path| JsonError::Twice { path }))
    }
}

macro_rules! plain {
    ($($name:ident: $of:ty),*) => {
        $(
            #[inline]
            fn $name(self, value: $of) -> Result<S::Ok, S::Error> {
                self.inner.$name(value)
            }
        )*
    };
}

impl<'a, S: Serializer> Serializer for Strict<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Inside<'a, S::SerializeSeq>;
    type SerializeTuple = Inside<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Inside<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Inside<'a, S::SerializeTupleVariant>;
    type SerializeMap = Inside<'a, S::SerializeMap>;
    type SerializeStruct = Inside<'a, S::SerializeStruct>;
    type SerializeStructVariant = Inside<'a, S::SerializeStructVariant>;

    plain! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32,
        serialize_i64: i64, serialize_i128: i128, serialize_u8: u8, serialize_u16: u16,
        serialize_u32: u32, serialize_u64: u64, serialize_u128: u128, serialize_char: char,
        serialize_str: &str, serialize_bytes: &[u8]
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        self.at.finite(value.into())?;
        self.inner.serialize_f32(value)
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        self.at.finite(value)?;
        self.inner.serialize_f64(value)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.at.null()?;
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let at = At {
            in_some: true,
            ..self.at
        };
        self.inner.serialize_some(&at.same(value))
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.at.null()?;
        self.inner.serialize_unit()
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.at.null()?;
        self.inner.serialize_unit_struct(name)
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner
            .serialize_newtype_struct(name, &self.at.same(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let at = self.at.below(1)?;
        let place = ValuePath::Field(at.place, variant);
        let value = at.wrap(&place, value);
        self.inner
            .serialize_newtype_variant(name, index, variant, &value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        let at = self.at.below(1)?;
        Ok(Inside::new(self.inner.serialize_seq(len)?, at))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        let at = self.at.below(1)?;
        Ok(Inside::new(self.inner.serialize_tuple(len)?, at))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        let at = self.at.below(1)?;
        Ok(Inside::new(
            self.inner.serialize_tuple_struct(name, len)?,
            at,
        ))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let at = self.at.below(2)?;
        let inner = self
            .inner
            .serialize_tuple_variant(name, index, variant, len)?;
        Ok(Inside::new(inner, at))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        let at = self.at.below(1)?;
        Ok(Inside {
            // A struct with flattened fields does not know its number of members. A map does, and
            // has each key once.
            keys: len.is_none().then(HashSet::new),
            ..Inside::new(self.inner.serialize_map(len)?, at)
        })
    }

    #[inline]
    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        let at = self.at.below(1)?;
        Ok(Inside::new(self.inner.serialize_struct(name, len)?, at))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let at = self.at.below(2)?;
        let inner = self
            .inner
            .serialize_struct_variant(name, index, variant, len)?;
        Ok(Inside::new(inner, at))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! elements {
    ($($of:ident::$method:ident),*) => {
        $(
            impl<C: $of> $of for Inside<'_, C> {
                type Ok = C::Ok;
                type Error = C::Error;

                fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                    let place = ValuePath::Element(self.at.place, self.elements);
                    self.elements += 1;
                    self.inner.$method(&self.at.wrap(&place, value))
                }

                fn end(self) -> Result<C::Ok, C::Error> {
                    self.inner.end()
                }
            }
        )*
    };
}

elements! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
}

macro_rules! fields {
    ($($of:ident),*) => {
        $(
            impl<C: $of> $of for Inside<'_, C> {
                type Ok = C::Ok;
                type Error = C::Error;

                #[inline]
                fn serialize_field<T: Serialize + ?Sized>(
                    &mut self,
                    name: &'static str,
                    value: &T,
                ) -> Result<(), C::Error> {
                    let place = ValuePath::Field(self.at.place, name);
                    self.inner.serialize_field(name, &self.at.wrap(&place, value))
                }

                fn skip_field(&mut self, name: &'static str) -> Result<(), C::Error> {
                    self.inner.skip_field(name)
                }

                fn end(self) -> Result<C::Ok, C::Error> {
                    self.inner.end()
                }
            }
        )*
    };
}

fields!(SerializeStruct, SerializeStructVariant);

impl<C: SerializeMap> SerializeMap for Inside<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.once(key)?;
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let place = ValuePath::Element(self.at.place, self.elements);
        self.elements += 1;
        self.inner.serialize_value(&self.at.wrap(&place, value))
    }

    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<(), C::Error> {
        self.once(key)?;
        let name = || serde_json::to_string(key).unwrap_or_default();
        let place = ValuePath::Value(self.at.place, &name);
        self.elements += 1;
        self.inner
            .serialize_entry(key, &self.at.wrap(&place, value))
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}
