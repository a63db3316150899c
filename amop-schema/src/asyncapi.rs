//! Describes topics as an AsyncAPI 3.0 document, for catalogues, portals and code generators.
//!
//! Topics come from `.proto` files ([`Schema::topics`](crate::Schema)) and from Rust structs
//! ([`rust_source`](crate::rust_source)) alike; both become [`DeclaredTopic`]s.
//!
//! A topic is a channel with two operations, `send` and `receive`. The payload's schema is a JSON
//! Schema for JSON, the `.proto` text for protobuf (with `@RootNode` in the comment on the message that it is
//! about, as AsyncAPI's parser wants it), and a string for text. A typed reply is the
//! operations' `reply`, over a channel without an address: AMOP returns replies on the connection
//! that the message came over. What AsyncAPI has no word for is in extension fields:
//!
//! | field | on | meaning |
//! | --- | --- | --- |
//! | `x-amop-private` | channel | `true` if subscribers have to prove that they hold a key |
//! | `x-amop-sealed` | channel | `true` if payloads are sealed (docs/sealed-topics.md); the messages are what is inside |
//! | `x-amop-delivery` | operation, reply | `unicast` (to one subscriber), `multicast` (to all) |
//! | `x-amop-codec` | message | `protobuf`, `json`, `text` or `bytes` |
//! | `x-amop-message-type` | message | the protobuf message in the payload's schema that it is |
//!
//! ```
//! use amop_schema::{Schema, asyncapi};
//!
//! # fn describe(schema: &Schema) {
//! let topics: Vec<_> = schema.topics.iter().map(asyncapi::DeclaredTopic::from).collect();
//! let document = asyncapi::document(&topics, &asyncapi::Info::new("Settlement", "1.0.0"));
//! println!("{document:#}");
//! # }
//! ```

mod comments;
mod declared;
mod document;
mod json_schema;
mod proto_fields;
mod proto_text;

pub use declared::{Content, DeclaredTopic, Payload};
pub use document::document;
pub(crate) use json_schema::describe;

/// The comment above the message that a `.proto` text is about. AsyncAPI's own tools look for it, as does
/// everybody who reads the text.
pub(crate) const ROOT_MARK: &str = "// @RootNode";

/// Where a document's JSON schemas are, as a `$ref` names them.
pub(crate) const SCHEMAS: &str = "#/components/schemas/";

/// What a document says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// The title of the application.
    pub title: String,
    /// The version of what is described, not that of AsyncAPI.
    pub version: String,
    /// What it is for.
    pub description: Option<String>,
}

impl Info {
    /// An info without a description.
    pub fn new(title: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            version: version.into(),
            description: None,
        }
    }
}
