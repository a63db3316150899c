//! One connection with a 3.x node, from the end of TLS to its end.

use std::{net::SocketAddr, time::Duration};

use amop_proto::{
    gateway::{
        GatewayAddress, GatewayCloseReason,
        bridge::{GatewayConnectionId, GatewayRefusal},
    },
    log::{OneLine, with_causes},
};
use amop_tls::{AdmissionLapse, Admitted, Standing};
use rustls::pki_types::UnixTime;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::{sleep, timeout},
};

use super::{
    lists::GatewayKey,
    parts::Gateway,
    reading::{ReadEnd, read},
    room::{ConnectionSignals, GatewayRoom},
    writing::{write, write_rest},
};
use crate::{
    intake::IntakePort,
    journal::{Cause, LineKind},
    ports,
    supervise::{PanicReport, caught},
};

/// How often certificates are looked at for expiry.
const LOOK: Duration = Duration::from_secs(5);

/// How long a connection that is being closed may take to accept what was sent before.
const FLUSH: Duration = Duration::from_secs(2);

/// How a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayEnd {
    #[error("the lists of this gateway do not let this node in; its key is {0}")]
    Unlisted(String),
    #[error(transparent)]
    Refused(GatewayRefusal),
    #[error(transparent)]
    ByBridge(GatewayCloseReason),
    #[error(transparent)]
    Reading(ReadEnd),
    #[error(transparent)]
    Lapsed(AdmissionLapse),
    #[error("the node stops")]
    Shutdown,
    #[error(transparent)]
    Fault(PanicReport),
}

impl GatewayEnd {
    /// Returns whether it is a usual end, which is not worth a warning.
    fn is_usual(&self) -> bool {
        matches!(
            self,
            Self::Shutdown
                | Self::Refused(GatewayRefusal::Duplicate)
                // The chain's script lists each node among its own peers, too.
                | Self::Refused(GatewayRefusal::Itself)
                | Self::ByBridge(GatewayCloseReason::Peer | GatewayCloseReason::Transport { .. })
        )
    }
}

/// A connection that the bridge has. Dropping it ends the connection there, also after a panic.
struct Entered<'a> {
    room: &'a GatewayRoom,
    id: GatewayConnectionId,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let id = self.id;
        // The connection has ended unless its task was dropped or panicked. Only then are answers
        // for the machine lost.
        let ((), frames) = self.room.with(|bridge, now| bridge.close(now, id));
        self.room.lose(frames);
    }
}

impl Gateway {
    /// Runs a connection until it ends, and logs both.
    pub(super) async fn run(
        &self,
        stream: impl AsyncRead + AsyncWrite,
        node: GatewayAddress,
        admitted: Admitted,
        address: SocketAddr,
    ) -> GatewayEnd {
        let Admitted { info, standing, .. } = admitted;
        let name = OneLine::new(info.name.as_deref().unwrap_or("unnamed")).max(64);
        let (journal, cause) = (
            &self.context.core.journal,
            Cause::Address(ports::source(address.ip())),
        );
        let id = node.id();
        let opened = || {
            journal.info(
                LineKind::GatewayOpened,
                cause,
                format_args!(
                    "gateway connection with 3.x node {} at {address} ({name}) opened",
                    id.short()
                ),
            );
        };
        let running = self.run_unlogged(stream, node, standing, opened);
        let end = caught(running).await.unwrap_or_else(GatewayEnd::Fault);
        let text = format!(
            "gateway connection with 3.x node {} at {address} ({name}) ended: {}",
            id.short(),
            with_causes(&end)
        );
        match end.is_usual() {
            true => journal.info(LineKind::GatewayEnded, cause, text),
            false => journal.warn(LineKind::GatewayEnded, cause, text),
        }
        end
    }

    async fn run_unlogged(
        &self,
        stream: impl AsyncRead + AsyncWrite,
        node: GatewayAddress,
        standing: Standing,
        opened: impl FnOnce(),
    ) -> GatewayEnd {
        if !self.lists.admit(&node) {
            let key = GatewayKey::of(&node);
            return GatewayEnd::Unlisted(key.map_or_else(String::new, |key| key.to_string()));
        }
        let (id, signals, frames) = match self.room.connect(node) {
            Ok(connected) => connected,
            Err(refusal) => return GatewayEnd::Refused(refusal),
        };
        let entered = Entered {
            room: &self.room,
            id,
        };
        opened();
        self.room.hand_on(frames).await;
        let end = self.run_entered(id, &signals, stream, &standing).await;
        // The machine learns how its unicasts ended, before it may lose the peer.
        let ((), frames) = self.room.with(|bridge, now| bridge.close(now, id));
        self.room.hand_on(frames).await;
        drop(entered);
        match (signals.reason(), end) {
            (Some(GatewayCloseReason::Local) | None, end) => end,
            (Some(reason), _) => GatewayEnd::ByBridge(reason),
        }
    }

    async fn run_entered(
        &self,
        id: GatewayConnectionId,
        signals: &ConnectionSignals,
        stream: impl AsyncRead + AsyncWrite,
        standing: &Standing,
    ) -> GatewayEnd {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let share = self.context.intake.share(IntakePort::Nodes, standing);
        let end = tokio::select! {
            end = read(self, id, &share, &mut reader) => GatewayEnd::Reading(end),
            error = write(self, id, signals, &mut writer) => {
                let ((), frames) = self.room.with(|bridge, now| bridge.handle_io_error(now, id, &error));
                self.room.hand_on(frames).await;
                return GatewayEnd::Reading(ReadEnd::Closed);
            }
            lapse = self.lapse(standing) => {
                self.context.core.refusals.lapsed();
                GatewayEnd::Lapsed(lapse)
            }
            () = signals.ended.cancelled() => GatewayEnd::Reading(ReadEnd::Closed),
            () = self.context.stop.cancelled() => GatewayEnd::Shutdown,
        };
        let rest = async {
            if matches!(end, GatewayEnd::Shutdown) {
                // The machine's last answers come first.
                self.room.drained.cancelled().await;
                write_rest(self, id, &mut writer).await;
            }
            let _ = writer.shutdown().await;
        };
        let _ = timeout(FLUSH, rest).await;
        end
    }

    /// Returns why the neighbour's certificate is no longer accepted, once it is not.
    async fn lapse(&self, standing: &Standing) -> AdmissionLapse {
        loop {
            sleep(LOOK).await;
            if let Err(lapse) = self.verifier.still_admits(standing, UnixTime::now()) {
                return lapse;
            }
        }
    }
}
