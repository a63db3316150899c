//! The life of an authenticated connection: the machine learns of it, it runs, it leaves.

use std::{
    net::{IpAddr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use amop_proto::{
    log::{OneLine, with_causes},
    node::{
        NodeEvent, PeerCloseReason, PeerId, PeerIdentity, SessionCloseReason, SessionId,
        SessionIdentity,
    },
    p2p::NodeId,
};
use amop_tls::{Admitted, PeerInfo, Standing};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    access::ConnectionId,
    context::NodeContext,
    core::CoreState,
    intake::IntakePort,
    journal::{Cause, LineKind},
    link::{self, Channel, P2p},
    link_end::LinkEnd,
    outbox::Outbox,
    ports,
    receive::{ChannelReading, PeerReading},
};

/// An SDK that is let in.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) id: SessionId,
    /// Its connection, by the port that it came to.
    pub(crate) link: ConnectionId,
    /// Its name, from its certificate.
    name: String,
    /// Who it counts for.
    pub(crate) identity: SessionIdentity,
    /// Its certificates; `None` on a port without TLS.
    standing: Option<Standing>,
    /// The kind of session, for the log.
    what: &'static str,
}

impl Visitor {
    /// Returns an SDK of 2.x.
    pub(crate) fn v2(id: SessionId, admitted: Admitted) -> Self {
        Self::of(id, ConnectionId::Session(id), admitted, "session")
    }

    /// Returns an SDK of 3.x, on the port for these or on the channel port.
    pub(crate) fn v3(id: SessionId, link: ConnectionId, admitted: Admitted) -> Self {
        Self::of(id, link, admitted, "3.x session")
    }

    fn of(id: SessionId, link: ConnectionId, admitted: Admitted, what: &'static str) -> Self {
        let Admitted { info, standing, .. } = admitted;
        Self {
            id,
            link,
            name: info.name.unwrap_or_else(|| "unnamed".to_owned()),
            identity: SessionIdentity {
                key: standing.key_digest(),
                agency: standing.agency_digest(),
            },
            standing: Some(standing),
            what,
        }
    }

    /// Returns an SDK of 3.x on a port without TLS. It counts for its address, and all such SDKs
    /// together count as one agency.
    pub(crate) fn plain(id: SessionId, address: SocketAddr) -> Self {
        let mut key = [0; 32];
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => key[..4].copy_from_slice(&ip.octets()),
            // A network of /64, which one machine usually has.
            IpAddr::V6(ip) => key[..8].copy_from_slice(&ip.octets()[..8]),
        }
        Self {
            id,
            link: ConnectionId::V3Session(id),
            name: "without a certificate".to_owned(),
            identity: SessionIdentity {
                key,
                agency: [0; 32],
            },
            standing: None,
            what: "3.x session",
        }
    }
}

/// Runs the connection of an SDK after TLS.
pub(crate) async fn run_session(
    context: &NodeContext,
    stream: impl AsyncRead + AsyncWrite,
    visitor: Visitor,
    address: SocketAddr,
) {
    let Visitor {
        id,
        link,
        name,
        identity,
        standing,
        what,
    } = visitor;
    let sha1 = |standing| context.access.sdks.signed_with_sha1(standing);
    let is_v2 = link == ConnectionId::Session(id);
    let by_sha1 = standing.as_ref().is_some_and(sha1) && is_v2;
    let share = context.intake.share_of_sdk(identity);
    let effort = context.efforts.session(identity);
    let outbox = Outbox::new(false);
    let signals = outbox.signals.clone();
    let entered = Entered::new(context, link, standing, |state| {
        state.sessions.insert(id, outbox);
        NodeEvent::SessionOpened {
            session: id,
            identity,
        }
    });
    let name = OneLine::new(name).max(64);
    let (journal, cause) = (
        &context.core.journal,
        Cause::Address(ports::source(address.ip())),
    );
    journal.info(
        LineKind::SessionOpened,
        cause,
        format_args!(
            "{what} {} from {address} ({name}, key {identity}) opened",
            id.0
        ),
    );
    if by_sha1 {
        journal.warn(
            LineKind::Sha1Signature,
            cause,
            format_args!(
                "session {} from {address} ({name}) signed its TLS handshake with SHA-1, as Java before 16 \
                 does with secp256k1 keys; sha1_client_signatures=false in [amop] would refuse it: see \
                 docs/security.md",
                id.0
            ),
        );
    }
    let reading = ChannelReading {
        core: &context.core,
        decoder: context.decoder,
        max_topics: context.machine_limits.session_topics,
        text: context
            .paces
            .of_one(share.party(id.0).key, context.machine_limits.session_text),
        effort,
    };
    let end = link::run(
        &context.core,
        (&Channel, reading),
        id,
        &signals,
        stream,
        (context.patience(), &share),
        &context.stop,
    )
    .await;
    drop(entered);
    match end {
        LinkEnd::Closed | LinkEnd::Shutdown | LinkEnd::ByMachine(SessionCloseReason::Stopping) => {
            journal.info(
                LineKind::SessionClosed,
                cause,
                format_args!("{what} {} closed: {}", id.0, with_causes(&end)),
            );
        }
        end => journal.warn(
            LineKind::SessionClosed,
            cause,
            format_args!(
                "{what} {} from {address} ({name}) closed: {}",
                id.0,
                with_causes(&end)
            ),
        ),
    }
}

/// Runs a peer connection after TLS, whichever side dialled.
pub(crate) async fn run_peer(
    context: &NodeContext,
    identity: PeerIdentity,
    standing: Standing,
    dialled: bool,
    stream: impl AsyncRead + AsyncWrite,
) -> LinkEnd<PeerCloseReason> {
    let peer: PeerId = context.core.next_peer();
    // FISCO nodes accept any number of frames in one read (p2p-v2 section 4.4).
    let outbox = Outbox::new(true);
    let signals = outbox.signals.clone();
    let share = context.intake.share(IntakePort::Nodes, &standing);
    let _entered = Entered::new(context, ConnectionId::Peer(peer), Some(standing), |state| {
        state.peers.insert(peer, outbox);
        NodeEvent::PeerOpened {
            peer,
            identity,
            dialled,
        }
    });
    let fragment_time = context.limits.fragment_time;
    let reading = PeerReading::new(
        (&context.core, peer),
        context.codec,
        share.clone(),
        fragment_time,
        (context.checker.clone(), context.checking.clone()),
    );
    link::run(
        &context.core,
        (&P2p(context.codec), reading),
        peer,
        &signals,
        stream,
        (context.patience(), &share),
        &context.stop,
    )
    .await
}

/// A connection that the machine knows. Dropping it tells the machine that it ended, so that a
/// connection whose task panics is not left behind.
struct Entered<'a> {
    context: &'a NodeContext,
    link: ConnectionId,
}

impl<'a> Entered<'a> {
    fn new(
        context: &'a NodeContext,
        link: ConnectionId,
        standing: Option<Standing>,
        open: impl FnOnce(&mut CoreState) -> NodeEvent,
    ) -> Self {
        // Create this first, because the steps below may log and panic.
        let entered = Self { context, link };
        context.core.handle_with(|state| [open(state)]);
        if let Some(standing) = standing {
            context.access.enter(&context.core, link, standing);
        }
        entered
    }

    fn leave(&self) {
        let NodeContext { core, access, .. } = self.context;
        access.leave(self.link);
        core.handle_with(|state| match self.link {
            ConnectionId::Session(id) | ConnectionId::V3Session(id) => {
                state.sessions.remove(&id);
                [NodeEvent::SessionClosed(id)]
            }
            ConnectionId::Peer(id) => {
                state.peers.remove(&id);
                [NodeEvent::PeerClosed(id)]
            }
        });
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        match thread::panicking() {
            // A second panic that escaped from here would abort the process.
            true => drop(catch_unwind(AssertUnwindSafe(|| self.leave()))),
            false => self.leave(),
        }
    }
}

/// Returns a peer's identity from its certificate.
pub(crate) fn identify(
    info: PeerInfo,
    standing: &Standing,
    address: SocketAddr,
) -> Option<PeerIdentity> {
    let Some(key) = info.public_key else {
        // The verifier requires one, so this does not happen.
        tracing::warn!("the certificate of the node at {address} gives no node ID");
        return None;
    };
    Some(PeerIdentity {
        node: NodeId(key.0),
        name: info.name.unwrap_or_default(),
        agency: info.agency.unwrap_or_default(),
        authority: standing.agency_digest(),
        address: address.to_string(),
        new_seqs: false,
    })
}
