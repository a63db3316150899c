//! Which SDKs and nodes a node admits, and for how long: lists that can be replaced while it runs,
//! and certificates that expire.

mod lists;
mod standings;

use std::{sync::PoisonError, time::Duration};

use amop_proto::node::{CertificateLapse, NodeEvent};
use amop_tls::{Admitted, Identity, PeerVerifier, Side, Standing, VerifyError};
use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::{sync::Notify, time::sleep};

pub use self::lists::{AccessLists, ReloadError, Reloaded};
pub(crate) use self::{
    lists::Loaded,
    standings::{ConnectionId, Standings},
};
use crate::core::Core;

/// How often expiry is checked at least, because the system clock may be set. A connection is
/// closed this long after its certificate expired at the latest.
const LOOK: Duration = Duration::from_secs(2);

/// Decides which SDKs and nodes this node admits.
#[derive(Debug)]
pub(crate) struct Access {
    /// The identities as configured, without revocation lists.
    p2p_identity: Identity,
    channel_identity: Identity,
    /// The verifiers for nodes and SDKs; they also apply the lists in force.
    pub(crate) peers: PeerVerifier,
    pub(crate) sdks: PeerVerifier,
    /// The verifier for SDKs on the port of 3.x, if it has TLS.
    pub(crate) v3: Option<PeerVerifier>,
    standings: std::sync::Mutex<Standings>,
    /// Notified when another certificate becomes the first to expire.
    first_changed: Notify,
}

impl Access {
    pub(crate) fn new(
        p2p_identity: Identity,
        channel_identity: Identity,
        peers: PeerVerifier,
        sdks: PeerVerifier,
    ) -> Self {
        Self {
            p2p_identity,
            channel_identity,
            peers,
            sdks,
            v3: None,
            standings: std::sync::Mutex::default(),
            first_changed: Notify::new(),
        }
    }

    /// Adds the verifier of the port for SDKs of 3.x.
    pub(crate) fn with_v3(mut self, verifier: Option<PeerVerifier>) -> Self {
        self.v3 = verifier;
        self
    }

    fn standings(&self) -> std::sync::MutexGuard<'_, Standings> {
        self.standings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn verifier(&self, link: ConnectionId) -> &PeerVerifier {
        match link {
            ConnectionId::Session(_) => &self.sdks,
            ConnectionId::V3Session(_) => self.v3.as_ref().unwrap_or(&self.sdks),
            ConnectionId::Peer(_) => &self.peers,
        }
    }

    /// Registers a connection that the machine knows. Closes it at once if lists that were loaded
    /// after its handshake refuse it.
    pub(crate) fn enter(&self, core: &Core, link: ConnectionId, standing: Standing) {
        // First register the connection, so that a reload sees it, then check it here: this way no
        // new list misses it.
        if self.standings().insert(link, standing.clone()) {
            self.first_changed.notify_one();
        }
        self.close(core, self.lapsed(link, &standing, UnixTime::now()));
    }

    /// Forgets a connection that ended.
    pub(crate) fn leave(&self, link: ConnectionId) {
        self.standings().remove(link);
    }

    /// Closes connections when their certificates expire; never returns.
    pub(crate) async fn watch(&self, core: &Core) {
        loop {
            let first = self.standings().first_expiry();
            let wait = first.map(|at| until(at, UnixTime::now()).min(LOOK));
            match wait {
                None => self.first_changed.notified().await,
                Some(wait) => {
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = self.first_changed.notified() => {}
                    }
                }
            }
            let now = UnixTime::now();
            let expired = self.standings().take_expired(now);
            let lapsed = expired
                .into_iter()
                .map(|(at, link)| (link, CertificateLapse::Expired { at }));
            self.close(core, lapsed);
        }
    }

    /// Puts lists in force, and closes the connections that they refuse.
    pub(crate) fn put(&self, core: &Core, loaded: Loaded) -> Reloaded {
        self.peers.replace_lists(&loaded.p2p, loaded.peers);
        self.sdks.replace_lists(&loaded.channel, loaded.sdks);
        let now = UnixTime::now();
        let lapsed: Vec<(ConnectionId, CertificateLapse)> = {
            let standings = self.standings();
            let all = standings.all();
            all.filter_map(|(link, standing)| self.lapsed(link, standing, now))
                .collect()
        };
        let of = |wanted: fn(&ConnectionId) -> bool| {
            lapsed.iter().filter(|(link, _)| wanted(link)).count()
        };
        let reloaded = Reloaded {
            sessions_closed: of(|link| !matches!(link, ConnectionId::Peer(_))),
            peers_closed: of(|link| matches!(link, ConnectionId::Peer(_))),
        };
        self.close(core, lapsed);
        reloaded
    }

    /// Returns both identities without any lists, to load new lists into.
    pub(crate) fn identities(&self) -> (Identity, Identity) {
        (self.p2p_identity.clone(), self.channel_identity.clone())
    }

    fn lapsed(
        &self,
        link: ConnectionId,
        standing: &Standing,
        now: UnixTime,
    ) -> Option<(ConnectionId, CertificateLapse)> {
        let lapse = match self.verifier(link).still_admits(standing, now).err()? {
            amop_tls::AdmissionLapse::Expired { at } => CertificateLapse::Expired { at },
            amop_tls::AdmissionLapse::Revoked => CertificateLapse::Revoked,
            _ => CertificateLapse::Unlisted,
        };
        Some((link, lapse))
    }

    fn close(
        &self,
        core: &Core,
        lapsed: impl IntoIterator<Item = (ConnectionId, CertificateLapse)>,
    ) {
        let events = lapsed.into_iter().map(|(link, lapse)| {
            core.refusals.lapsed();
            match link {
                ConnectionId::Session(id) | ConnectionId::V3Session(id) => {
                    NodeEvent::SessionLapsed(id, lapse)
                }
                ConnectionId::Peer(id) => NodeEvent::PeerLapsed(id, lapse),
            }
        });
        let events: Vec<NodeEvent> = events.collect();
        if !events.is_empty() {
            core.handle(events);
        }
    }
}

/// Returns the time until a certificate that expires at `at` becomes invalid. It is still valid
/// during that second.
fn until(at: i64, now: UnixTime) -> Duration {
    let over = u64::try_from(at.saturating_add(1)).unwrap_or(0);
    Duration::from_secs(over.saturating_sub(now.as_secs()))
}

/// Judges the certificates of a connection after its handshake, which costs no signature check.
pub(crate) fn admit(
    verifier: &PeerVerifier,
    certificates: Option<&[CertificateDer<'_>]>,
    peer: Side,
) -> Result<Admitted, VerifyError> {
    verifier.verify(certificates.unwrap_or_default(), peer, UnixTime::now())
}

#[cfg(test)]
mod tests;
