//! A TLS client that sees single records, as programs that use OpenSSL do: one read returns one
//! record.

use std::{io, net::SocketAddr, sync::Arc};

use amop_tls::{
    Identity, is_end,
    rustls::{ClientConfig, ClientConnection},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Type, version and length come before every record.
const RECORD_HEADER: usize = 5;

/// A TLS connection, read record by record.
#[derive(Debug)]
pub struct RawLink {
    tcp: TcpStream,
    tls: ClientConnection,
}

impl RawLink {
    /// Connects and completes the handshake.
    ///
    /// # Errors
    ///
    /// Returns errors of TCP, or of rustls inside an [`io::Error`].
    pub async fn connect(address: &str, config: Arc<ClientConfig>) -> io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        Self::over(tcp, config).await
    }

    /// Completes the handshake over a connection.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn over(tcp: TcpStream, config: Arc<ClientConfig>) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        let tls =
            ClientConnection::new(config, Identity::server_name()).map_err(io::Error::other)?;
        let mut link = Self { tcp, tls };
        link.flush().await?;
        while link.tls.is_handshaking() {
            if !link.read_record().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(link)
    }

    /// Returns the address of this end, which the other end logs.
    ///
    /// # Errors
    ///
    /// Returns the error of the operating system.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Writes bytes as one record, if they fit into one.
    ///
    /// # Errors
    ///
    /// Returns errors of the connection.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = io::Write::write(&mut self.tls.writer(), rest)?;
            rest = &rest[taken..];
            self.flush().await?;
        }
        Ok(())
    }

    /// Returns the content of the next record; `None` once the other side has closed.
    ///
    /// # Errors
    ///
    /// Returns errors of the connection.
    pub async fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut content = vec![0; 64 * 1024];
        loop {
            match io::Read::read(&mut self.tls.reader(), &mut content) {
                Ok(0) => return Ok(None),
                Ok(len) => {
                    content.truncate(len);
                    return Ok(Some(content));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if !self.read_record().await? {
                return Ok(None);
            }
        }
    }

    /// Feeds one record to rustls; returns `false` at the end of the stream.
    async fn read_record(&mut self) -> io::Result<bool> {
        let mut record = vec![0; RECORD_HEADER];
        match self.tcp.read_exact(&mut record).await {
            Ok(_) => {}
            Err(error) if is_end(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
        let len = usize::from(u16::from_be_bytes([record[3], record[4]]));
        record.resize(RECORD_HEADER + len, 0);
        self.tcp.read_exact(&mut record[RECORD_HEADER..]).await?;
        let mut rest = &record[..];
        while !rest.is_empty() {
            self.tls.read_tls(&mut rest)?;
            let processed = self.tls.process_new_packets();
            // An alert may have to be sent even now.
            self.flush().await?;
            processed.map_err(io::Error::other)?;
        }
        Ok(true)
    }

    async fn flush(&mut self) -> io::Result<()> {
        let mut out = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut out)?;
        }
        self.tcp.write_all(&out).await
    }
}
