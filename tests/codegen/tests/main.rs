//! What macros and build scripts accept and refuse. Tests that concern the root of a crate are in `roots/`.
#![forbid(unsafe_code)]

mod build_script;
mod describe;
mod macros;
mod names;
mod support;
mod ui;
mod users;
