//! Tests of schemas: how they are read, compared and described.
#![forbid(unsafe_code)]

mod asyncapi;
mod asyncapi_parser;
mod compat;
mod compat_proof;
mod compat_support;
mod errors;
mod load;
