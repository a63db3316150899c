//! Describes topics as an AsyncAPI 3.0 document, for catalogues, portals and code generators.
//!
//! Topics come from `.proto` files ([`Schema::topics`](crate::Schema)) and from Rust structs
//! ([`descriptors`](crate::descriptors)) alike; both become [`DeclaredTopic`]s.
//!
//! A topic is a channel with two operations, `send` and `receive`. The payload's schema is a JSON
//! Schema for JSON, the `.proto` text for protobuf (AsyncAPI's parser requires `@RootNode` in the
//! comment on the main message), and a string for text. A typed reply is the operations' `reply`,
//! over a channel without an address: AMOP returns replies on the connection of the message.
//! Properties that AsyncAPI has no field for are in extension fields:
//!
//! | field | on | meaning |
//! | --- | --- | --- |
//! | `x-amop-private` | channel | `true` if subscribers must prove that they hold a key |
//! | `x-amop-sealed` | channel | `true` if payloads are sealed (docs/sealed-topics.md); the messages describe the content |
//! | `x-amop-delivery` | operation, reply | `unicast` (to one subscriber), `multicast` (to all) |
//! | `x-amop-codec` | message | `protobuf`, `json`, `text` or `bytes` |
//! | `x-amop-message-type` | message | the name of its protobuf message in the payload's schema |
//!
//! ```
//! use amop_schema::{Schema, asyncapi};
//!
//! # fn describe(schema: &Schema) {
//! let topics: Vec<_> = schema.topics.iter().map(asyncapi::DeclaredTopic::from).collect();
//! let document = asyncapi::document(&topics, &asyncapi::DocumentInfo::new("Settlement", "1.0.0"));
//! println!("{document:#}");
//! # }
//! ```

mod comments;
mod declared;
mod document;
mod json_schema;
mod proto_fields;
mod proto_text;

pub use declared::{DeclaredTopic, Payload, PayloadSchema};
pub use document::document;

/// The comment that marks the main message of a `.proto` text, for AsyncAPI's own tools and for
/// readers.
const ROOT_MARK: &str = "// @RootNode";

/// The prefix of a `$ref` to a JSON schema in the document.
const SCHEMAS: &str = "#/components/schemas/";

/// General information for a document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DocumentInfo {
    /// The title of the application.
    pub title: String,
    /// The version of the application, not of AsyncAPI.
    pub version: String,
    /// The purpose of the application.
    pub description: Option<String>,
}

impl DocumentInfo {
    /// Creates an info without a description.
    pub fn new(title: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            version: version.into(),
            description: None,
        }
    }
}
