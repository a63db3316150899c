//! Node machines in memory: their configurations, and the frames and records that tests make for them.
//!
//! The machines have keys of [`SharedSecret`](amop_proto::p2p::mesh::SharedSecret) instead of certificates.

mod config;
mod frames;
mod verifier;

pub use self::{
    config::{EPOCH, agreement, config},
    frames::{Claim, extension, frame, records},
    verifier::Gullible,
};
