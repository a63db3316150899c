//! What the TLS ports serve: SDKs of one generation or of both, and other nodes.

use std::sync::Arc;

use amop_proto::log::with_causes;
use amop_tls::Admitted;
use amop_ws::UpgradeError;
use bytes::Bytes;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::server::TlsStream;

use crate::{
    accept::{AcceptingPort, Arrived, Service},
    access::ConnectionId,
    connection::{Visitor, identify, run_peer, run_session},
    context::NodeContext,
    journal::{Cause, LineKind},
    ports::{self, Door},
    tcp::Tcp,
    v3::{GET, Prefixed, first_bytes, run_upgraded, upgrade},
};

/// The generations of SDKs that a port serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generations {
    /// 2.x, on the channel port.
    V2,
    /// Both, on the channel port.
    Both,
    /// 3.x, on a port of its own.
    V3,
}

/// Serves SDKs until the node stops.
pub(crate) async fn serve_sdks(
    context: NodeContext,
    generations: Generations,
    door: Arc<Door>,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
) {
    let (access, limits) = (&context.access, &context.limits);
    let (name, verifier) = match generations {
        Generations::V2 | Generations::Both => ("the port for SDKs", None),
        Generations::V3 => ("the port for SDKs of 3.x", access.v3.as_ref()),
    };
    let verifier = verifier.unwrap_or(&access.sdks).clone();
    let port = AcceptingPort::new(door, tls, verifier, (limits, limits.sessions), |refusals| {
        &refusals.sessions_turned_away
    });
    port.run(name, context, listener, generations).await;
}

/// What an SDK sends first.
pub(crate) enum SdkBeginning {
    /// These bytes, which are not a request of 3.x.
    V2(Bytes),
    /// The request for the upgrade, and these bytes behind it.
    V3(Bytes),
}

impl Service for Generations {
    type Beginning = SdkBeginning;

    async fn begin(
        &self,
        context: &NodeContext,
        stream: &mut TlsStream<Tcp>,
    ) -> Result<SdkBeginning, UpgradeError> {
        let first = match self {
            Self::V2 => return Ok(SdkBeginning::V2(Bytes::new())),
            Self::Both => first_bytes(stream).await,
            Self::V3 => Bytes::new(),
        };
        if *self == Self::Both && first != GET[..] {
            return Ok(SdkBeginning::V2(first));
        }
        let rest = upgrade(context, stream, &first).await?;
        Ok(SdkBeginning::V3(rest))
    }

    async fn serve(
        self,
        context: NodeContext,
        stream: TlsStream<Tcp>,
        arrived: Arrived<SdkBeginning>,
    ) {
        let Arrived {
            admitted,
            address,
            beginning,
        } = arrived;
        let id = context.core.next_session();
        // Boxed, so that a session takes the memory of its own generation only; the streams too, because
        // each call that hands one on has room for it.
        match beginning {
            SdkBeginning::V2(first) => {
                let stream = Box::new(Prefixed::new(first, stream));
                let visitor = Visitor::v2(id, admitted);
                Box::pin(run_session(&context, stream, visitor, address)).await;
            }
            SdkBeginning::V3(rest) => {
                let link = match self {
                    Self::V3 => ConnectionId::V3Session(id),
                    Self::V2 | Self::Both => ConnectionId::Session(id),
                };
                let visitor = Visitor::v3(id, link, admitted);
                let stream = Box::new(stream);
                Box::pin(run_upgraded(&context, stream, visitor, address, &rest)).await;
            }
        }
    }
}

/// Serves other nodes until the node stops.
pub(crate) async fn serve_p2p(
    context: NodeContext,
    door: Arc<Door>,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
) {
    let (verifier, limits) = (context.access.peers.clone(), &context.limits);
    let port = AcceptingPort::new(door, tls, verifier, (limits, limits.peers), |refusals| {
        &refusals.peers_turned_away
    });
    port.run("the port for nodes", context, listener, Nodes)
        .await;
}

/// Other nodes of the 2.x chain.
#[derive(Debug, Clone, Copy)]
struct Nodes;

impl Service for Nodes {
    type Beginning = ();

    async fn begin(&self, _: &NodeContext, _: &mut TlsStream<Tcp>) -> Result<(), UpgradeError> {
        Ok(())
    }

    async fn serve(self, context: NodeContext, stream: TlsStream<Tcp>, arrived: Arrived<()>) {
        let (address, Admitted { info, standing, .. }) = (arrived.address, arrived.admitted);
        let Some(identity) = identify(info, &standing, address) else {
            return;
        };
        let node = identity.node;
        let end = run_peer(&context, identity, standing, false, stream).await;
        context.core.journal.info(
            LineKind::PeerEnded,
            Cause::Address(ports::source(address.ip())),
            format_args!(
                "connection from node {} at {address} ended: {}",
                node.short(),
                with_causes(&end)
            ),
        );
    }
}
