//! Tests of connecting over sockets and TLS, to a node that supports only what the tests need.

use std::net::SocketAddr;

use amop_tls::{
    ServerOptions,
    pki::{Agency, Authority, Leaf},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;

fn agency(chain: &str) -> Agency {
    Authority::new_ec(chain).unwrap().agency("agency").unwrap()
}

fn identity(agency: &Agency, leaf: Leaf) -> Identity {
    let issued = agency.issue(leaf, "name").unwrap();
    let (cert, key, ca) = (&issued.cert_pem, &issued.key_pem, agency.root_pem());
    Identity::from_pem(cert.as_bytes(), key.as_bytes(), ca.as_bytes()).unwrap()
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn builder(agency: &Agency, address: SocketAddr) -> ClientBuilder {
    Client::builder()
        .endpoint(address.to_string())
        .identity(identity(agency, Leaf::Sdk))
        .reconnect(ReconnectPolicy::never())
}

async fn accept(listener: &TcpListener, node: &Identity) -> TlsStream<TcpStream> {
    let config = node.server_config(ServerOptions::default()).unwrap();
    let (tcp, _) = listener.accept().await.unwrap();
    TlsAcceptor::from(config).accept(tcp).await.unwrap()
}

/// Answers one handshake and then one multicast.
async fn serve(stream: &mut TlsStream<TcpStream>) {
    let mut buffer = BytesMut::new();
    for kind in [FrameType::HANDSHAKE, FrameType::MULTICAST] {
        let frame = loop {
            if let Some(frame) = FrameDecoder::default().decode(&mut buffer).unwrap() {
                break frame;
            }
            assert_ne!(stream.read_buf(&mut buffer).await.unwrap(), 0);
        };
        assert_eq!(frame.kind, kind);
        let answer = if kind == FrameType::HANDSHAKE {
            let response = HandshakeResponse {
                node_version: "2.11.1".into(),
                protocol: 3,
                quiet_multicasts: false,
                answer_within: None,
                max_frame: None,
            };
            Frame {
                body: response.to_body(),
                ..frame
            }
        } else {
            frame.respond(0, frame.body.clone())
        };
        stream.write_all(&answer.to_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
}

#[tokio::test]
async fn a_client_connects_publishes_and_says_goodbye() {
    let agency = agency("chain");
    let node = identity(&agency, Leaf::Node);
    let (listener, address) = listener().await;
    let client = async {
        let client = builder(&agency, address).connect().await.unwrap();
        assert_eq!(client.endpoint(), address.to_string());
        assert_eq!(client.node_public_key(), node.public_key());
        client.publish_multicast(&text("hi")).await.unwrap();
        client.close().await;
        client
    };
    let server = async {
        let mut stream = accept(&listener, &node).await;
        serve(&mut stream).await;
        // Without close_notify this would be an error.
        assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
    };
    let (client, ()) = tokio::join!(client, server);
    assert_eq!(client.closed().await, CloseReason::Local);
}

#[tokio::test]
async fn a_node_that_goes_without_a_goodbye_has_closed_all_the_same() {
    let agency = agency("chain");
    let node = identity(&agency, Leaf::Node);
    let (listener, address) = listener().await;
    let client = async {
        let client = builder(&agency, address).connect().await.unwrap();
        client.publish_multicast(&text("hi")).await.unwrap();
        client.closed().await
    };
    let server = async {
        let mut stream = accept(&listener, &node).await;
        serve(&mut stream).await;
        // The TCP stream ends without TLS's close_notify.
        stream.get_mut().0.shutdown().await.unwrap();
        stream
    };
    let (reason, _stream) = tokio::join!(client, server);
    assert_eq!(reason, CloseReason::Peer);
}

#[tokio::test]
async fn nobody_listens() {
    let (listener, address) = listener().await;
    drop(listener);
    let error = builder(&agency("chain"), address)
        .connect()
        .await
        .unwrap_err();
    assert!(matches!(&error, ConnectError::Tcp { source, .. }
        if source.kind() == std::io::ErrorKind::ConnectionRefused));
    assert!(error.to_string().contains(&address.to_string()));
}

#[tokio::test]
async fn a_node_of_another_chain_is_refused() {
    let node = identity(&agency("other"), Leaf::Node);
    let (listener, address) = listener().await;
    let config = node.server_config(ServerOptions::default()).unwrap();
    let client = builder(&agency("chain"), address).connect();
    let server = async {
        let (tcp, _) = listener.accept().await.unwrap();
        assert!(TlsAcceptor::from(config).accept(tcp).await.is_err());
    };
    let (result, ()) = tokio::join!(client, server);
    assert!(matches!(
        result.unwrap_err(),
        ConnectError::Tls {
            source: HandshakeFailure::PeerUnknownIssuer { .. },
            ..
        }
    ));
}

#[tokio::test]
async fn a_port_without_tls_is_recognised() {
    let (listener, address) = listener().await;
    let agency = agency("chain");
    let client = builder(&agency, address).connect();
    let server = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await.unwrap();
        tcp
    };
    let (result, _tcp) = tokio::join!(client, server);
    assert!(matches!(
        result.unwrap_err(),
        ConnectError::Tls {
            source: HandshakeFailure::NotTls,
            ..
        }
    ));
}

#[tokio::test]
async fn a_silent_port_is_given_up() {
    let (listener, address) = listener().await;
    let client = builder(&agency("chain"), address)
        .connect_timeout(Duration::from_millis(100))
        .connect();
    let (result, _accepted) = tokio::join!(client, listener.accept());
    assert!(matches!(
        result.unwrap_err(),
        ConnectError::Timeout {
            stage: ConnectStage::Tls,
            ..
        }
    ));
}

#[tokio::test]
async fn a_folder_without_certificates_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Client::builder()
        .certificates(folder.path())
        .connect()
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::Certificates(_)));
    let shown = with_causes(&error).to_string();
    let path = folder.path().display().to_string();
    assert!(shown.contains(&path), "{shown}");
}
