//! Bounded searches, and tests of how states are told apart.
#![forbid(unsafe_code)]

mod digest;
mod quick;
