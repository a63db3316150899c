//! Messages of `google.protobuf` that the JSON mapping treats in a special way.

use prost_reflect::MessageDescriptor;

/// Whether a message has a special form in the JSON mapping.
pub(crate) enum Special {
    /// No: an object with its fields.
    No,
    /// A form that the mapping defines.
    Form,
    /// The value inside the wrapper.
    Wrapper,
}

/// Returns the form of a message in the JSON mapping.
pub(crate) fn special(message: &MessageDescriptor) -> Special {
    let Some(name) = message.full_name().strip_prefix("google.protobuf.") else {
        return Special::No;
    };
    match name {
        "Any" | "Duration" | "FieldMask" | "ListValue" | "Struct" | "Timestamp" | "Value" => {
            Special::Form
        }
        "BoolValue" | "BytesValue" | "DoubleValue" | "FloatValue" | "Int32Value" | "Int64Value"
        | "StringValue" | "UInt32Value" | "UInt64Value" => Special::Wrapper,
        _ => Special::No,
    }
}
