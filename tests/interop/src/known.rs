//! Waits until a node knows that another one has subscribers.

use amop_node::Network;
use amop_proto::channel::FrameType;
use amop_testkit::{Sdk, within};
use serde_json::Value;

/// Waits until a node knows that `peers` of its peers have the topic. The node is queried over the
/// channel (channel-v2 section 11.7), so this uses no message.
///
/// # Panics
///
/// If this does not happen in time.
pub async fn known_at(network: &Network, node: usize, topic: &str, peers: usize) {
    let tls = network.sdk().client_config().unwrap();
    let mut sdk = Sdk::connect(network.endpoint(node), tls).await;
    let question = r#"{"id":1,"jsonrpc":"2.0","method":"getPeers","params":[1]}"#;
    let asking = async {
        for number in 1.. {
            let answer = sdk.ask(FrameType::RPC, number, question).await;
            let answer: Value = serde_json::from_slice(&answer.body).unwrap();
            let all = answer["result"].as_array().unwrap();
            let having = all.iter().filter(|peer| {
                let topics = peer["Topic"].as_array().unwrap();
                topics.iter().any(|known| known == topic)
            });
            if having.count() >= peers {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    within(&format!("{topic} at node {node}"), asking).await;
}
