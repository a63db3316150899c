//! Tests over OpenSSL, with a node that offers only static-RSA key exchange.

use std::{net::SocketAddr, pin::Pin};

use amop_tls::{
    openssl::{
        pkey::PKey,
        ssl::{Ssl, SslContext, SslMethod, SslVerifyMode, SslVersion},
        x509::{X509, store::X509StoreBuilder},
    },
    pki::{Authority, Leaf, RsaAuthority, RsaIssued},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_openssl::SslStream;

use super::*;

fn identity(issued: &RsaIssued, authority: &RsaAuthority) -> Identity {
    let (cert, key, ca) = (&issued.cert_pem, &issued.key_pem, authority.cert_pem());
    Identity::from_pem(cert.as_bytes(), key.as_bytes(), ca.as_bytes()).unwrap()
}

/// Returns OpenSSL's settings of a production node in RSA mode (channel-v2 section 2.4).
fn static_rsa_only(authority: &RsaAuthority) -> SslContext {
    let leaf = authority.issue().unwrap();
    let mut trusted = X509StoreBuilder::new().unwrap();
    let ca = X509::from_pem(authority.cert_pem().as_bytes()).unwrap();
    trusted.add_cert(ca).unwrap();
    let cert = X509::from_pem(leaf.cert_pem.as_bytes()).unwrap();
    let key = PKey::private_key_from_pem(leaf.key_pem.as_bytes()).unwrap();

    let mut builder = SslContext::builder(SslMethod::tls_server()).unwrap();
    let version = Some(SslVersion::TLS1_2);
    builder.set_max_proto_version(version).unwrap();
    builder.set_cipher_list("AES256-GCM-SHA384").unwrap();
    builder.set_certificate(&cert).unwrap();
    builder.set_private_key(&key).unwrap();
    builder.set_cert_store(trusted.build());
    builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    builder.build()
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn builder(authority: &RsaAuthority, address: SocketAddr) -> ClientBuilder {
    Client::builder()
        .endpoint(address.to_string())
        .identity(identity(&authority.issue().unwrap(), authority))
        .tls(Tls::legacy_rsa())
        .reconnect(ReconnectPolicy::never())
}

/// Accepts a connection; `None` if the handshake fails.
async fn accept(listener: &TcpListener, context: &SslContext) -> Option<SslStream<TcpStream>> {
    let (tcp, _) = listener.accept().await.unwrap();
    let mut stream = SslStream::new(Ssl::new(context).unwrap(), tcp).unwrap();
    Pin::new(&mut stream).accept().await.ok()?;
    Some(stream)
}

/// Returns a node behind TLS. The task moves its bytes, and closes the connection when it ends.
async fn node(listener: &TcpListener, context: &SslContext) -> (Node, JoinHandle<()>) {
    let mut tls = accept(listener, context).await.unwrap();
    let suite = tls.ssl().current_cipher().unwrap().name();
    assert_eq!(suite, "AES256-GCM-SHA384");
    let (mut far, node) = pipe(PIPE);
    let bridge = tokio::spawn(async move {
        // Both sides check how it ends.
        let _ = tokio::io::copy_bidirectional(&mut tls, &mut far).await;
    });
    (node, bridge)
}

async fn connected(authority: &RsaAuthority) -> (Client, Node, JoinHandle<()>) {
    let context = static_rsa_only(authority);
    let (listener, address) = listener().await;
    let client = builder(authority, address).connect();
    let (client, (node, bridge)) = tokio::join!(client, async {
        let (mut node, bridge) = node(&listener, &context).await;
        node.shake_hands(3).await;
        (node, bridge)
    });
    (client.unwrap(), node, bridge)
}

#[tokio::test]
async fn everything_goes_over_static_rsa() {
    let authority = RsaAuthority::new("agency").unwrap();
    let (client, mut node, bridge) = connected(&authority).await;
    assert_eq!(client.node_version().as_deref(), Some("2.11.1"));
    assert_eq!(client.node_public_key(), None);

    // A topic set and the heartbeat after it, then an incoming message.
    let mut subscription = subscribe(&client, &mut node).await;
    let seq = node.push(MessageKind::Unicast, 7, b"in").await;
    assert_eq!(subscription.next().await, Some(text("in")));
    assert_eq!(node.answered(seq).await.0, 0);

    // An outgoing unicast, and its answer.
    let topic = hello();
    let (reply, ()) = tokio::join!(
        client.publish_unicast_raw(&topic, "question".into()),
        async {
            let request = node.expect(FrameType::UNICAST).await;
            assert_eq!(request.body, framed("question"));
            node.answer(&request, 0, framed("answer")).await;
        }
    );
    assert_eq!(reply.unwrap().payload, "answer");

    // More bytes than sockets buffer, in records of 16 KiB.
    let long: Bytes = (0..8 * 1024 * 1024_u32).map(|i| (i % 251) as u8).collect();
    let (sent, ()) = tokio::join!(client.publish_multicast_raw(&topic, long.clone()), async {
        let frame = node.expect(FrameType::MULTICAST).await;
        assert!(frame.body == framed(&long));
        node.answer(&frame, 0, Bytes::new()).await;
    });
    sent.unwrap();
    let long = "a long text ".repeat(1024 * 256);
    node.push(MessageKind::Multicast, 8, long.as_bytes()).await;
    assert_eq!(subscription.next().await, Some(text(&long)));

    drop(subscription);
    client.close().await;
    assert_eq!(client.closed().await, CloseReason::Local);
    while node.next().await.is_some() {}
    drop(node);
    bridge.await.unwrap();
}

/// FISCO nodes often close without TLS's close_notify.
#[tokio::test]
async fn a_node_that_goes_without_a_goodbye_has_closed_all_the_same() {
    let authority = RsaAuthority::new("agency").unwrap();
    let (client, _node, bridge) = connected(&authority).await;
    bridge.abort();
    assert_eq!(client.closed().await, CloseReason::Peer);
}

#[tokio::test]
async fn a_node_of_another_agency_is_refused() {
    let (ours, other) = (
        RsaAuthority::new("agency").unwrap(),
        RsaAuthority::new("agency").unwrap(),
    );
    let context = static_rsa_only(&other);
    let (listener, address) = listener().await;
    let client = builder(&ours, address).connect();
    let (result, accepted) = tokio::join!(client, accept(&listener, &context));
    assert!(accepted.is_none());
    match result.unwrap_err() {
        ConnectError::Tls { endpoint, source } => {
            assert_eq!(endpoint, address.to_string());
            assert!(matches!(source, HandshakeFailure::PeerUnknownIssuer { .. }));
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_default_says_how_to_connect_to_such_a_node() {
    let authority = RsaAuthority::new("agency").unwrap();
    let context = static_rsa_only(&authority);
    let (listener, address) = listener().await;
    let client = builder(&authority, address).tls(Tls::default()).connect();
    let (result, accepted) = tokio::join!(client, accept(&listener, &context));
    assert!(accepted.is_none());
    let error = result.unwrap_err();
    assert!(matches!(
        error,
        ConnectError::Tls {
            source: HandshakeFailure::StaticRsaOnly,
            ..
        }
    ));
    let shown = with_causes(&error).to_string();
    for part in [
        &address.to_string()[..],
        "the cargo feature `legacy-rsa` of the crate amop",
        "Client::builder().tls(amop::Tls::legacy_rsa())",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[tokio::test]
async fn an_ec_folder_is_refused_before_anything_is_dialled() {
    let agency = Authority::new_ec("chain")
        .unwrap()
        .agency("agency")
        .unwrap();
    let sdk = agency.issue(Leaf::Sdk, "sdk").unwrap();
    let (cert, key, ca) = (&sdk.cert_pem, &sdk.key_pem, agency.root_pem());
    let sdk = Identity::from_pem(cert.as_bytes(), key.as_bytes(), ca.as_bytes()).unwrap();
    let error = Client::builder()
        .identity(sdk)
        .tls(Tls::legacy_rsa())
        .connect()
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        ConnectError::Certificates(TlsError::LegacyNeedsRsa { .. })
    ));
}

#[tokio::test]
async fn a_silent_port_is_given_up() {
    let (listener, address) = listener().await;
    let client = builder(&RsaAuthority::new("agency").unwrap(), address)
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
