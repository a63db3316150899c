//! A stream of frames to a node.

use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of frames to a node.
pub(crate) trait FrameStream: AsyncRead + AsyncWrite {
    /// Returns the number of bytes that the network has accepted, if the stream may take more than
    /// that: it grows while a long frame is on its way.
    fn accepted(&self) -> u64 {
        0
    }
}

#[cfg(test)]
impl FrameStream for tokio::io::DuplexStream {}
