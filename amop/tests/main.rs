//! Tests of what users of the crate write: codecs and macros.
#![forbid(unsafe_code)]

mod codecs;
mod derive;
mod derive_calls;
