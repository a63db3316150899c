//! Declarations of protobuf types, as prost's attributes state them.

use std::any::type_name;

/// A message, an enum or a oneof.
pub struct ProtoItem {
    /// The compiler's name of the type.
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// The fields of a message, or the members of a oneof.
    pub(super) fields: Vec<ProtoField>,
    /// The values of an enum; `None` if it is not an enum.
    pub(super) values: Option<Vec<ProtoValue>>,
}

/// A value of an enum.
pub(super) struct ProtoValue {
    pub(super) variant: &'static str,
    /// The name in the style of protobuf, which begins with the enum's name.
    pub(super) name: &'static str,
    pub(super) number: i32,
    pub(super) doc: &'static str,
}

/// A field of a message, or a member of a oneof.
pub struct ProtoField {
    /// The name, the comment and the number.
    pub names: [&'static str; 3],
    /// `optional`, `required`, `repeated` or nothing.
    pub label: &'static str,
    /// The type of the keys, if the field is a map.
    pub key: Option<&'static str>,
    /// The type.
    pub of: ProtoKind,
    /// Whether a list is written as one blob.
    pub packed: Option<bool>,
    /// The default.
    pub default: Option<&'static str>,
}

/// The type of a field.
pub enum ProtoKind {
    /// A type of protobuf, such as `string`.
    Scalar(&'static str),
    /// A message.
    Message(ProtoType),
    /// An enum.
    Enumeration(ProtoType),
    /// A oneof.
    Oneof(ProtoType),
}

/// A type that a field refers to.
pub struct ProtoType {
    /// Its name in the package `google.protobuf`, if it belongs there.
    pub(super) google: Option<&'static str>,
    /// The compiler's name.
    pub(super) id: &'static str,
    /// The declaration, if it is known.
    pub(super) item: Option<fn() -> ProtoItem>,
}

impl ProtoItem {
    /// Declares a message or a oneof.
    pub fn with_fields<T>(name: &'static str, fields: Vec<ProtoField>) -> Self {
        Self {
            id: type_name::<T>(),
            name,
            fields,
            values: None,
        }
    }

    /// Declares an enum, from the variants, names and comments of its values, and their numbers.
    pub fn with_values<T>(name: &'static str, values: &[([&'static str; 3], i32)]) -> Self {
        let values = values
            .iter()
            .map(|&([variant, name, doc], number)| ProtoValue {
                variant,
                name,
                number,
                doc,
            });
        Self {
            values: Some(values.collect()),
            ..Self::with_fields::<T>(name, Vec::new())
        }
    }
}
