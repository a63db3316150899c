//! Node machines in memory; a test controls SDK ends, peer links and time.
//!
//! All input and output of a machine passes through the real codecs. Two rules are checked for
//! every action in every test: no action refers to an unknown or closed connection, and sessions
//! are paused and resumed alternately.

mod ends;
mod frames;
mod net;

pub(crate) use amop_testkit::machines::{EPOCH, extension, frame as peer_frame};

pub(crate) use self::{
    ends::{bad_messages, silent, topics_of},
    frames::*,
    net::{Link, Net, Sdk, config, node_id},
};
