//! A stream of frames to a node of either generation.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use amop_proto::ws::{bridge::NodeBridge, client::WsClientConfig};
use amop_ws::{BridgeStream, WsLimits, WsSide};
use rand::random;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::dialer::{Budget, DialWay};
use crate::{ConnectError, ConnectStage, Generation, connection::FrameStream};

/// Longer than any connection is silent.
const NO_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A connection to a node, as a stream of frames of 2.x.
#[derive(Debug)]
pub(crate) enum NodeStream<S> {
    /// The node speaks 2.x itself.
    V2(S),
    /// The frames are translated.
    V3(Box<BridgeStream<S, NodeBridge>>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> NodeStream<S> {
    /// Makes a connection one that carries frames. A node of 3.x is asked for a WebSocket; of a
    /// node of 2.x nothing is asked yet.
    pub(crate) async fn start(
        mut stream: S,
        endpoint: &str,
        way: DialWay,
        budget: &Budget,
    ) -> Result<Self, ConnectError> {
        if way.generation == Generation::V2 {
            return Ok(Self::V2(stream));
        }
        let upgrade = amop_ws::connect(&mut stream, endpoint);
        let upgraded = budget
            .limited(way.patience)
            .spend(ConnectStage::Upgrade, upgrade)
            .await?;
        let rest = upgraded.map_err(|source| ConnectError::Upgrade {
            endpoint: endpoint.to_owned(),
            source,
        })?;
        // The budget is exhausted first, and that error names the step.
        let config = WsClientConfig::default().with(|config| {
            config.handshake_timeout = budget.after();
            // The session of 2.x above notices silence. It knows of bytes that are still accepted.
            config.silence = NO_LIMIT;
        });
        let bridge = NodeBridge::with_config(config, random(), Instant::now().into_std());
        let limits = WsLimits::default();
        let stream = BridgeStream::new(stream, WsSide::Client, bridge, &rest, limits);
        Ok(Self::V3(Box::new(stream)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FrameStream for NodeStream<S> {
    fn accepted(&self) -> u64 {
        match self {
            Self::V2(_) => 0,
            Self::V3(stream) => stream.bytes_sent(),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for NodeStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::V2(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::V3(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for NodeStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::V2(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::V3(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::V2(stream) => Pin::new(stream).poll_flush(cx),
            Self::V3(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::V2(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::V3(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
