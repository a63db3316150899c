//! A TLS connection that can be read and written at once, and takes every refusal as it comes.

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
    /// For reading, as long as the other half is not dropped.
    pub reader: ReadHalf<TlsStream<TcpStream>>,
    /// For writing.
    pub writer: WriteHalf<TlsStream<TcpStream>>,
}

impl Link {
    /// Connects and completes TLS.
    ///
    /// # Errors
    ///
    /// Of TCP or TLS.
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
    /// Of TCP or TLS.
    pub async fn session(address: &str, sdk: &Identity) -> io::Result<Self> {
        let config = sdk.client_config().map_err(io::Error::other)?;
        Self::connect(address, config).await
    }

    /// Sends a frame of an SDK.
    ///
    /// # Errors
    ///
    /// Of the connection.
    pub async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.write(&frame.to_bytes()).await
    }

    /// Sends bytes.
    ///
    /// # Errors
    ///
    /// Of the connection.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes).await?;
        self.writer.flush().await
    }

    /// The next frame of a node for an SDK.
    ///
    /// # Errors
    ///
    /// Of the connection; its end is one.
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

    /// Waits for the end of the connection, reading whatever comes before it.
    ///
    /// # Errors
    ///
    /// Always: the end is one.
    pub async fn end(&mut self) -> io::Result<()> {
        let mut rest = vec![0; 64 * 1024];
        while self.reader.read(&mut rest).await? > 0 {}
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
