//! The stream over tokio.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use super::common::{self, FLAVOURS, Who};
use amop_tlcp::stream::{self, StreamError, TlcpStream};
use amop_tlcp::{Flavour, TlcpError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(60);

async fn pair_over<IO: AsyncRead + AsyncWrite + Unpin>(
    flavour: Flavour,
    near: IO,
    far: IO,
) -> (TlcpStream<IO>, TlcpStream<IO>) {
    let config = |who| Arc::new(common::config(flavour, who));
    let (client, server) = tokio::join!(
        stream::connect(config(Who::Sdk), near, PATIENCE),
        stream::accept(config(Who::Node), far, PATIENCE),
    );
    (client.unwrap(), server.unwrap())
}

async fn pair(
    flavour: Flavour,
    room: usize,
) -> (TlcpStream<DuplexStream>, TlcpStream<DuplexStream>) {
    let (near, far) = duplex(room);
    pair_over(flavour, near, far).await
}

/// Sends in both directions at once, through a pipe with a small buffer.
#[tokio::test]
async fn carries_much_in_both_directions() {
    for flavour in FLAVOURS {
        for room in [7, 64 * 1_024] {
            let (client, server) = pair(flavour, room).await;
            let data: Vec<u8> = (0..300_000_u32).map(|i| (i * 7 % 253) as u8).collect();
            let both = [client, server].map(|side| async {
                let (mut reader, mut writer) = split(side);
                let write = async {
                    writer.write_all(&data).await.unwrap();
                    writer.shutdown().await.unwrap();
                };
                let read = async {
                    let mut got = Vec::new();
                    reader.read_to_end(&mut got).await.unwrap();
                    got
                };
                tokio::join!(write, read).1
            });
            let [a, b] = both;
            let (a, b) = tokio::join!(a, b);
            assert!(a == data && b == data);
        }
    }
}

#[tokio::test]
async fn goes_over_sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (far, _) = listener.accept().await.unwrap();
    let (mut client, mut server) = pair_over(Flavour::Tlcp, near, far).await;
    client.write_all(b"question").await.unwrap();
    client.flush().await.unwrap();
    let mut text = [0; 8];
    server.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"question");
    server.shutdown().await.unwrap();
    assert_eq!(client.read(&mut text).await.unwrap(), 0);
}

#[tokio::test]
async fn a_cut_is_no_end() {
    let (client, mut server) = pair(Flavour::Tlcp, 4_096).await;
    drop(client);
    let error = server.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    // The error is permanent.
    let error = server.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn nothing_is_written_after_shutdown() {
    let (mut client, mut server) = pair(Flavour::Tlcp, 4_096).await;
    client.shutdown().await.unwrap();
    let error = client.write_all(b"more").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    server.write_all(b"still").await.unwrap();
    server.shutdown().await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "still");
}

/// The peer sends nothing.
#[tokio::test(start_paused = true)]
async fn a_handshake_has_a_deadline() {
    for who in [Who::Sdk, Who::Node] {
        let (near, _far) = duplex(4_096);
        let config = Arc::new(common::config(Flavour::Tlcp, who));
        let result = match who {
            Who::Sdk => stream::connect(config, near, PATIENCE).await,
            Who::Node => stream::accept(config, near, PATIENCE).await,
        };
        assert!(
            matches!(result, Err(StreamError::Timeout(PATIENCE))),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn both_ends_learn_why_a_handshake_fails() {
    let (near, far) = duplex(4_096);
    let (client, server) = tokio::join!(
        stream::connect(
            Arc::new(common::config(Flavour::Tls12Sm, Who::Sdk)),
            near,
            PATIENCE
        ),
        stream::accept(
            Arc::new(common::config(Flavour::Tlcp, Who::Node)),
            far,
            PATIENCE
        ),
    );
    assert!(
        matches!(client, Err(StreamError::Protocol(TlcpError::PeerAlert(_)))),
        "{client:?}"
    );
    assert!(
        matches!(
            server,
            Err(StreamError::Protocol(TlcpError::Version { .. }))
        ),
        "{server:?}"
    );

    let (near, far) = duplex(4_096);
    drop(far);
    let config = Arc::new(common::config(Flavour::Tlcp, Who::Node));
    let server = stream::accept(config, near, PATIENCE).await;
    assert!(
        matches!(server, Err(StreamError::Protocol(TlcpError::ClosedEarly))),
        "{server:?}"
    );
}
