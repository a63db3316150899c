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
mod payload;
mod proto_file;
mod proto_text;

pub use declared::{DeclaredTopic, Payload};
pub use document::{DocumentInfo, document};
pub use payload::PayloadSchema;
