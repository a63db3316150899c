//! Tests of the generated topics, and of their bytes.
#![forbid(unsafe_code)]

mod declarations;
mod wire;
