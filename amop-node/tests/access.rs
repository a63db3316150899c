//! Which SDKs and nodes a node admits, and how this changes while it runs: reloaded lists, expiring
//! certificates, and the roles that are logged at the start.

use std::{
    collections::HashSet,
    fs,
    time::{Duration, SystemTime},
};

use amop::{Client, CloseReason, ReconnectPolicy};
use amop_node::{
    AccessLists, Node, NodeBuilder, NodeId, Timeouts,
    config::NodeConfig,
    layout::{DevnetSpec, write_devnet},
};
use amop_testkit::{PATIENCE, RawLink, agency, counted, identity, issued_by, log, within};
use amop_tls::{
    ClientOptions, Identity, PeerOptions, PublicKey,
    pki::{Agency, Leaf, Validity},
};
use tempfile::TempDir;

fn node_of(agency: &Agency) -> NodeBuilder {
    log();
    Node::builder().identity(identity(agency, Leaf::Node, "node"))
}

async fn connect(node: &Node, identity: Identity) -> Result<Client, amop::ConnectError> {
    let builder = Client::builder()
        .endpoint(node.channel_address().to_string())
        .identity(identity)
        .reconnect(ReconnectPolicy::never())
        .connect_timeout(PATIENCE);
    builder.connect().await
}

/// Connects to a node's port for nodes.
async fn peer(node: &Node, identity: &Identity) -> std::io::Result<RawLink> {
    let config = identity.peer_client_config(None).unwrap();
    let address = node.p2p_address().to_string();
    within("a peer", RawLink::connect(&address, config)).await
}

/// Reads until the node ends the connection.
async fn ended(mut link: RawLink) {
    within("the end", async {
        while matches!(link.read().await, Ok(Some(_))) {}
    })
    .await;
}

async fn peers(node: &Node, count: usize) {
    within("the peers", async {
        while node.peers().len() != count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_lists_close_those_they_refuse_and_no_others() {
    let agency = agency();
    let node = node_of(&agency).start().await.unwrap();
    let issue = |leaf, name: &str| agency.issue(leaf, name).unwrap();
    let (good, bad) = (issue(Leaf::Sdk, "good"), issue(Leaf::Sdk, "revoked-sdk"));
    let (friend, foe) = (
        issue(Leaf::Node, "friend"),
        issue(Leaf::Node, "revoked-node"),
    );
    let listed = issue(Leaf::Node, "blacklisted-node");
    let good = connect(&node, issued_by(&agency, &good)).await.unwrap();
    let refused = connect(&node, issued_by(&agency, &bad)).await.unwrap();
    let _friend = peer(&node, &issued_by(&agency, &friend)).await.unwrap();
    let enemy = peer(&node, &issued_by(&agency, &foe)).await.unwrap();
    let black = peer(&node, &issued_by(&agency, &listed)).await.unwrap();
    peers(&node, 3).await;

    let folder = TempDir::new().unwrap();
    let file = folder.path().join("agency.crl");
    let validity = Validity::starting(SystemTime::now());
    let list = agency.revoke(&[&bad.cert_pem, &foe.cert_pem], validity);
    fs::write(&file, list.unwrap()).unwrap();
    let mut lists = AccessLists::default();
    lists.revocation_lists = vec![file.clone()];
    lists.blacklist = HashSet::from([NodeId(listed.public_key)]);
    let reloaded = node.reload(lists.clone()).await.unwrap();
    assert_eq!((reloaded.sessions_closed, reloaded.peers_closed), (1, 2));
    assert_eq!(within("the end", refused.closed()).await, CloseReason::Peer);
    ended(enemy).await;
    ended(black).await;
    peers(&node, 1).await;
    assert!(good.is_connected());
    assert_eq!(node.session_count(), 1);
    assert_eq!(node.stats().lapsed, 3);
    log()
        .wait_for(&["session", "has been revoked by its issuer"])
        .await;
    log()
        .wait_for(&["connection from node", "do not let it in any longer"])
        .await;

    // The ones on the lists cannot come back, others can.
    connect(&node, issued_by(&agency, &bad)).await.unwrap_err();
    counted(&node, "the SDK", |stats| stats.revoked == 1).await;
    assert!(peer(&node, &issued_by(&agency, &listed)).await.is_err());
    counted(&node, "the node", |stats| stats.unlisted == 1).await;

    // A list that cannot be used changes nothing.
    fs::write(&file, "no list at all").unwrap();
    let error = node.reload(lists.clone()).await.unwrap_err();
    let text = amop::with_causes(&error).to_string();
    assert!(
        text.contains("stay in force") && text.contains("agency.crl"),
        "{text}"
    );
    connect(&node, issued_by(&agency, &bad)).await.unwrap_err();
    assert!(good.is_connected());

    // An allow list where there was none, then no list again.
    let mut lists = AccessLists::default();
    lists.sdk_allowlist = Some(HashSet::from([PublicKey(bad.public_key)]));
    let reloaded = node.reload(lists).await.unwrap();
    assert_eq!((reloaded.sessions_closed, reloaded.peers_closed), (1, 0));
    assert_eq!(within("the end", good.closed()).await, CloseReason::Peer);
    connect(&node, issued_by(&agency, &bad))
        .await
        .unwrap()
        .close()
        .await;
    let reloaded = node.reload(AccessLists::default()).await.unwrap();
    assert_eq!((reloaded.sessions_closed, reloaded.peers_closed), (0, 0));
    let welcome = connect(&node, identity(&agency, Leaf::Sdk, "welcome")).await;
    welcome.unwrap().close().await;
    node.shutdown().await;
}

/// Handshakes in progress while lists change end as the new lists say.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_slips_in_while_lists_change() {
    let agency = agency();
    let node = node_of(&agency).start().await.unwrap();
    let sdk = agency.issue(Leaf::Sdk, "slippery").unwrap();
    let identity = issued_by(&agency, &sdk);
    let mut nobody = AccessLists::default();
    nobody.sdk_allowlist = Some(HashSet::new());
    for _ in 0..20 {
        node.reload(AccessLists::default()).await.unwrap();
        let connecting = async {
            let config = identity.client_config().unwrap();
            RawLink::connect(&node.channel_address().to_string(), config).await
        };
        let (link, _) = tokio::join!(connecting, node.reload(nobody.clone()));
        if let Ok(link) = link {
            ended(link).await;
        }
        within("nobody", async {
            while node.session_count() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    node.shutdown().await;
}

/// Valid since a while ago, for `seconds` more seconds.
fn valid_for(seconds: u64) -> Validity {
    let now = SystemTime::now();
    Validity {
        not_before: now - Duration::from_secs(3600),
        not_after: now + Duration::from_secs(seconds),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_certificates_end_sessions_and_peers() {
    const LIFE: u64 = 8;
    let agency = agency();
    // Long enough that silence does not end any of them earlier.
    let timeouts = Timeouts::default().with(|timeouts| {
        timeouts.announce = PATIENCE;
        timeouts.peer_idle = PATIENCE;
        timeouts.session_idle = PATIENCE;
    });
    let node = node_of(&agency).timeouts(timeouts).start().await.unwrap();
    let issue = |leaf| {
        let issued = agency.issue_with(leaf, "mayfly", valid_for(LIFE)).unwrap();
        issued_by(&agency, &issued)
    };
    let (sdk, other) = (issue(Leaf::Sdk), issue(Leaf::Node));
    let lasting = connect(&node, identity(&agency, Leaf::Sdk, "lasting"))
        .await
        .unwrap();
    let config = sdk.client_config().unwrap();
    let session = RawLink::connect(&node.channel_address().to_string(), config).await;
    let link = peer(&node, &other).await.unwrap();
    peers(&node, 1).await;
    assert_eq!(node.session_count(), 2);
    ended(session.unwrap()).await;
    ended(link).await;
    counted(&node, "both", |stats| stats.lapsed == 2).await;
    // They do not end before they expire.
    let over = u64::try_from(sdk.not_after()).unwrap();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(now > over, "closed at {now}, valid until {over}");
    log()
        .wait_for(&["session", "or one above it, expired at 20"])
        .await;
    log()
        .wait_for(&["connection from node", "or one above it, expired at 20"])
        .await;
    assert!(lasting.is_connected());
    peers(&node, 0).await;
    lasting.close().await;
    node.shutdown().await;
}

/// The client gets a typed reason, tries again, and then gets a typed error.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_a_node_that_expires_is_told_so() {
    let agency = agency();
    let issued = agency
        .issue_with(Leaf::Node, "mayfly", valid_for(8))
        .unwrap();
    let server = issued_by(&agency, &issued);
    let at = server.not_after();
    let node = Node::builder().identity(server).start().await.unwrap();
    let client = Client::builder()
        .endpoint(node.channel_address().to_string())
        .identity(identity(&agency, Leaf::Sdk, "sdk"))
        .connect_timeout(PATIENCE)
        .connect()
        .await
        .unwrap();
    let mut events = client.events();
    let told = async {
        let (mut reason, mut failure) = (None, None);
        while let Some(event) = events.next().await {
            match event {
                amop::Event::Disconnected { reason: why, .. } => reason = Some(why),
                amop::Event::ConnectFailed { error, .. } => {
                    failure = Some(error);
                    break;
                }
                _ => {}
            }
        }
        (reason, failure)
    };
    let (reason, failure) = within("the news", told).await;
    let Some(CloseReason::Expired(expired)) = reason else {
        panic!("{reason:?}");
    };
    assert_eq!((expired.own, expired.at), (false, at));
    assert!(expired.subject.contains("CN="), "{expired}");
    let failure = failure.unwrap();
    assert!(
        matches!(
            &*failure,
            amop::ConnectError::Tls {
                source: amop::HandshakeFailure::PeerExpired { .. },
                ..
            }
        ),
        "{failure}"
    );
    client.close().await;
    node.shutdown().await;
}

/// A folder made by the chain's script causes no warning; what certificates do not distinguish is
/// logged once.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_chain_that_does_not_tell_roles_says_so() {
    const LOUD: &str = "ANY SDK OF THE CHAIN MAY ACT AS A NODE HERE";
    let agency = agency();
    log();
    let start = async |unit: &str, name: &str, change: fn(NodeBuilder) -> NodeBuilder| {
        let validity = Validity::starting(SystemTime::now());
        let issued = agency.issue_as(unit, name, validity).unwrap();
        let node = change(Node::builder().identity(issued_by(&agency, &issued)));
        node.start().await.unwrap().shutdown().await;
    };
    let said = |name: &str| {
        log()
            .find(&[LOUD, name, "[certificate_whitelist] cal.N"])
            .is_some()
    };
    start("agency", "silent-one", |node| node).await;
    assert!(said("CN=silent-one"));
    start("agency", "listed-one", |node| {
        node.node_whitelist([NodeId([1; 64])])
    })
    .await;
    assert!(!said("CN=listed-one"));
    start("node", "usual-one", |node| node).await;
    assert!(!said("CN=usual-one"));
    start("ssl", "guomi-one", |node| node).await;
    assert!(!said("CN=guomi-one"));
    start("node", "early-one", |node| {
        node.fisco_version("2.0.0".parse().unwrap())
    })
    .await;
    assert!(said("CN=early-one"));
    start("node", "switched-one", |node| {
        node.sdk_certificates_as_nodes(true)
    })
    .await;
    assert!(said("CN=switched-one"));
    // A node with an SDK certificate can start, but hardly any node or client accepts it.
    start("sdk", "wrong-one", |node| node).await;
    let line = log().find(&["CN=wrong-one", "is an SDK certificate", "ERROR"]);
    assert!(line.is_some());
}

/// The setting of the configuration, and the files where it is wrong.
#[test]
fn the_switch_is_read_from_the_configuration() {
    let dir = TempDir::new().unwrap();
    let layout = write_devnet(&DevnetSpec::new(dir.path(), 1)).unwrap();
    let text = fs::read_to_string(&layout.nodes[0].config).unwrap();
    let read = |more: &str| {
        let text = text.replace("[amop]\n", &format!("[amop]\n{more}"));
        NodeConfig::from_ini_str(&text, "config.ini")
    };
    assert!(!read("").unwrap().0.sdk_certificates_as_nodes);
    let (config, warnings) = read("sdk_certificates_as_nodes=true\n").unwrap();
    assert!(config.sdk_certificates_as_nodes);
    assert_eq!(warnings, []);
    let error = read("sdk_certificates_as_nodes=maybe\n").unwrap_err();
    assert!(
        error.to_string().contains("amop.sdk_certificates_as_nodes"),
        "{error}"
    );
}

/// With the setting, everything is accepted that was accepted before there were roles.
#[tokio::test(flavor = "multi_thread")]
async fn the_switch_lets_sdks_be_nodes() {
    let agency = agency();
    let node = node_of(&agency)
        .sdk_certificates_as_nodes(true)
        .start()
        .await
        .unwrap();
    let sdk = identity(&agency, Leaf::Sdk, "odd");
    let address = node.p2p_address().to_string().parse().unwrap();
    let odd = Node::builder()
        .identity(sdk.clone())
        .sdk_certificates_as_nodes(true)
        .peer(address)
        .start()
        .await
        .unwrap();
    for node in [&node, &odd] {
        node.wait_for_peers(1, PATIENCE).await.unwrap();
    }
    let options = PeerOptions::default().sdk_certificates_as_nodes(true);
    assert!(sdk.verifier_of_peers(options).is_ok());
    let options = ClientOptions::default().sdk_certificates_as_nodes(true);
    let config = sdk.dialling(&sdk.verifier_of_nodes(options)).unwrap();
    let link = RawLink::connect(&odd.channel_address().to_string(), config).await;
    assert!(link.is_ok());
    odd.shutdown().await;
    node.shutdown().await;
}
