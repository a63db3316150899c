//! Clients that connect to something that is not a node.

use std::{sync::Arc, time::Duration};

use amop::{
    Client, CloseReason, ConnectError, ConnectStage, HandshakeFailure, Identity, PublishErrorKind,
};
use amop_testkit::{PATIENCE, agency, identity, log, network, within};
use amop_tls::{
    ServerOptions,
    pki::{Agency, Leaf},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// Serves each connection in its own task; returns the endpoint.
async fn serve<F, Fut>(serve: F) -> String
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    endpoint
}

/// Starts a server with a node certificate that sends `answer` to every client and keeps the
/// connection open.
async fn tls_server(agency: &Agency, answer: &'static [u8]) -> String {
    let node = identity(agency, Leaf::Node, "node0");
    let config = node.server_config(ServerOptions::default()).unwrap();
    let acceptor = TlsAcceptor::from(config);
    serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut request = [0; 1024];
            let mut answered = false;
            while let Ok(1..) = stream.read(&mut request).await {
                if !answered && !answer.is_empty() {
                    stream.write_all(answer).await.unwrap();
                    stream.flush().await.unwrap();
                    answered = true;
                }
            }
        }
    })
    .await
}

async fn failure(endpoint: &str, identity: Identity, patience: Duration) -> ConnectError {
    let connecting = Client::builder()
        .endpoint(endpoint)
        .identity(identity)
        .connect_timeout(patience)
        .connect();
    let error = within("the error", connecting).await.unwrap_err();
    assert!(error.to_string().contains(endpoint), "{error}");
    error
}

/// Asserts that a server was taken neither for a node of 2.x nor for one of 3.x, and that the error says
/// which ports these have.
fn assert_neither(error: &ConnectError) {
    let ConnectError::NoGeneration { failures, .. } = error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(
            failures[..]
                .iter()
                .map(|failure| &**failure)
                .collect::<Vec<_>>()[..],
            [ConnectError::NotANode { .. }, ConnectError::Upgrade { .. }]
        ),
        "{error:?}"
    );
    let text = error.to_string();
    for part in ["channel_listen_port", "listen_port in the node's [rpc]"] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_recognised() {
    let endpoint = serve(|mut stream: TcpStream| async move {
        // Sends only the answer to the request, as HTTP servers do.
        let mut request = [0; 64];
        stream.read_exact(&mut request).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
        // Lets the client close the connection.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let sdk = identity(&agency(), Leaf::Sdk, "sdk");
    let error = failure(&endpoint, sdk, PATIENCE).await;
    assert!(
        matches!(
            error,
            ConnectError::Tls {
                source: HandshakeFailure::NotTls,
                ..
            }
        ),
        "{error:?}"
    );
    let text = amop::with_causes(&error).to_string();
    assert!(text.contains("check that the port is a channel"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_up_is_recognised() {
    let endpoint = serve(|mut stream: TcpStream| async move {
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await.unwrap();
    })
    .await;
    let sdk = identity(&agency(), Leaf::Sdk, "sdk");
    let error = failure(&endpoint, sdk, PATIENCE).await;
    assert!(
        matches!(
            error,
            ConnectError::Tls {
                source: HandshakeFailure::Closed(_),
                ..
            }
        ),
        "{error:?}"
    );
    let text = amop::with_causes(&error).to_string();
    assert!(text.contains("its log says why"), "{text}");
}

/// Monitors that check whether a port is open cause no warning, and no reason to check
/// certificates.
#[tokio::test(flavor = "multi_thread")]
async fn health_checks_are_no_refused_handshakes() {
    let network = network(1).await;
    let node = network.node(0).unwrap();
    for port in [node.channel_address(), node.p2p_address()] {
        let stream = TcpStream::connect(port).await.unwrap();
        let from = format!("from {} ", stream.local_addr().unwrap());
        drop(stream);
        let line = log().wait_for(&[&from, "as health checks do"]).await;
        assert!(
            line.contains("DEBUG") && !line.contains("certificate"),
            "{line}"
        );
    }
    assert_eq!(node.stats().handshakes_failed, 0);
    // A client that begins TLS and then leaves may cause this line.
    let mut stream = TcpStream::connect(node.channel_address()).await.unwrap();
    stream.write_all(&[22, 3, 1]).await.unwrap();
    let from = format!("at {} ", stream.local_addr().unwrap());
    drop(stream);
    let line = log().wait_for(&[&from, "refused"]).await;
    assert!(line.contains("the client closed the connection"), "{line}");
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_given_up() {
    let endpoint = serve(|mut stream: TcpStream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let sdk = identity(&agency(), Leaf::Sdk, "sdk");
    let error = failure(&endpoint, sdk, Duration::from_millis(500)).await;
    assert!(
        matches!(
            error,
            ConnectError::Timeout {
                stage: ConnectStage::Tls,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("within 500 ms"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_server_of_another_protocol_is_recognised() {
    let agency = agency();
    let answers: [&[u8]; 2] = [b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0; 64]];
    for answer in answers {
        let endpoint = tls_server(&agency, answer).await;
        let sdk = identity(&agency, Leaf::Sdk, "sdk");
        let error = failure(&endpoint, sdk, PATIENCE).await;
        assert_neither(&error);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_server_that_says_nothing_is_given_up() {
    let agency = agency();
    let endpoint = tls_server(&agency, b"").await;
    let sdk = identity(&agency, Leaf::Sdk, "sdk");
    // This time is long enough for TLS, also on a busy machine, and shorter than the 5 s after
    // which a silent node is taken for an old one.
    let error = failure(&endpoint, sdk, Duration::from_secs(3)).await;
    assert!(
        matches!(
            error,
            ConnectError::Timeout {
                stage: ConnectStage::Handshake,
                ..
            }
        ),
        "{error:?}"
    );
}

/// With a longer timeout, the client takes it for a node that knows no handshake, and then for a
/// dead node.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_does_not_hang_on_a_silent_node() {
    let agency = agency();
    let endpoint = tls_server(&agency, b"").await;
    let client = Client::builder()
        .endpoint(&endpoint)
        .identity(identity(&agency, Leaf::Sdk, "sdk"))
        .connect_timeout(PATIENCE)
        .timeout(Duration::from_millis(200))
        .heartbeat(Duration::from_secs(1))
        .reconnect(amop::ReconnectPolicy::never())
        .connect()
        .await
        .unwrap();
    assert_eq!(client.protocol_version(), 1);
    let topic = "hello".parse().unwrap();
    let error = client
        .publish_unicast_raw(&topic, "x".into())
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::Timeout { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("within 200 ms"), "{error}");
    let reason = within("the verdict", client.closed()).await;
    assert!(matches!(reason, CloseReason::Silent { .. }), "{reason:?}");
}

/// The node's P2P port instead of its channel port: the same TLS, another protocol.
#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_port_of_a_node_is_recognised() {
    let network = Arc::new(network(1).await);
    let node = network.node(0).unwrap();
    let p2p = node.p2p_address().to_string();
    // A node certificate gets as far as the P2P protocol.
    let node = identity(network.agency(), Leaf::Node, "sdk-of-2.0");
    let error = failure(&p2p, node, PATIENCE).await;
    assert_neither(&error);
    let error = failure(&p2p, network.sdk(), PATIENCE).await;
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    let text = amop::with_causes(&error).to_string();
    assert!(text.contains("as on its port for nodes"), "{text}");
}
