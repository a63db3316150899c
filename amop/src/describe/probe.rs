//! Finds out whether a type has a descriptor, where the macros cannot know.
//!
//! The compiler looks for a method on `&&&Probe<T>` first, then on `&&Probe<T>`, and so on, and
//! takes the first one whose bounds are met. So a field of any type compiles.

use std::{
    collections::{BTreeMap, HashMap},
    marker::PhantomData,
};

use super::{Describe, TypeDescriptor};

/// A value in place of a `T`.
pub struct Probe<T: ?Sized>(PhantomData<fn() -> *const T>);

impl<T: ?Sized> Probe<T> {
    /// Creates a probe.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

/// The first choice: the type has a descriptor.
pub trait Described {
    /// Returns the descriptor.
    fn describe(&self) -> TypeDescriptor;
}

impl<T: Describe + ?Sized> Described for &&Probe<T> {
    fn describe(&self) -> TypeDescriptor {
        T::describe()
    }
}

/// The second choice: a container of something that has none.
pub trait Wrapped {
    /// Returns the descriptor.
    fn describe(&self) -> TypeDescriptor;
}

impl<T> Wrapped for &Probe<Option<T>> {
    fn describe(&self) -> TypeDescriptor {
        let of = TypeDescriptor::inline::<Option<T>>(|types| {
            types.nullable(&TypeDescriptor::opaque::<T>())
        });
        of.or_missing()
    }
}

impl<T> Wrapped for &Probe<Box<T>> {
    fn describe(&self) -> TypeDescriptor {
        TypeDescriptor::opaque::<T>()
    }
}

/// Describes containers of values without descriptors.
macro_rules! wrapped {
    ($($type:ty { $($param:ident),* } => $schema:ident),+) => {
        $(impl<$($param),*> Wrapped for &Probe<$type> {
            fn describe(&self) -> TypeDescriptor {
                TypeDescriptor::inline::<$type>(|types| {
                    types.$schema(&TypeDescriptor::opaque::<T>())
                })
            }
        })+
    };
}

wrapped!(Vec<T> { T } => list, HashMap<K, T, S> { K, T, S } => map, BTreeMap<K, T> { K, T } => map);

/// The last choice: only the name is known.
pub trait Opaque {
    /// Returns the descriptor.
    fn describe(&self) -> TypeDescriptor;
}

impl<T: ?Sized> Opaque for Probe<T> {
    fn describe(&self) -> TypeDescriptor {
        TypeDescriptor::opaque::<T>()
    }
}

/// The first choice for messages: the type knows its name in protobuf.
pub trait Google {
    /// Returns the name in the package `google.protobuf`, if it belongs there.
    fn google(&self) -> Option<&'static str>;
}

#[cfg(feature = "protobuf")]
impl<T: prost::Name> Google for &Probe<T> {
    fn google(&self) -> Option<&'static str> {
        (T::PACKAGE == "google.protobuf").then_some(T::NAME)
    }
}

/// The second choice for messages.
pub trait OtherMessage {
    /// Returns `None`.
    fn google(&self) -> Option<&'static str>;
}

impl<T: ?Sized> OtherMessage for Probe<T> {
    fn google(&self) -> Option<&'static str> {
        None
    }
}

/// A container of messages in a field of a prost message.
pub trait Content {
    /// The type of the messages.
    type Of;
}

impl<T> Content for Option<T> {
    type Of = T;
}

impl<T> Content for Vec<T> {
    type Of = T;
}

impl<K, T, S> Content for HashMap<K, T, S> {
    type Of = T;
}

impl<K, T> Content for BTreeMap<K, T> {
    type Of = T;
}
