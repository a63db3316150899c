//! A node refuses an SDK certificate.

use amop_node::Network;
use amop_testkit::{RawLink, network, within};

use super::innocents::Innocents;

async fn wrong_roles(network: &Network, count: u64) {
    let node = network.node(0).unwrap();
    within("the refusals", async {
        while node.stats().wrong_role < count {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// An SDK connects to the port for nodes a hundred times, and is refused in the handshake every
/// time.
#[tokio::test(flavor = "multi_thread")]
async fn an_sdk_is_refused_as_a_node() {
    let network = network(2).await;
    let mut innocents = Innocents::start(&network).await;
    let address = network.node(0).unwrap().p2p_address().to_string();
    let peers = network.node(0).unwrap().peers();
    let config = network.sdk().peer_client_config(None).unwrap();
    for _ in 0..100 {
        let link = RawLink::connect(&address, config.clone()).await;
        let refused = match link {
            Err(_) => true,
            // With TLS 1.2 a client learns of the refusal only when it reads again.
            Ok(mut link) => !matches!(link.read().await, Ok(Some(_))),
        };
        assert!(refused, "an SDK was let in as a node");
    }
    wrong_roles(&network, 100).await;
    assert_eq!(network.node(0).unwrap().peers(), peers);
    innocents.go_on().await;
    innocents.stop().await;
    network.shutdown().await;
}
