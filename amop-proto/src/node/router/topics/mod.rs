//! Which topics sessions and other nodes have, and how changes of them come into force.

mod applying;
mod changes;
mod peer_lists;
mod peers;
mod remotes;
mod routes;
mod sets;
mod table;
mod turns;
mod verdicts;
mod verifications;
mod wanted;
mod weighted;

use std::time::Instant;

use bytes::Bytes;

use self::{
    changes::Changes, peer_lists::PeerLists, routes::NEED_VERIFY, verifications::Verifications,
};
pub(super) use self::{
    changes::rate_of_session,
    routes::routes,
    table::{SubscriberTable, TopicSubscribers},
    wanted::WantedTopics,
};
use super::ends::Remote;
use crate::node::{Limits, sooner};

/// The prefix of topics that serve private topics (channel-v2 section 9).
pub(super) const PRIVATE: &[u8] = b"#!$";

/// The topics of sessions and of other nodes.
#[derive(Debug, Clone)]
pub(super) struct Topics {
    /// The subscribers of each topic.
    pub(super) table: SubscriberTable,
    /// Changes of sessions' topics that wait.
    changes: Changes,
    /// Lists of FISCO nodes that are not in force yet.
    peer_lists: PeerLists,
    /// Which nodes may be sent private topics.
    verifications: Verifications,
    /// Whether the topics announced to participating FISCO nodes may have changed, other than by
    /// this node's own topics.
    pub(super) border_changed: bool,
    /// The number of topics that a session may have.
    session_topics: usize,
}

impl Topics {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            table: SubscriberTable::default(),
            changes: Changes::new(limits),
            peer_lists: PeerLists::default(),
            verifications: Verifications::default(),
            border_changed: false,
            session_topics: limits.session_topics,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
            && self.changes.is_empty()
            && self.peer_lists.is_empty()
            && self.verifications.is_empty()
    }

    /// Returns whether there is no change to tell others of.
    pub(super) fn is_still(&self) -> bool {
        self.changes.is_still() && self.table.is_still() && !self.border_changed
    }

    /// Returns when work must be continued, or a publisher asked again.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let changes = sooner(self.changes.next_timeout(), self.peer_lists.next_timeout());
        sooner(changes, self.verifications.next_timeout())
    }

    /// Returns whether the list of a FISCO node must be continued.
    pub(super) fn peer_lists_due(&self, now: Instant) -> bool {
        self.peer_lists.next_timeout().is_some_and(|at| at <= now)
    }

    /// Returns whether a topic of another node is shown: private topics for which it is not
    /// verified are not.
    pub(super) fn is_shown(&self, topic: &Bytes, remote: Remote) -> bool {
        !topic.starts_with(NEED_VERIFY) || self.verifications.is_verified(topic, remote)
    }
}
