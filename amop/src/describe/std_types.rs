//! Descriptors of types of the standard library, as serde writes them.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque},
    path::{Path, PathBuf},
    rc::Rc,
    sync::{Arc, Mutex, RwLock},
};

use serde_json::{Value, json};

use super::{Describe, TypeDescriptor};

/// Describes types by a fixed schema.
macro_rules! scalars {
    ($($type:ty),+ => $schema:tt) => {
        $(impl Describe for $type {
            fn describe() -> TypeDescriptor {
                TypeDescriptor::inline::<Self>(|_| json!($schema))
            }
        })+
    };
}

/// Describes integers that doubles can hold, with their limits.
macro_rules! small_integers {
    ($($type:ident),+) => {
        $(scalars!($type => {
            "type": "integer", "minimum": ($type::MIN), "maximum": ($type::MAX)
        });)+
    };
}

small_integers!(i8, i16, i32, u8, u16, u32);
// Validators that use doubles cannot check the limits of wider numbers.
scalars!(i64, i128, isize => { "type": "integer" });
scalars!(u64, u128, usize => { "type": "integer", "minimum": 0 });
scalars!(f32, f64 => { "type": "number" });
scalars!(bool => { "type": "boolean" });
scalars!(char => { "type": "string", "minLength": 1, "maxLength": 1 });
scalars!(String, str, PathBuf, Path => { "type": "string" });
scalars!(() => { "type": "null" });

/// Describes types that are written as their content.
macro_rules! transparent {
    ($($type:ty),+) => {
        $(impl<T: Describe + ?Sized> Describe for $type {
            fn describe() -> TypeDescriptor {
                T::describe()
            }
        })+
    };
}

transparent!(&T, Box<T>, Rc<T>, Arc<T>, RefCell<T>, Mutex<T>, RwLock<T>);

impl<T: Describe> Describe for Cell<T> {
    fn describe() -> TypeDescriptor {
        T::describe()
    }
}

impl<T: Describe + ToOwned + ?Sized> Describe for Cow<'_, T> {
    fn describe() -> TypeDescriptor {
        T::describe()
    }
}

impl<T: Describe> Describe for Option<T> {
    fn describe() -> TypeDescriptor {
        TypeDescriptor::inline::<Self>(|types| types.nullable(&T::describe())).or_missing()
    }
}

/// Describes containers.
macro_rules! containers {
    ($($type:ty { $($other:ident),* } => |$types:ident| $schema:expr),+) => {
        $(impl<T: Describe, $($other),*> Describe for $type {
            fn describe() -> TypeDescriptor {
                TypeDescriptor::inline::<Self>(|$types| $schema)
            }
        })+
    };
}

containers!(
    Vec<T> {} => |types| types.list(&T::describe()),
    VecDeque<T> {} => |types| types.list(&T::describe()),
    LinkedList<T> {} => |types| types.list(&T::describe()),
    BinaryHeap<T> {} => |types| types.list(&T::describe()),
    [T] {} => |types| types.list(&T::describe()),
    HashSet<T, S> { S } => |types| set(types.list(&T::describe())),
    BTreeSet<T> {} => |types| set(types.list(&T::describe())),
    // Keys are written as strings.
    HashMap<K, T, S> { K, S } => |types| types.map(&T::describe()),
    BTreeMap<K, T> { K } => |types| types.map(&T::describe())
);

fn set(mut list: Value) -> Value {
    list["uniqueItems"] = json!(true);
    list
}

impl<T: Describe, const N: usize> Describe for [T; N] {
    fn describe() -> TypeDescriptor {
        TypeDescriptor::inline::<Self>(|types| {
            let mut schema = types.list(&T::describe());
            schema["minItems"] = json!(N);
            schema["maxItems"] = json!(N);
            schema
        })
    }
}

/// Describes tuples of this many types and of fewer.
macro_rules! tuples {
    () => {};
    ($first:ident $($rest:ident)*) => {
        impl<$first: Describe, $($rest: Describe),*> Describe for ($first, $($rest,)*) {
            fn describe() -> TypeDescriptor {
                TypeDescriptor::inline::<Self>(|types| {
                    types.tuple([("", $first::describe()), $(("", $rest::describe())),*])
                })
            }
        }
        tuples!($($rest)*);
    };
}

tuples!(A B C D E F G H I J K L);
