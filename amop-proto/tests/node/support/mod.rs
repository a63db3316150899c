//! Node machines in memory: SDK ends, peer links and time, all in the hands of a test.
//!
//! Everything a machine sends or is sent passes through the real codecs. Two rules are held for
//! every action of every test: none concerns a connection that is unknown or closed, and sessions
//! are paused and resumed in turns.

mod ends;
mod frames;
mod net;

pub(crate) use self::{
    ends::{bad_messages, silent, topics_of},
    frames::*,
    net::{EPOCH, Link, Net, Sdk, config, node_id},
};
