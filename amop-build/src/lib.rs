#![doc = include_str!("../README.md")]
//!
//! Messages become structs as [prost-build](prost_build) makes them. Those with the option
//! `(amop.topic)` also get `#[derive(amop::AmopTopic)]`, and with it the functions of typed topics:
//! `publish_unicast`, `publish_multicast`, `subscribe`, and `request` if they name a reply. No
//! `protoc` is needed: the compiler is part of this crate, and so are `amop/options.proto` and
//! `google/protobuf/*.proto`.
//!
//! # Options of messages
//!
//! | option | meaning | default |
//! | --- | --- | --- |
//! | `option (amop.topic) = "quote";` | the topic of the messages | the message is not a topic |
//! | `option (amop.reply) = "QuoteReply";` | the message that answers a unicast | no typed reply |
//! | `option (amop.codec) = JSON;` | how messages become payloads | `PROTOBUF` |
//! | `option (amop.private) = true;` | only subscribers with granted keys get the messages: the type has `subscribe_private` instead of `subscribe` | `false` |
//! | `option (amop.sealed) = true;` | messages are encrypted to chosen keys and signed: the type has `subscribe_sealed` instead of `subscribe`, and is published through an `amop::Sealer` | `false` |
//!
//! A reply uses the codec of its topic's message, unless the reply's own message has the option
//! `(amop.codec)`.
//!
//! # Codecs
//!
//! There is no envelope: payloads are the bytes that any protobuf library produces, in any
//! language.
//!
//! - `PROTOBUF` is the wire format.
//! - `JSON` is the [JSON mapping](https://protobuf.dev/programming-guides/json/) of protobuf, as
//!   Google's libraries write and read it: names in lowerCamelCase, enums by name, 64-bit integers
//!   as strings, bytes as base64, fields with their default value omitted, and special forms for
//!   the types of `google.protobuf`. Readers skip unknown members, so a schema may get new fields,
//!   as with `PROTOBUF`; unknown names of an enum's values are an error. Writing fails if the value
//!   would not be read back unchanged. The types in such a message implement serde's traits in this
//!   shape, and [`Builder::json`] gives these traits to other messages.
//! - `TEXT` is the string itself, for messages with one plain `string` field.
//!
//! Types of `google.protobuf` need `prost-types` in the crate's dependencies, except for `Empty`
//! and the wrappers, which are `()` and built-in Rust types. Floating-point numbers keep all their
//! bits, including -0.0.
//!
//! # Names
//!
//! If a message has an accessor with the name of a topic function, for example for an enum field
//! `request`, the accessor is used: call `client.request(&message)` instead of
//! `message.request(&client)`. Names that would be the same in Rust are errors, reported at the
//! second one, and so are names that are not possible in Rust. All other names work, including
//! keywords and the names of Rust's own types, in the form that prost writes: `r#type`, `self_`.
//!
//! # Cargo
//!
//! Every file that was read, including imports, is printed as `cargo:rerun-if-changed`, so Cargo
//! runs the build script again only when one of them changes. Mistakes in a schema fail the build;
//! all are listed, each with its file, line and column.
#![forbid(unsafe_code)]

mod assemble;
mod builder;
mod clashes;
mod defaults;
mod docs;
mod error;
mod files;
mod fit;
mod json;
mod names;
mod structs;

pub use amop_schema;
pub use builder::Builder;
pub use error::{BuildError, Unsupported};
pub use prost_build;

use std::path::Path;

/// Returns a builder with all options at their defaults.
pub fn configure() -> Builder {
    Builder::new()
}

/// Compiles `.proto` files to Rust in Cargo's `OUT_DIR`, one file for each protobuf package:
/// `configure().compile(files, includes)`.
///
/// # Errors
///
/// See [`Builder::compile`].
pub fn compile(
    files: &[impl AsRef<Path>],
    includes: &[impl AsRef<Path>],
) -> Result<(), BuildError> {
    configure().compile(files, includes)
}
