//! Schemas that users may write, compiled by a build script as users do. The tests are in `tests/`.
//!
//! What is in this crate has comments of schemas: they are no tests of rustdoc's, and nothing that it warns of.
#![forbid(unsafe_code)]
#![deny(warnings)]

/// A schema with comments of all kinds.
#[allow(clippy::all)] // Names and comments are the schema's.
pub mod comments {
    include!(concat!(env!("OUT_DIR"), "/comments.rs"));
}
