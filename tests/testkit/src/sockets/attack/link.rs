//! A TLS connection that can be read and written at the same time, and that returns refusals as
//! errors.

use std::{io, sync::Arc};

use amop_proto::channel::{Frame, FrameDecoder};
use amop_tls::{Identity, rustls::ClientConfig};
use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A connection of an attacker.
#[derive(Debug)]
pub struct Link {
    /// The reading half, which stays usable while the other half exists.
    pub reader: ReadHalf<TlsStream<TcpStream>>,
    /// The writing half.
    pub writer: WriteHalf<TlsStream<TcpStream>>,
}

impl Link {
    /// Connects and completes TLS.
    ///
    /// # Errors
    ///
    /// Returns errors of TCP or TLS.
    pub async fn connect(address: &str, config: Arc<ClientConfig>) -> io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let connector = TlsConnector::from(config);
        let stream = connector.connect(Identity::server_name(), tcp).await?;
        let (reader, writer) = split(stream);
        Ok(Self { reader, writer })
    }

    /// Connects to a node's port for SDKs.
    ///
    /// # Errors
    ///
    /// Returns errors of TCP or TLS.
    pub async fn session(address: &str, sdk: &Identity) -> io::Result<Self> {
        let config = sdk.client_config().map_err(io::Error::other)?;
        Self::connect(address, config).await
    }

    /// Sends a frame of an SDK.
    ///
    /// # Errors
    ///
    /// Returns errors of the connection.
    pub async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.write(&frame.to_bytes()).await
    }

    /// Sends bytes.
    ///
    /// # Errors
    ///
    /// Returns errors of the connection.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes).await?;
        self.writer.flush().await
    }

    /// Returns the next frame that the node sends to an SDK.
    ///
    /// # Errors
    ///
    /// Returns errors of the connection, including its end.
    pub async fn receive(&mut self, buffer: &mut BytesMut) -> io::Result<Frame> {
        loop {
            let frame = FrameDecoder::default().decode(buffer);
            if let Some(frame) = frame.map_err(io::Error::other)? {
                return Ok(frame);
            }
            if self.reader.read_buf(buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Waits for the end of the connection, and discards everything before it.
    ///
    /// # Errors
    ///
    /// Always returns an error, because the end is one.
    pub async fn end(&mut self) -> io::Result<()> {
        let mut rest = vec![0; 64 * 1024];
        while self.reader.read(&mut rest).await? > 0 {}
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
