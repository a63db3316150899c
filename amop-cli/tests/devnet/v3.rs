//! Networks with nodes of 3.x.

use super::*;

/// Connects an SDK of 3.x with the certificates of a folder.
async fn connect_v3(port: u16, sdk: &Path) -> V3Sdk {
    let files = CertFiles::sdk(sdk).unwrap();
    let identity = Identity::load(&files).unwrap();
    let endpoint = format!("127.0.0.1:{port}");
    within("3.x", V3Sdk::connect(&endpoint, &identity)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_a_3x_chain_come_up() {
    let temp = TempDir::new().unwrap();
    let base = free_ports(2);
    let devnet = start(temp.path(), base, &["--chain", "3"]);
    let sdk = temp.path().join("127.0.0.1/sdk");
    assert_eq!(
        devnet.lines,
        [
            "AMOP network of 2 nodes is up, with no chain below it.".to_owned(),
            format!("  node0  SDKs of 3.x 127.0.0.1:{base}"),
            format!("  node1  SDKs of 3.x 127.0.0.1:{}", base + 1),
            format!("Certificates for SDKs of 3.x: {}", sdk.display()),
            "Try, in two other terminals:".to_owned(),
            format!(
                "  cargo run --release --example subscriber -- 127.0.0.1:{} hello",
                base + 1
            ),
            format!("  cargo run --release --example unicast_publisher -- 127.0.0.1:{base} hello"),
            "Ctrl-C stops the network.".to_owned(),
        ]
    );
    let files = snapshot(temp.path());
    for file in [
        "127.0.0.1/node0/config.ini",
        "127.0.0.1/node0/nodes.json",
        "127.0.0.1/node0/conf/ssl.key",
        "127.0.0.1/sdk/sdk.key",
        "ca/ca.key",
    ] {
        assert!(files.contains_key(file), "{file} of {:?}", files.keys());
    }
    let mut subscriber = connect_v3(base, &sdk).await;
    within("the subscription", subscriber.subscribe(&["topic"])).await;
    // The gateways of the two nodes carry it.
    let publisher = connect(base + 1, sdk.clone()).await;
    answers(&publisher, &mut subscriber).await;
    devnet.stop("INT");
    assert!(is_free(base));
    let devnet = start(temp.path(), base, &["--chain", "3"]);
    assert_eq!(snapshot(temp.path()), files);
    devnet.stop("TERM");
}

/// A native client asks an SDK of 3.x that has the topic, at another node, which learns of it later.
async fn answers(publisher: &Client, sdk: &mut V3Sdk) {
    let topic = "topic".parse().unwrap();
    let asking = async {
        loop {
            match publisher.publish_unicast_raw(&topic, "ping".into()).await {
                Ok(reply) => return reply.payload,
                Err(error) => assert!(
                    matches!(error.kind(), amop::PublishErrorKind::NoSubscriber { .. }),
                    "{error}"
                ),
            }
        }
    };
    let answering = async {
        let (message, _) = sdk.request().await;
        sdk.answer(&message, 0, "pong").await;
    };
    let exchange = async { tokio::join!(asking, answering) };
    let (reply, ()) = within("an exchange", exchange).await;
    assert_eq!(reply, "pong");
}

/// Sends a message from an SDK of 2.x at the first node to one of 3.x.
async fn crosses(dir: &Path, base: u16) {
    let mut sdk = connect_v3(base - 1, &dir.join("chain3/127.0.0.1/sdk")).await;
    within("the subscription", sdk.subscribe(&["topic"])).await;
    let publisher = connect(base, dir.join("127.0.0.1/sdk")).await;
    answers(&publisher, &mut sdk).await;
}

/// An SDK of 3.x at one node, and one of 2.x at the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_of_both_generations_is_one() {
    let temp = TempDir::new().unwrap();
    // The port for SDKs of 3.x is below those of the nodes.
    let v3 = free_ports(3);
    let base = v3 + 1;
    let devnet = start(temp.path(), base, &["--chain", "2,3"]);
    let shown = format!("SDKs of 3.x 127.0.0.1:{v3}");
    assert!(devnet.lines[2].ends_with(&shown), "{:?}", devnet.lines);
    crosses(temp.path(), base).await;
    devnet.stop("INT");
}

/// Nodes are added one by one, first while there is no node of 3.x. It keeps its port.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_of_both_generations_grows() {
    let temp = TempDir::new().unwrap();
    let v3 = free_ports(4);
    let base = v3 + 1;
    start(temp.path(), base, &["--nodes", "1"]).stop("INT");
    let mut before = None;
    for nodes in [1_usize, 2, 3] {
        let count = nodes.to_string();
        let devnet = start(temp.path(), base, &["--chain", "2,3", "--nodes", &count]);
        let shown = format!("SDKs of 3.x 127.0.0.1:{v3}");
        let last = &devnet.lines[nodes];
        assert!(last.ends_with(&shown), "{:?}", devnet.lines);
        let files = snapshot(&temp.path().join("chain3"));
        assert_eq!(*before.get_or_insert_with(|| files.clone()), files);
        crosses(temp.path(), base).await;
        devnet.stop("INT");
    }
}

/// The file of a node may say that it is the bridge, as `amop-node` needs it.
#[tokio::test(flavor = "multi_thread")]
async fn the_bridge_may_be_another_node() {
    let temp = TempDir::new().unwrap();
    let v3 = free_ports(3);
    let base = v3 + 1;
    start(temp.path(), base, &["--chain", "2,3"]).stop("INT");
    let file = temp.path().join("127.0.0.1/node0/config.ini");
    let text = fs::read_to_string(&file).unwrap();
    let config = "[amop]\nv3_config=../../chain3/127.0.0.1/node0/config.ini\n";
    fs::write(&file, text.replace("[amop]\n", config)).unwrap();
    let devnet = start(temp.path(), base, &["--chain", "2,3"]);
    let shown = format!("SDKs of 3.x 127.0.0.1:{v3}");
    assert!(devnet.lines[1].ends_with(&shown), "{:?}", devnet.lines);
    assert!(!devnet.lines[2].contains("3.x"), "{:?}", devnet.lines);
    devnet.stop("INT");
}

/// In folders of earlier builds, the port of the node of 3.x follows those of the nodes of 2.x. They
/// work as they are; a node that would get this port is refused before anything is written.
#[test]
fn a_node_is_not_added_on_the_port_of_the_node_of_3x() {
    let temp = TempDir::new().unwrap();
    let v3 = free_ports(5);
    let base = v3 + 1;
    start(temp.path(), base, &["--chain", "2,3"]).stop("INT");
    let file = temp.path().join("chain3/127.0.0.1/node0/config.ini");
    let text = fs::read_to_string(&file).unwrap();
    let old = base + 2;
    let (own, other) = (
        format!("listen_port={v3}\n"),
        format!("listen_port={old}\n"),
    );
    assert!(text.contains(&own), "{text}");
    fs::write(&file, text.replace(&own, &other)).unwrap();
    let devnet = start(temp.path(), base, &["--chain", "2,3"]);
    let shown = format!("SDKs of 3.x 127.0.0.1:{old}");
    assert!(devnet.lines[2].ends_with(&shown), "{:?}", devnet.lines);
    devnet.stop("INT");
    let files = snapshot(temp.path());
    for chain in ["2", "2,3"] {
        let options = ["--chain", chain, "--nodes", "3"];
        let finished = Program::start(&mut up(temp.path(), base, &options)).finish();
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        let errors = &finished.errors;
        assert!(errors.contains("node2 and the node of 3.x"), "{errors}");
        assert!(errors.contains(&format!("port {old};")), "{errors}");
        assert_eq!(snapshot(temp.path()), files);
    }
}
