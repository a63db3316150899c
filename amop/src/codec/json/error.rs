//! Values that JSON cannot hold.

/// A value that JSON cannot hold.
///
/// [`CodecError::get_ref`](crate::CodecError::get_ref) returns it if [`Json`](super::Json) refused to encode a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// A number is not finite. JSON has no such numbers.
    #[error(
        "`{path}` is {value}, which is not a number in JSON: leave such values out, or use another \
         codec"
    )]
    NotFinite {
        /// The place, such as `quotes[2].price`; empty for the value itself.
        path: String,
        /// The number.
        value: f64,
    },
    /// A `Some` is written as `null`, which reads as `None`.
    #[error(
        "`{path}` is `Some` of a value that JSON writes as `null`, which reads as `None`: use another \
         type, such as an enum"
    )]
    SomeOfNull {
        /// The place.
        path: String,
    },
    /// A flattened field has a member with the same name as one of the struct.
    #[error(
        "`{path}` would be written twice, which readers refuse: leave it out of what is flattened"
    )]
    Twice {
        /// The member.
        path: String,
    },
    /// The value is nested deeper than serde_json reads.
    #[error("`{path}` is nested deeper than 127 objects and lists, which readers refuse")]
    TooDeep {
        /// The place.
        path: String,
    },
    /// serde_json, or a `Serialize` of the value, refused it.
    #[error(transparent)]
    Refused(serde_json::Error),
}
