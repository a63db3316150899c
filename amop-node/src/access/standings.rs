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
mod tests {
    use std::time::{Duration, SystemTime};

    use amop_tls::{
        Identity, PeerOptions, Side,
        pki::{Agency, Authority, Leaf, Validity},
    };
    use rustls::pki_types::{CertificateDer, pem::PemObject};

    use super::*;

    /// Returns the standing of a node whose certificate is valid for `seconds` more seconds.
    fn standing(agency: &Agency, seconds: u64) -> Standing {
        let now = SystemTime::now();
        let validity = Validity {
            not_before: now - Duration::from_secs(60),
            not_after: now + Duration::from_secs(seconds),
        };
        let issued = agency.issue_with(Leaf::Node, "node", validity).unwrap();
        let identity = Identity::from_pem(
            issued.cert_pem.as_bytes(),
            issued.key_pem.as_bytes(),
            agency.root_pem().as_bytes(),
        )
        .unwrap();
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(issued.cert_pem.as_bytes())
                .collect::<Result<_, _>>()
                .unwrap();
        let verifier = identity.verifier_of_peers(PeerOptions::default()).unwrap();
        let admitted = verifier.verify(&chain, Side::Client, UnixTime::now());
        admitted.unwrap().standing
    }

    #[test]
    fn they_expire_in_order_and_once() {
        let agency = Authority::new_ec("chain").unwrap().agency("a").unwrap();
        let (session, peer) = (
            ConnectionId::Session(SessionId(1)),
            ConnectionId::Peer(PeerId(1)),
        );
        let gone = ConnectionId::Session(SessionId(2));
        let mut standings = Standings::default();
        assert_eq!(standings.first_expiry(), None);
        assert!(standings.insert(session, standing(&agency, 200)));
        assert!(standings.insert(peer, standing(&agency, 100)));
        assert!(!standings.insert(gone, standing(&agency, 150)));
        standings.remove(gone);
        let first = standings.first_expiry().unwrap();
        let at = |seconds: i64| {
            let seconds = u64::try_from(first + seconds).unwrap();
            UnixTime::since_unix_epoch(Duration::from_secs(seconds))
        };
        assert_eq!(standings.take_expired(at(0)), []);
        assert_eq!(standings.take_expired(at(1)), [(first, peer)]);
        assert_eq!(standings.take_expired(at(1)), []);
        assert_eq!(standings.all().count(), 2);
        assert_eq!(standings.take_expired(at(1000)), [(first + 100, session)]);
        assert_eq!(standings.first_expiry(), None);
        for link in [session, peer] {
            standings.remove(link);
        }
        assert_eq!(standings.all().count(), 0);
    }
}
