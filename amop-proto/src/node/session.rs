//! The state of one SDK connection besides its topics: version, activity, held answers.

use std::{collections::VecDeque, time::Instant};

use super::SessionIdentity;
use crate::channel::{Frame, ProtocolVersion};

/// One SDK connection, from TLS to its end.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// The protocol version; 1 until a handshake changes it.
    pub(super) version: ProtocolVersion,
    /// The time of the last read or write.
    pub(super) active: Instant,
    /// The version of the node's topics that holds this session's latest change.
    pub(super) topics_version: u64,
    /// The key and agency behind the session.
    pub(super) identity: SessionIdentity,
    /// Whether the client is a native client, whose `subscribe` waits for the answer to a
    /// heartbeat.
    pub(super) native: bool,
    /// Answers to heartbeats that came after a set of topics that is not in force yet.
    pub(super) held: VecDeque<Frame>,
    /// The time when the held answers are sent even if the set is still not in force.
    pub(super) held_until: Option<Instant>,
}

impl Session {
    pub(super) fn new(now: Instant, identity: SessionIdentity) -> Self {
        Self {
            version: ProtocolVersion::V1,
            active: now,
            topics_version: 0,
            identity,
            native: false,
            held: VecDeque::new(),
            held_until: None,
        }
    }
}
