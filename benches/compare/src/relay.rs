//! A relay of the raw pipe: bytes that arrive over TLS are sent on over TLS.

use std::{io, net::SocketAddr, path::PathBuf};

use anyhow::Result;
use clap::Args;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, copy_bidirectional_with_sizes},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::certs;

/// The number of bytes relayed at a time.
const BUFFER: usize = 64 * 1024;

#[derive(Debug, Args)]
pub struct Options {
    /// The address to listen on.
    #[arg(long)]
    listen: SocketAddr,
    /// The address to relay bytes to.
    #[arg(long)]
    to: SocketAddr,
    /// The folder of `ca.crt`, `server.crt` and `client.crt`.
    #[arg(long)]
    certs: PathBuf,
}

pub async fn run(options: Options) -> Result<()> {
    let acceptor = TlsAcceptor::from(certs::server(&options.certs)?);
    let connector = TlsConnector::from(certs::client(&options.certs)?);
    let listener = TcpListener::bind(options.listen).await?;
    let serve = async {
        loop {
            let (stream, _) = listener.accept().await?;
            let (acceptor, connector) = (acceptor.clone(), connector.clone());
            tokio::spawn(async move {
                // When a connection ends, the connection to the next relay ends with it; errors are
                // ignored.
                let _ = pass_on(stream, &acceptor, &connector, options.to).await;
            });
        }
    };
    // When standard input ends, the parent process is gone.
    let mut end = [0];
    let mut stdin = tokio::io::stdin();
    tokio::select! {
        result = serve => result,
        _ = stdin.read(&mut end) => Ok(()),
    }
}

async fn pass_on(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    connector: &TlsConnector,
    to: SocketAddr,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut from = acceptor.accept(stream).await?;
    let next = TcpStream::connect(to).await?;
    next.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let mut to = connector.connect(name, next).await?;
    copy_bidirectional_with_sizes(&mut from, &mut to, BUFFER, BUFFER).await?;
    Ok(())
}
