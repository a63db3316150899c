//! AMOP topics as schemas: reads `.proto` files and finds the messages that are topics.
//!
//! A message is a topic if it has the option that `amop/options.proto` declares. That file is built
//! into this crate: schemas import it without a copy.
//!
//! ```proto
//! syntax = "proto3";
//! package demo;
//! import "amop/options.proto";
//!
//! message Hello {
//!   option (amop.topic) = "hello";
//!   option (amop.codec) = TEXT;
//!   string text = 1;
//! }
//! ```
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # std::fs::write(dir.path().join("hello.proto"), r#"
//! # syntax = "proto3";
//! # package demo;
//! # import "amop/options.proto";
//! # message Hello {
//! #   option (amop.topic) = "hello";
//! #   option (amop.codec) = TEXT;
//! #   string text = 1;
//! # }"#)?;
//! # std::env::set_current_dir(dir.path())?;
//! let schema = amop_schema::Schema::load(&["hello.proto"], &["."])?;
//! assert_eq!(schema.topics[0].topic, "hello");
//! assert_eq!(schema.topics[0].message.full_name(), "demo.Hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod asyncapi;
pub mod compat;
mod error;
mod load;
mod model;
pub mod rust_source;
mod utf8;

pub use amop_proto::{MAX_TOPIC_LEN, channel::MAX_PRIVATE_LEN};
pub use error::{SchemaError, SchemaErrorKind, SchemaErrors};
pub use load::{OPTIONS_PROTO, OPTIONS_PROTO_NAME};
pub use model::{Location, Schema, TopicCodec, TopicDecl};
pub use prost_reflect;
