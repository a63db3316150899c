//! Sessions of SDKs of FISCO BCOS 3.x: the WebSocket upgrade, and the translator between the SDK and
//! the node.

mod bridge;
mod budget;
mod plain;
mod prefixed;

use std::{io, net::SocketAddr, time::Duration};

use amop_proto::log::with_causes;
use amop_ws::{BridgeStream, UpgradeError, WsLimits, WsSide, accept};
use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    time::timeout,
};

use self::{bridge::JournalledBridge, budget::SessionBudget};
pub(crate) use self::{plain::serve_plain, prefixed::Prefixed};
use crate::{
    connection::{Visitor, run_session},
    context::NodeContext,
    journal::{Cause, LineKind},
    ports,
};

/// The first bytes of an SDK of 3.x. No frame of 2.x begins like this: it would be longer than 1 GB.
pub(crate) const GET: &[u8; 4] = b"GET ";

/// How long the channel port waits for the first bytes of an SDK that may be of either generation. An
/// SDK of 3.x sends its request at once.
const QUIET: Duration = Duration::from_secs(1);

/// Reads as many bytes as tell the generations apart. An SDK that sends nothing is of 2.x; how its
/// connection ends is found out later.
pub(crate) async fn first_bytes(stream: &mut (impl AsyncRead + Unpin)) -> Bytes {
    let mut first = [0; GET.len()];
    let mut len = 0;
    while len < first.len() && first[..len] == GET[..len] {
        match timeout(QUIET, stream.read(&mut first[len..])).await {
            Ok(Ok(read @ 1..)) => len += read,
            _ => break,
        }
    }
    Bytes::copy_from_slice(&first[..len])
}

/// Does the upgrade within the time that a handshake may take. Returns the bytes that follow it.
pub(crate) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    context: &NodeContext,
    stream: &mut S,
    first: &[u8],
) -> Result<Bytes, UpgradeError> {
    let patience = context.limits.handshake_time;
    let late = |_| {
        let text = format!("it did not finish within {} s", patience.as_secs_f64());
        UpgradeError::Io(io::Error::new(io::ErrorKind::TimedOut, text))
    };
    timeout(patience, accept(stream, first))
        .await
        .map_err(late)?
}

/// Logs and counts a connection that did not become a WebSocket connection.
pub(crate) fn refused(context: &NodeContext, address: SocketAddr, error: &UpgradeError) {
    let core = &context.core;
    let cause = Cause::Address(ports::source(address.ip()));
    let text = format!("3.x SDK at {address} refused: {}", with_causes(error));
    if matches!(error, UpgradeError::Closed) {
        return core.journal.debug(LineKind::UpgradeRefused, cause, text);
    }
    core.refusals.upgrade_refused();
    core.journal.warn(LineKind::UpgradeRefused, cause, text);
}

/// Runs the connection of an SDK of 3.x after the upgrade.
pub(crate) async fn run_upgraded<S: AsyncRead + AsyncWrite + Unpin>(
    context: &NodeContext,
    stream: S,
    visitor: Visitor,
    address: SocketAddr,
    rest: &[u8],
) {
    let bridge = match JournalledBridge::new(context, visitor.id, address) {
        Ok(bridge) => bridge,
        Err(error) => {
            return tracing::error!("3.x SDK at {address} cannot be served: {error}");
        }
    };
    let budget = SessionBudget::new(context, visitor.id.0, visitor.identity);
    let limits = WsLimits::default().with(|limits| {
        limits.grace = context.limits.frame_time;
        limits.rate = context.limits.frame_rate;
    });
    let stream = BridgeStream::with_budget(stream, WsSide::Server, bridge, rest, (limits, budget));
    run_session(context, Box::new(stream), visitor, address).await;
}
