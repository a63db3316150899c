//! Typed publish/subscribe over AMOP, the messenger of FISCO BCOS.
#![forbid(unsafe_code)]

pub mod codec;
mod topic;

pub use codec::{Codec, CodecError};
pub use topic::{Request, Topic};
