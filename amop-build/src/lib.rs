//! Typed AMOP topics from `.proto` files, for `build.rs`.
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     amop_build::compile(&["proto/hello.proto"], &["proto"])?;
//!     Ok(())
//! }
//! ```
//!
//! ```proto
//! // proto/hello.proto
//! syntax = "proto3";
//! package demo;
//! import "amop/options.proto";
//!
//! // What the hello demos say to each other.
//! message Hello {
//!   option (amop.topic) = "hello";
//!   option (amop.codec) = TEXT;
//!
//!   // The greeting.
//!   string text = 1;
//! }
//! ```
//!
//! ```ignore
//! // src/lib.rs
//! pub mod demo {
//!     include!(concat!(env!("OUT_DIR"), "/demo.rs"));
//! }
//!
//! // anywhere
//! demo::Hello { text: "world".to_owned() }.publish_unicast(&client).await?;
//! ```
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
//! | `option (amop.topic) = "quote";` | the topic messages belong to | the message is no topic |
//! | `option (amop.reply) = "QuoteReply";` | the message that answers a unicast | no typed reply |
//! | `option (amop.codec) = JSON;` | how messages become payloads | `PROTOBUF` |
//! | `option (amop.private) = true;` | only subscribers with granted keys get the messages: the type has `subscribe_private` in place of `subscribe` | `false` |
//! | `option (amop.sealed) = true;` | messages are encrypted to chosen keys and signed: the type has `subscribe_sealed` in place of `subscribe`, and is published by way of an `amop::Sealer` | `false` |
//!
//! A reply travels as its topic's messages do, unless its own message has the option
//! `(amop.codec)`.
//!
//! # Codecs
//!
//! There is no envelope: payloads are what any protobuf library gives, in any language.
//!
//! - `PROTOBUF` is the wire format.
//! - `JSON` is the [JSON mapping](https://protobuf.dev/programming-guides/json/) of protobuf, as
//!   Google's libraries write and read it: names in lowerCamelCase, enums by name, 64-bit integers as
//!   strings, bytes as base64, fields with their default value left out, the types of
//!   `google.protobuf` in forms of their own. When reading, unknown members are skipped, so that a
//!   schema may gain fields as it may with `PROTOBUF`; unknown names of an enum's values are an error.
//!   What would not read as it was is refused when it is written. The types in such a message
//!   implement serde's traits in this shape, and [`Builder::json`] gives them to others.
//! - `TEXT` is the string itself, for messages with one plain `string` field.
//!
//! Types of `google.protobuf` need `prost-types` among the crate's dependencies, but for `Empty` and the
//! wrappers, which are `()` and Rust's own types. Floating-point numbers keep all their bits, -0.0 among
//! them.
//!
//! # Names
//!
//! Where a message has accessors by the names of a topic's functions, such as those of an enum field
//! `request`, they win: call `client.request(&message)` in place of `message.request(&client)`. Names that
//! would be the same in Rust are mistakes, with the place of the second, and so are names that Rust has no
//! place for. All others work, those of keywords and of Rust's own types included, as prost writes them:
//! `r#type`, `self_`.
//!
//! # Cargo
//!
//! Every file that was read is printed as `cargo:rerun-if-changed`, imports included, so Cargo runs
//! the build script again when one of them changes, and only then. Mistakes in a schema fail the
//! build; all are listed, each with its file, line and column.
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
pub use error::{Error, Unsupported};
pub use prost_build;

use std::path::Path;

/// A builder with all options at their defaults.
pub fn configure() -> Builder {
    Builder::new()
}

/// Compiles `.proto` files to Rust in Cargo's `OUT_DIR`, one file for each protobuf package:
/// `configure().compile(files, includes)`.
///
/// # Errors
///
/// See [`Builder::compile`].
pub fn compile(files: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<(), Error> {
    configure().compile(files, includes)
}
