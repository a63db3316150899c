//! What a node knows of one SDK connection beyond its topics: version, activity.

use std::{collections::BTreeSet, time::Instant};

use bytes::Bytes;

use super::{Notice, SessionId};
use crate::{
    TopicError,
    channel::{ProtocolVersion, SetTopics},
};

/// One SDK connection, from TLS to its end.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// 1 until a handshake says otherwise.
    pub(super) version: ProtocolVersion,
    /// When something was last read or written.
    pub(super) active: Instant,
    /// The version of the node's topics that holds this session's latest change.
    pub(super) topics_version: u64,
}

impl Session {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            version: ProtocolVersion::V1,
            active: now,
            topics_version: 0,
        }
    }
}

/// Reads the body of a 0x32 frame: the new set, or `None` where the old one stays. What cannot be a
/// topic is left out; one notice tells of all of it, since a body may hold a million of them.
pub(super) fn read_topics(
    session: SessionId,
    body: &[u8],
    max: usize,
    mut notice: impl FnMut(Notice),
) -> Option<BTreeSet<Bytes>> {
    let SetTopics::Replace(names) = SetTopics::parse(body) else {
        notice(Notice::BadTopics { session });
        return None;
    };
    let mut topics = BTreeSet::new();
    let mut ignored: Option<(String, usize)> = None;
    for name in names {
        if topics.len() < max && TopicError::check(&name).is_ok() {
            topics.insert(Bytes::from(name));
        } else if !topics.contains(name.as_bytes()) {
            let first = || (name.chars().take(64).collect(), 0);
            ignored.get_or_insert_with(first).1 += 1;
        }
    }
    if let Some((topic, count)) = ignored {
        notice(Notice::TopicIgnored {
            session,
            topic,
            others: count - 1,
        });
    }
    Some(topics)
}
