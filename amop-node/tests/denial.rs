//! A node refuses some connections and frames, and counts them: SDKs that are not on the list,
//! revoked certificates, connections beyond the limit, invalid frames.

use std::{fs, time::SystemTime};

use amop::{Client, TopicName};
use amop_node::{Limits, ListenLimits, Network, Node, NodeBuilder, StartError};
use amop_testkit::{
    PATIENCE, RawLink, agency, client, counted, identity, identity_of, log, network_with, within,
};
use amop_tls::{
    Identity,
    pki::{Authority, Issued, Leaf, RsaAuthority, Validity},
};
use tempfile::TempDir;

fn identity_from(issued: &Issued, root: &str) -> Identity {
    identity_of(&issued.cert_pem, &issued.key_pem, root)
}

async fn connect(node: &Node, identity: Identity) -> Result<Client, amop::ConnectError> {
    let builder = Client::builder()
        .endpoint(node.channel_address().to_string())
        .identity(identity)
        .connect_timeout(PATIENCE);
    builder.connect().await
}

fn node_of(agency: &amop_tls::pki::Agency) -> NodeBuilder {
    log();
    Node::builder().identity(identity(agency, Leaf::Node, "node"))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_sdks_on_the_allow_list_get_in() {
    let agency = agency();
    let listed = identity(&agency, Leaf::Sdk, "listed");
    let other = identity(&agency, Leaf::Sdk, "other");
    let node = node_of(&agency)
        .sdk_allowlist([listed.public_key().unwrap()])
        .start()
        .await
        .unwrap();
    let client = connect(&node, listed).await.unwrap();
    let key = other.public_key().unwrap().to_string();
    connect(&node, other).await.unwrap_err();
    log().wait_for(&["SDK at", "refused", &key]).await;
    counted(&node, "the refusal", |stats| stats.unlisted == 1).await;
    assert_eq!(node.session_count(), 1);
    client.close().await;
    node.shutdown().await;
    log()
        .wait_for(&["since the start", "unlisted 1 (+1)"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allow_list_for_sdks_without_keys_is_refused() {
    let agency = agency();
    let rsa = RsaAuthority::new("agency").unwrap();
    let issued = rsa.issue().unwrap();
    let channel = identity_of(&issued.cert_pem, &issued.key_pem, rsa.cert_pem());
    let started = node_of(&agency)
        .channel_identity(channel)
        .sdk_allowlist([])
        .start()
        .await;
    assert!(matches!(started, Err(StartError::AllowListOfRsa)));
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_sdks_and_nodes_are_refused() {
    let root = Authority::new_ec("chain").unwrap();
    let agency = root.agency("agency").unwrap();
    let issue = |leaf| agency.issue(leaf, "revoked").unwrap();
    let (sdk, peer) = (issue(Leaf::Sdk), issue(Leaf::Node));
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("agency.crl");
    let validity = Validity::starting(SystemTime::now());
    let list = agency.revoke(&[&sdk.cert_pem, &peer.cert_pem], validity);
    fs::write(&file, list.unwrap()).unwrap();
    let node = node_of(&agency)
        .revocation_list(&file)
        .start()
        .await
        .unwrap();

    connect(&node, identity_from(&sdk, agency.root_pem()))
        .await
        .unwrap_err();
    counted(&node, "the SDK", |stats| stats.revoked == 1).await;
    let config = identity_from(&peer, agency.root_pem())
        .peer_client_config(None)
        .unwrap();
    let link = RawLink::connect(&node.p2p_address().to_string(), config).await;
    // With TLS 1.2 the client learns of it during the handshake.
    assert!(link.is_err());
    counted(&node, "the node", |stats| stats.revoked == 2).await;
    log()
        .wait_for(&["SDK at", "CN=revoked", "has been revoked"])
        .await;
    log()
        .wait_for(&["node at", "CN=revoked", "has been revoked"])
        .await;
    let welcome = connect(&node, identity(&agency, Leaf::Sdk, "welcome")).await;
    welcome.unwrap().close().await;
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_list_that_is_none_or_of_nobody_known_keeps_the_node_from_starting() {
    let agency = agency();
    let stranger = Authority::new_ec("other")
        .unwrap()
        .agency("stranger")
        .unwrap();
    let folder = TempDir::new().unwrap();
    let validity = Validity::starting(SystemTime::now());
    let cases = [
        (
            "strange.crl",
            stranger.revoke(&[], validity).unwrap(),
            "CN=stranger",
        ),
        ("none.crl", agency.cert_pem().to_owned(), "BEGIN X509 CRL"),
    ];
    for (name, content, complaint) in cases {
        let file = folder.path().join(name);
        fs::write(&file, content).unwrap();
        let error = node_of(&agency)
            .revocation_list(&file)
            .start()
            .await
            .unwrap_err();
        let text = amop::with_causes(&error).to_string();
        assert!(text.contains(name) && text.contains(complaint), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_place_and_what_is_no_frame_is_counted() {
    let limits = ListenLimits::default().with(|limits| limits.sessions = 1);
    let network: Network = network_with(1, |_, builder| builder.listen_limits(limits)).await;
    let node = network.node(0).unwrap();
    let config = network.sdk().client_config().unwrap();
    let mut link = RawLink::connect(network.endpoint(0), config).await.unwrap();
    connect(node, network.sdk()).await.unwrap_err();
    counted(node, "the one turned away", |stats| {
        stats.messages.sessions_refused > 0
    })
    .await;
    // A frame of length zero is invalid.
    link.write(&[0; 64]).await.unwrap();
    counted(node, "the bad frame", |stats| stats.bad_frames == 1).await;
    assert_eq!(within("the end", link.read()).await.unwrap(), None);
    assert_eq!(node.stats().handshakes_failed, 0);
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_the_bandwidth_gets_103() {
    let limits = Limits::default().with(|limits| limits.outgoing_bandwidth = Some(1000));
    let network = network_with(2, |_, builder| builder.limits(limits)).await;
    let (publisher, subscriber) = (client(&network, 0).await, client(&network, 1).await);
    let topic = TopicName::new("news").unwrap();
    let mut news = subscriber.subscribe_raw(&topic).await.unwrap();
    // A message that uses the bandwidth of a minute: it is sent, and nothing else is sent
    // meanwhile.
    let long = vec![b'x'; 60_000];
    publisher
        .publish_multicast_raw(&topic, long.into())
        .await
        .unwrap();
    let error = publisher
        .publish_multicast_raw(&topic, "more".into())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("outgoing_bandwidth_limit"),
        "{error}"
    );
    let error = publisher
        .publish_unicast_raw(&topic, "more".into())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("outgoing_bandwidth_limit"),
        "{error}"
    );
    let delivery = within("the long one", news.next()).await.unwrap();
    assert_eq!(delivery.to_vec().len(), 60_000);
    assert!(network.node(0).unwrap().stats().messages.over_bandwidth >= 2);
    publisher.close().await;
    subscriber.close().await;
    network.shutdown().await;
}
