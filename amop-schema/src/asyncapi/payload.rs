//! The forms of payloads.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The prefix of a `$ref` to a JSON schema in the document.
pub(super) const SCHEMAS: &str = "#/components/schemas/";

/// The form of a payload.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "codec", rename_all = "lowercase")]
#[non_exhaustive]
pub enum PayloadSchema {
    /// JSON.
    Json {
        /// The JSON Schema (draft 7) of the value.
        schema: Value,
        /// The schemas that it refers to as `#/components/schemas/NAME`, by name.
        definitions: BTreeMap<String, Value>,
    },
    /// The protobuf wire format.
    Protobuf {
        /// A `.proto` file with the message and all types that it uses.
        text: String,
        /// The version of the protobuf language of the file: 2 or 3.
        version: u32,
        /// The message's full name.
        message: String,
    },
    /// UTF-8 text.
    Text,
    /// Bytes of any form.
    Bytes,
    /// Bytes in the form of a program's own codec.
    Own {
        /// The codec's name for its format.
        #[serde(rename = "own_codec")]
        codec: String,
    },
}
