//! Node machines in memory: SDK ends, peer links and time, all in the hands of a test.
//!
//! Everything a machine sends or is sent passes through the real codecs. Two rules are held for
//! every action of every test: none concerns a connection that is unknown or closed, and sessions
//! are paused and resumed in turns.
#![allow(dead_code, reason = "each test file uses a part of it")]

mod ends;
mod frames;
mod net;

#[allow(unused_imports, reason = "each test file uses a part of it")]
pub(crate) use self::{
    ends::{bad_messages, silent, topics_of},
    frames::*,
    net::{EPOCH, Link, Net, Sdk, config, node_id},
};
