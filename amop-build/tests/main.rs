//! Tests of generated code and of the errors that fail a build.
#![forbid(unsafe_code)]

mod errors;
mod golden_text;
mod golden_works;
mod options;
