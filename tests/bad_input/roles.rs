//! Certificates of the chain in the wrong role: an SDK that acts as a node, and nodes that a client
//! has not listed.

use amop::{Client, ConnectError, HandshakeFailure, NodeKey};
use amop_node::Node;
use amop_testkit::{Bystanders, PATIENCE, RawLink, identity, log, network, within};
use amop_tls::{Identity, VerifyError, pki::Leaf};

/// Returns the error of a client at an endpoint.
pub(crate) async fn failure(
    endpoint: &str,
    builder: amop::ClientBuilder,
) -> (HandshakeFailure, String) {
    let connecting = builder
        .endpoint(endpoint)
        .connect_timeout(PATIENCE)
        .connect();
    let error = within("the error", connecting).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(endpoint), "{text}");
    match error {
        ConnectError::Tls { source, .. } => (source, text),
        other => panic!("{other:?}"),
    }
}

/// Waits until a node has refused `count` certificates for their role.
async fn wrong_roles(node: &Node, count: u64) {
    within("the refusal", async {
        while node.stats().wrong_role < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(node.stats().wrong_role, count);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sdk_is_no_node_for_a_node_that_it_dials() {
    let network = network(2).await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let sdk = identity(network.agency(), Leaf::Sdk, "intruder");
    let config = sdk.peer_client_config(None).unwrap();
    let address = node.p2p_address().to_string();
    let link = RawLink::connect(&address, config);
    assert!(within("the refusal", link).await.is_err());
    log()
        .wait_for(&["node at", "refused", "CN=intruder", "that of an SDK"])
        .await;
    wrong_roles(node, 1).await;
    assert_eq!(node.peers().len(), 1);
    // The port for SDKs accepts it, and a node certificate as well.
    for leaf in [Leaf::Sdk, Leaf::Node] {
        let client = Client::builder()
            .endpoint(network.endpoint(0))
            .identity(identity(network.agency(), leaf, "welcome"))
            .connect_timeout(PATIENCE)
            .connect()
            .await
            .unwrap();
        client.close().await;
    }
    bystanders.go_on().await;
    bystanders.stop().await;
    network.shutdown().await;
}

/// Starts a server with an SDK certificate whose ports look like those of a node.
async fn impostor(agency: &amop_tls::pki::Agency) -> Node {
    Node::builder()
        .identity(identity(agency, Leaf::Sdk, "impostor"))
        .start()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sdk_is_no_node_for_a_node_that_dials_it() {
    let network = network(2).await;
    let mut bystanders = Bystanders::start(&network).await;
    let impostor = impostor(network.agency()).await;
    let address = impostor.p2p_address().to_string();
    let node = Node::builder()
        .identity(identity(network.agency(), Leaf::Node, "dialler"))
        .peer(address.parse().unwrap())
        .start()
        .await
        .unwrap();
    let line = log()
        .wait_for(&[&address, "CN=impostor", "that of an SDK"])
        .await;
    assert!(line.contains("sdk_certificates_as_nodes=true"), "{line}");
    within("the count", async {
        while node.stats().wrong_role == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((node.peers().len(), impostor.peers().len()), (0, 0));
    node.shutdown().await;
    impostor.shutdown().await;
    bystanders.go_on().await;
    bystanders.stop().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sdk_is_no_node_for_a_client() {
    let network = network(1).await;
    let impostor = impostor(network.agency()).await;
    let endpoint = impostor.channel_address().to_string();
    let builder = || Client::builder().identity(network.sdk());
    let (failure, text) = failure(&endpoint, builder()).await;
    assert!(
        matches!(
            failure,
            HandshakeFailure::PeerCertificate(VerifyError::SdkCertificate { .. })
        ),
        "{failure:?}"
    );
    assert!(text.contains("sdk_certificates_as_nodes(true)"), "{text}");
    let client = builder()
        .sdk_certificates_as_nodes(true)
        .endpoint(&endpoint)
        .connect_timeout(PATIENCE)
        .connect()
        .await
        .unwrap();
    client.close().await;
    impostor.shutdown().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_names_its_nodes_takes_no_others() {
    let network = network(2).await;
    let sdk: Identity = network.sdk();
    let id = |node: usize| NodeKey::from(network.node(node).unwrap().node_id().0);
    let builder = |key: NodeKey| Client::builder().identity(sdk.clone()).node_keys([key]);
    let (failure, text) = failure(network.endpoint(1), builder(id(0))).await;
    assert!(
        matches!(
            failure,
            HandshakeFailure::PeerCertificate(VerifyError::NotPinned { .. })
        ),
        "{failure:?}"
    );
    // It says which key was presented, and what to do.
    assert!(
        text.contains(&id(1).to_string()) && text.contains("node_keys"),
        "{text}"
    );
    for node in [0, 1] {
        let client = builder(id(node))
            .endpoint(network.endpoint(node))
            .connect_timeout(PATIENCE)
            .connect()
            .await
            .unwrap();
        assert_eq!(client.node_public_key().map(NodeKey::from), Some(id(node)));
        client.close().await;
    }
    network.shutdown().await;
}
