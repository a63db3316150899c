//! TCP connections, with and without TLS.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// A TCP connection to a node.
#[derive(Debug)]
pub(crate) enum NodeLine {
    Tls(Box<TlsStream<BufReader<TcpStream>>>),
    #[cfg(feature = "legacy-rsa")]
    Legacy(tokio_openssl::SslStream<TcpStream>),
    Plain(BufReader<TcpStream>),
}

/// Calls a method of the stream in a line.
macro_rules! each {
    ($line:expr, $stream:ident => $call:expr) => {
        match $line.get_mut() {
            NodeLine::Tls($stream) => $call,
            #[cfg(feature = "legacy-rsa")]
            NodeLine::Legacy($stream) => $call,
            NodeLine::Plain($stream) => $call,
        }
    };
}

impl AsyncRead for NodeLine {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for NodeLine {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
