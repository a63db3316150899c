//! What tests with other languages' SDKs share: building and running their programs, and knowing
//! when a node knows what it must.
#![forbid(unsafe_code)]

mod build;
mod event;
mod java;
mod known;
mod program;
mod running;

pub use self::{
    event::Event,
    java::{Java, JavaSdks, Mode, SdkFiles},
    known::known_at,
    program::GoSdk,
    running::{Ended, Running, Running as Go},
};
