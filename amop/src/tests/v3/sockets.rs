//! Nodes of 3.x over sockets: RSA with an authority of X.509 v1, and no TLS at all.

use amop_proto::ws::WsType;
use amop_tls::{ServerOptions, pki::RsaAuthority};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Publishes a multicast, which the node must get.
async fn exchange(client: &Client, mut node: WsNode) {
    client.publish_multicast(&text("hi")).await.unwrap();
    let (_, request) = node.expect_amop(WsType::MULTICAST).await;
    assert_eq!(request.data, "hi");
    assert_eq!(client.nodes()[0].generation, V3);
    client.close().await;
    assert!(node.next().await.is_none());
}

/// RSA certificates suggest a node of 3.x, so there is one connection, without further settings.
#[tokio::test]
async fn certificates_of_3_x_lead_to_its_protocol() {
    let authority = RsaAuthority::new("agency").unwrap();
    let identity = || {
        let leaf = authority.issue().unwrap();
        let ca = authority.cert_pem().as_bytes();
        Identity::from_pem(leaf.cert_pem.as_bytes(), leaf.key_pem.as_bytes(), ca).unwrap()
    };
    let config = identity().server_config(ServerOptions::default()).unwrap();
    let (listener, address) = listener().await;
    let (client, node) = tokio::join!(
        Client::builder()
            .endpoint(&address)
            .identity(identity())
            .connect(),
        async {
            let (tcp, _) = listener.accept().await.unwrap();
            let stream = TlsAcceptor::from(config).accept(tcp).await.unwrap();
            let mut node = WsNode::accept(stream).await;
            node.shake_hands().await;
            node
        }
    );
    let client = client.unwrap();
    // The key of an RSA certificate is no node id.
    assert_eq!(client.node_public_key(), None);
    exchange(&client, node).await;
}

/// Two chains in one client, each with certificates of its own.
#[tokio::test]
async fn another_chain_has_its_own_certificates() {
    let chain = |name| {
        let authority = RsaAuthority::new(name).unwrap();
        let leaf = authority.issue().unwrap();
        let ca = authority.cert_pem().as_bytes();
        Identity::from_pem(leaf.cert_pem.as_bytes(), leaf.key_pem.as_bytes(), ca).unwrap()
    };
    let (first, second) = (chain("first"), chain("second"));
    let (one, two) = (listener().await, listener().await);
    let builder = Client::builder()
        .endpoint(&one.1)
        .identity(first.clone())
        .another_chain(NodeAccess::new([&two.1], second.clone()), Protocol::V3);
    let client = builder.connect_lazy().unwrap();
    let mut events = client.events();
    let serve = async |listener: &TcpListener, identity: &Identity| {
        let config = identity.server_config(ServerOptions::default()).unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        let stream = TlsAcceptor::from(config).accept(tcp).await.unwrap();
        let mut node = WsNode::accept(stream).await;
        node.shake_hands().await;
        node
    };
    let _nodes = tokio::join!(serve(&one.0, &first), serve(&two.0, &second));
    for _ in 0..2 {
        let event = events.next().await;
        assert!(matches!(event, Some(Event::Connected { .. })), "{event:?}");
    }
    assert_eq!(client.nodes().len(), 2);
}

/// A file that switches TLS off needs no certificates.
#[cfg(feature = "sdk-config")]
#[tokio::test]
async fn a_file_can_switch_tls_off() {
    let (listener, address) = listener().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    for config in [
        format!(
            "[common]\ndisable_ssl=true\nmessage_timeout_ms=20000\n[peers]\nnode.0={address}\n"
        ),
        format!("[cryptoMaterial]\nenableSsl = \"false\"\n[network]\npeers = [\"{address}\"]\n"),
    ] {
        std::fs::write(file.path(), config).unwrap();
        let (client, node) = tokio::join!(Client::from_config(file.path()), async {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut node = WsNode::accept(tcp).await;
            node.shake_hands().await;
            node
        });
        exchange(&client.unwrap(), node).await;
    }
}
