//! What tests with other languages' SDKs share: building and running their programs, and knowing
//! when a node knows what it must.
#![forbid(unsafe_code)]

mod build;
mod event;
mod known;
mod program;

pub use self::{
    event::Event,
    known::known_at,
    program::{Ended, Go, GoSdk},
};
