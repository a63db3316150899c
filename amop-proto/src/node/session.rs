//! What a node knows of one SDK connection beyond its topics: version, activity.

use std::{collections::VecDeque, time::Instant};

use super::SessionIdentity;
use crate::channel::{Frame, ProtocolVersion};

/// One SDK connection, from TLS to its end.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// 1 until a handshake says otherwise.
    pub(super) version: ProtocolVersion,
    /// When something was last read or written.
    pub(super) active: Instant,
    /// The version of the node's topics that holds this session's latest change.
    pub(super) topics_version: u64,
    /// Who is behind it.
    pub(super) identity: SessionIdentity,
    /// It is one of our clients, whose `subscribe` waits for the answer to a heartbeat.
    pub(super) ours: bool,
    /// Answers to heartbeats that came behind a set of topics which is not in force yet.
    pub(super) held: VecDeque<Frame>,
    /// When they are given all the same.
    pub(super) held_until: Option<Instant>,
}

impl Session {
    pub(super) fn new(now: Instant, identity: SessionIdentity) -> Self {
        Self {
            version: ProtocolVersion::V1,
            active: now,
            topics_version: 0,
            identity,
            ours: false,
            held: VecDeque::new(),
            held_until: None,
        }
    }
}
