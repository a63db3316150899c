//! The certificates of all connections, as far as later checks need them.

use std::collections::{BTreeSet, HashMap};

use amop_proto::node::{PeerId, SessionId};
use amop_tls::Standing;
use foldhash::fast::RandomState;
use rustls::pki_types::UnixTime;

/// A connection of either kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ConnectionId {
    Session(SessionId),
    /// A session of a 3.x SDK on the port for these, which has certificates of its own.
    V3Session(SessionId),
    Peer(PeerId),
}

/// The certificates of all connections. One timer serves all of them.
#[derive(Debug, Default)]
pub(crate) struct Standings {
    of: HashMap<ConnectionId, Standing, RandomState>,
    /// The connections by expiry, in seconds since 1970.
    due: BTreeSet<(i64, ConnectionId)>,
}

impl Standings {
    /// Adds a connection. Returns whether it is the first to expire.
    pub(crate) fn insert(&mut self, link: ConnectionId, standing: Standing) -> bool {
        let due = (standing.expires(), link);
        self.due.insert(due);
        self.of.insert(link, standing);
        self.due.first() == Some(&due)
    }

    pub(crate) fn remove(&mut self, link: ConnectionId) {
        if let Some(standing) = self.of.remove(&link) {
            self.due.remove(&(standing.expires(), link));
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (ConnectionId, &Standing)> {
        self.of.iter().map(|(&link, standing)| (link, standing))
    }

    /// Returns when the first of them expires.
    pub(crate) fn first_expiry(&self) -> Option<i64> {
        self.due.first().map(|&(at, _)| at)
    }

    /// Returns the connections that have expired, and when. Each is returned once.
    pub(crate) fn take_expired(&mut self, now: UnixTime) -> Vec<(i64, ConnectionId)> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let mut expired = Vec::new();
        while let Some(&(at, link)) = self.due.first()
            && at < now
        {
            self.due.pop_first();
            expired.push((at, link));
        }
        expired
    }
}

#[cfg(test)]
mod tests;
