//! Schemas that users may write, compiled by a build script as users do. The tests are in `tests/`.
//!
//! The items in this crate have the comments of schemas. These must not run as doctests or cause
//! rustdoc warnings.
#![forbid(unsafe_code)]
#![deny(warnings)]

/// A schema with comments of all kinds.
#[allow(clippy::all)] // Names and comments are the schema's.
pub mod comments {
    include!(concat!(env!("OUT_DIR"), "/comments.rs"));
}
