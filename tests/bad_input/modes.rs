//! The RSA mode of the channel, and identities of the wrong kind.

use amop::{Client, ConnectError, HandshakeFailure, Identity};
use amop_node::{Node, StartError};
use amop_testkit::{PATIENCE, agency, identity, identity_of, log, within};
use amop_tls::{
    TlsError,
    pki::{Leaf, RsaAuthority},
};

fn rsa(authority: &RsaAuthority) -> Identity {
    let issued = authority.issue().unwrap();
    identity_of(&issued.cert_pem, &issued.key_pem, authority.cert_pem())
}

async fn connect(node: &Node, identity: Identity) -> Result<Client, ConnectError> {
    let connecting = Client::builder()
        .endpoint(node.channel_address().to_string())
        .identity(identity)
        .connect_timeout(PATIENCE)
        .connect();
    within("connecting", connecting).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_in_rsa_mode_serves_rsa_clients_and_refuses_others() {
    log();
    let (agency, authority) = (agency(), RsaAuthority::new("agency").unwrap());
    let node = Node::builder()
        .identity(identity(&agency, Leaf::Node, "node0"))
        .channel_identity(rsa(&authority))
        .start()
        .await
        .unwrap();

    let client = connect(&node, rsa(&authority)).await.unwrap();
    let topic = "hello".parse().unwrap();
    let mut subscription = client.subscribe_raw(&topic).await.unwrap();
    client
        .publish_multicast_raw(&topic, "rsa".into())
        .await
        .unwrap();
    let got = within("a multicast", subscription.next()).await.unwrap();
    assert_eq!(&got[..], b"rsa");
    client.close().await;

    let error = connect(&node, identity(&agency, Leaf::Sdk, "sdk"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::Tls {
                source: HandshakeFailure::Refused,
                ..
            }
        ),
        "{error:?}"
    );
    let text = amop::with_causes(&error).to_string();
    assert!(text.contains(&node.channel_address().to_string()), "{text}");
    assert!(text.contains("needs the RSA sdk folder"), "{text}");
    log().wait_for(&["SDK at", "no common", "RSA-mode"]).await;

    // An RSA certificate of another agency.
    let stranger = RsaAuthority::new("agency").unwrap();
    let error = connect(&node, rsa(&stranger)).await.unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::Tls {
                source: HandshakeFailure::PeerUnknownIssuer { .. },
                ..
            }
        ),
        "{error:?}"
    );
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_rsa_client_is_refused_by_a_node_in_ec_mode() {
    let node = Node::builder()
        .identity(identity(&agency(), Leaf::Node, "node0"))
        .start()
        .await
        .unwrap();
    let authority = RsaAuthority::new("agency").unwrap();
    let error = connect(&node, rsa(&authority)).await.unwrap_err();
    let text = amop::with_causes(&error).to_string();
    assert!(
        matches!(
            error,
            ConnectError::Tls {
                source: HandshakeFailure::StaticRsaOnly,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(text.contains("only the folder is wrong"), "{text}");
    node.shutdown().await;
}

/// Only EC keys give node IDs.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_cannot_be_started_with_an_rsa_identity() {
    let authority = RsaAuthority::new("agency").unwrap();
    let error = Node::builder()
        .identity(rsa(&authority))
        .start()
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            StartError::Tls {
                what: amop_node::Port::P2p,
                source: TlsError::NotEc { .. }
            }
        ),
        "{error:?}"
    );
    let text = amop::with_causes(&error).to_string();
    assert!(text.contains("need the secp256k1 pair in conf/"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_cannot_be_started_without_certificates() {
    let error = Node::builder().start().await.unwrap_err();
    assert!(matches!(error, StartError::NoIdentity), "{error:?}");
}
