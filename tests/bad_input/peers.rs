//! Nodes that may not connect to each other.

use amop_node::{
    Node, NodeBuilder, NodeId,
    config::NodeConfig,
    layout::{DevnetLayout, DevnetSpec, write_devnet},
};
use amop_testkit::{PATIENCE, log, within};

/// Configurations of three nodes of one chain, with ports that the system chooses and no peers.
struct Chain {
    _dir: tempfile::TempDir,
    layout: DevnetLayout,
}

impl Chain {
    fn new() -> Self {
        log();
        let dir = tempfile::tempdir().unwrap();
        let layout = write_devnet(&DevnetSpec::new(dir.path(), 3)).unwrap();
        Self { _dir: dir, layout }
    }

    fn id(&self, index: usize) -> NodeId {
        self.layout.nodes[index].node_id
    }

    async fn start(&self, index: usize, change: impl FnOnce(&mut NodeConfig)) -> Node {
        let file = &self.layout.nodes[index].config;
        let (mut config, _) = NodeConfig::from_ini_file(file).unwrap();
        config.channel_listen.set_port(0);
        config.p2p_listen.set_port(0);
        config.jsonrpc_listen = None;
        config.peers.clear();
        change(&mut config);
        NodeBuilder::from_config(&config)
            .unwrap()
            .start()
            .await
            .unwrap()
    }

    async fn start_dialling(&self, index: usize, node: &Node) -> Node {
        let address = node.p2p_address().to_string().parse().unwrap();
        self.start(index, |config| config.peers.push(address)).await
    }
}

/// Node 1 dials node 0 and is refused; node 2 is admitted.
async fn only_node_2_gets_in(chain: &Chain, node0: Node) {
    let node1 = chain.start_dialling(1, &node0).await;
    let refused = chain.id(1).to_string();
    log()
        .wait_for(&["node at", "refused", &refused, "the lists of this node"])
        .await;
    // The refused node logs it, too, and says what to check.
    let address = node0.p2p_address().to_string();
    log()
        .wait_for(&[&address, "will keep trying", "on its black list"])
        .await;

    let node2 = chain.start_dialling(2, &node0).await;
    node2.wait_for_peers(1, PATIENCE).await.unwrap();
    node0.wait_for_peers(1, PATIENCE).await.unwrap();
    assert_eq!(node0.peers(), [node2.node_id()]);
    assert_eq!(node1.peers(), []);
    for node in [node0, node1, node2] {
        within("shutdown", node.shutdown()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_the_black_list_does_not_get_in() {
    let chain = Chain::new();
    let banned = chain.id(1);
    let node0 = chain.start(0, |config| config.blacklist.push(banned)).await;
    only_node_2_gets_in(&chain, node0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_on_the_white_list_does_not_get_in() {
    let chain = Chain::new();
    let welcome = chain.id(2);
    let node0 = chain
        .start(0, |config| config.whitelist = Some(vec![welcome]))
        .await;
    only_node_2_gets_in(&chain, node0).await;
}

/// The lists apply to both directions.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_does_not_talk_to_one_on_its_black_list_that_it_dials() {
    let chain = Chain::new();
    let node1 = chain.start(1, |_| {}).await;
    let address = node1.p2p_address().to_string();
    let (banned, peer) = (chain.id(1), address.parse().unwrap());
    let node0 = chain
        .start(0, |config| {
            config.blacklist.push(banned);
            config.peers.push(peer);
        })
        .await;
    let line = log()
        .wait_for(&[&address, "will keep trying", "the lists of this node"])
        .await;
    assert!(line.contains(&banned.to_string()), "{line}");
    assert_eq!(node0.peers(), []);
    assert_eq!(node1.peers(), []);
    node0.shutdown().await;
    node1.shutdown().await;
}

/// A node of another chain is refused, whatever it dials.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_chain_does_not_get_in() {
    let (ours, theirs) = (Chain::new(), Chain::new());
    let node = ours.start(0, |_| {}).await;
    let stranger = theirs.start_dialling(0, &node).await;
    let address = node.p2p_address().to_string();
    log()
        .wait_for(&[&address, "will keep trying", "compare ca.crt on both sides"])
        .await;
    assert_eq!(node.peers(), []);
    assert_eq!(stranger.peers(), []);
    stranger.shutdown().await;
    node.shutdown().await;
}
