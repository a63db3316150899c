//! Helpers that the tests with other SDKs share: they build and run the SDKs' programs, and wait
//! until a node knows its peers' subscribers.
#![forbid(unsafe_code)]

mod build;
mod event;
mod java;
mod known;
mod program;
mod running;
mod sdk3;

pub use self::{
    event::Event,
    java::{Java, JavaSdks, Mode, SdkFiles},
    known::known_at,
    program::GoSdk,
    running::{Ended, Running, Running as Go},
    sdk3::Sdk3,
};
