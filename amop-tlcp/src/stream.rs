//! Connections over tokio.
//!
//! [`connect`] and [`accept`] do the handshake and return a [`TlcpStream`], which is read and
//! written like a socket. Time and randomness come from the system.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use amop_tlcp::{Config, Flavour, TlcpIdentity, stream};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! # use amop_tlcp::{PeerCertificates, PeerKeys, CertificateRefusal, CertificateVerifier};
//! # macro_rules! file { ($name:literal) => { include_str!(concat!("../tests/data/v2/", $name)) } }
//! # struct Anybody;
//! # impl CertificateVerifier for Anybody {
//! #     fn verify(&self, peer: &PeerCertificates, _: std::time::SystemTime) -> Result<PeerKeys, CertificateRefusal> {
//! #         peer.public_keys()
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sdk = TlcpIdentity::from_pem(
//!     file!("sdk/gmsdk.crt"), file!("sdk/gmsdk.key"),
//!     file!("sdk/gmensdk.crt"), file!("sdk/gmensdk.key"),
//! )?;
//! let node = TlcpIdentity::from_pem(
//!     file!("node0/gmnode.crt"), file!("node0/gmnode.key"),
//!     file!("node0/gmennode.crt"), file!("node0/gmennode.key"),
//! )?;
//! let config = |identity| Arc::new(Config::new(Flavour::Tls12Sm, identity, Arc::new(Anybody)));
//! let (near, far) = tokio::io::duplex(64 * 1024);
//! let patience = Duration::from_secs(10);
//! let (client, server) = tokio::join!(
//!     stream::connect(config(sdk), near, patience),
//!     stream::accept(config(node), far, patience),
//! );
//! let (mut client, mut server) = (client?, server?);
//!
//! client.write_all(b"hello").await?;
//! client.shutdown().await?;
//! let mut text = String::new();
//! server.read_to_string(&mut text).await?;
//! assert_eq!(text, "hello");
//! # Ok(())
//! # }
//! ```

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Config, TlcpConnection, TlcpError};

/// The number of bytes that are read from the socket at a time.
const CHUNK: usize = 8_192;

/// Why a handshake over a socket failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The socket failed.
    #[error("the connection failed during the handshake")]
    Io(#[from] io::Error),
    /// The handshake failed.
    #[error(transparent)]
    Protocol(#[from] TlcpError),
    /// The handshake took too long.
    #[error(
        "the handshake did not finish within {0:?}; check that the peer speaks this protocol at this port, and that \
         it is not overloaded"
    )]
    Timeout(Duration),
}

/// A connection over `IO`, after its handshake.
///
/// Reading returns the end of the stream only after the peer's close_notify; a connection that was
/// cut is an error of the kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof). Other failures of
/// the protocol are errors of the kind [`InvalidData`](io::ErrorKind::InvalidData), with an
/// [`TlcpError`] inside.
///
/// Written data may wait in the stream, at most 64 KiB, until it is flushed or more is written.
/// Shut the stream down after the last data; otherwise the peer cannot distinguish the end from a
/// cut.
///
/// Reading and writing are cancel safe, as they are for tokio's own sockets.
#[derive(Debug)]
pub struct TlcpStream<IO> {
    io: IO,
    connection: TlcpConnection,
    /// The bytes after the record that is being read.
    leftover: Vec<u8>,
    /// The number of these bytes that have been used.
    taken: usize,
}

/// Does the handshake as the client.
///
/// # Cancel safety
///
/// `io` is closed when the future is dropped.
///
/// # Errors
///
/// If the handshake fails or takes longer than `patience`. The peer has been sent an alert, if
/// there is one for the error.
pub async fn connect<IO: AsyncRead + AsyncWrite + Unpin>(
    config: Arc<Config>,
    io: IO,
    patience: Duration,
) -> Result<TlcpStream<IO>, StreamError> {
    let connection = TlcpConnection::client(config, UnwrapErr(SysRng));
    TlcpStream::handshake(connection, io, patience).await
}

/// Does the handshake as the server.
///
/// # Cancel safety
///
/// `io` is closed when the future is dropped.
///
/// # Errors
///
/// Those of [`connect`].
pub async fn accept<IO: AsyncRead + AsyncWrite + Unpin>(
    config: Arc<Config>,
    io: IO,
    patience: Duration,
) -> Result<TlcpStream<IO>, StreamError> {
    let connection = TlcpConnection::server(config, UnwrapErr(SysRng));
    TlcpStream::handshake(connection, io, patience).await
}

impl<IO> TlcpStream<IO> {
    /// Returns the protocol's state, which includes the peer's identity.
    pub fn connection(&self) -> &TlcpConnection {
        &self.connection
    }

    /// Returns the underlying stream.
    pub fn get_ref(&self) -> &IO {
        &self.io
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> TlcpStream<IO> {
    async fn handshake(
        connection: TlcpConnection,
        io: IO,
        patience: Duration,
    ) -> Result<Self, StreamError> {
        let mut stream = Self {
            io,
            connection,
            leftover: Vec::new(),
            taken: 0,
        };
        match tokio::time::timeout(patience, stream.finish_handshake()).await {
            Ok(Ok(())) => Ok(stream),
            Ok(Err(e)) => Err(e),
            Err(_) => Err(StreamError::Timeout(patience)),
        }
    }

    async fn finish_handshake(&mut self) -> Result<(), StreamError> {
        loop {
            poll_fn(|cx| self.poll_flush_all(cx)).await?;
            if !self.connection.is_handshaking() {
                return Ok(());
            }
            if let Err(error) = poll_fn(|cx| self.poll_receive(cx)).await? {
                // It is worth waiting until the alert is sent; the caller's `patience` limits the
                // time.
                let _ = poll_fn(|cx| self.poll_flush_all(cx)).await;
                return Err(error.into());
            }
        }
    }

    /// Takes one chunk from the socket, or the rest of the last one. The inner error is the
    /// protocol's.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Result<(), TlcpError>>> {
        if self.taken < self.leftover.len() {
            let rest = &self.leftover[self.taken..];
            let result = self.connection.receive(SystemTime::now(), rest);
            self.taken += *result.as_ref().unwrap_or(&0);
            if self.taken == self.leftover.len() {
                // An idle connection holds no buffer.
                self.leftover = Vec::new();
                self.taken = 0;
            }
            return Poll::Ready(Ok(result.map(|_| ())));
        }
        let mut chunk = [0; CHUNK];
        let mut chunk = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut chunk))?;
        let chunk = chunk.filled();
        if chunk.is_empty() {
            return Poll::Ready(Ok(self.connection.end_of_input()));
        }
        let result = self.connection.receive(SystemTime::now(), chunk);
        if let Ok(taken) = result
            && taken < chunk.len()
        {
            self.leftover = chunk[taken..].to_vec();
            self.taken = 0;
        }
        Poll::Ready(Ok(result.map(|_| ())))
    }

    /// Writes the waiting output to the socket.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.connection.output().is_empty() {
            let output = self.connection.output();
            let sent = ready!(Pin::new(&mut self.io).poll_write(cx, output))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.connection.sent(sent);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }
}

/// Converts an error for the traits of tokio.
fn io_error(error: TlcpError) -> io::Error {
    let kind = match error {
        TlcpError::Truncated => io::ErrorKind::UnexpectedEof,
        TlcpError::Closed => io::ErrorKind::BrokenPipe,
        _ => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, error)
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlcpStream<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            let plaintext = this.connection.plaintext();
            if !plaintext.is_empty() {
                let count = plaintext.len().min(buf.remaining());
                buf.put_slice(&plaintext[..count]);
                this.connection.consume(count);
                return Poll::Ready(Ok(()));
            }
            if this.connection.peer_has_closed() {
                return Poll::Ready(Ok(()));
            }
            if let Some(error) = this.connection.error() {
                return Poll::Ready(Err(io_error(error.clone())));
            }
            if let Err(error) = ready!(this.poll_receive(cx))? {
                // The alert is sent if the socket accepts it, without waiting.
                let _ = this.poll_flush_all(cx)?;
                return Poll::Ready(Err(io_error(error)));
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlcpStream<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            let taken = this.connection.write(data).map_err(io_error)?;
            if taken > 0 || data.is_empty() {
                // This need not be complete: flush waits for the socket.
                let _ = this.poll_send(cx)?;
                return Poll::Ready(Ok(taken));
            }
            ready!(this.poll_send(cx))?;
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flush_all(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.close();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}
