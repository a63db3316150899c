//! Connections on which nothing happens.

use std::time::Duration;

use amop::Protocol;
use amop_interop::{JavaSdks, Sdk3};

use super::net::Net;
use crate::talk::{ask, topic};

/// Longer than any limit of an SDK or a node for silence.
const IDLE: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn idle_sessions_stay() {
    let Some(sdks) = JavaSdks::find() else { return };
    let net = Net::start(2).await;
    let mut java = net.sdk(&sdks, Sdk3::Java, 0).await.unwrap();
    let mut c = net.sdk(&sdks, Sdk3::C, 1).await.unwrap();
    let client = net.client(Protocol::V3, 1).await;
    let topics = [topic("idle-java"), topic("idle-c")];
    for (sdk, topic) in [&mut java, &mut c].into_iter().zip(&topics) {
        sdk.does(&["subscribe", topic.as_str(), "echo"]).await;
        ask(&client, topic, "there?").await;
    }
    tokio::time::sleep(IDLE).await;
    // An SDK that had lost its connection would be away for 10 s and more.
    for topic in &topics {
        let reply = client.publish_unicast_raw(topic, "still there?".into());
        assert_eq!(reply.await.unwrap().payload, "still there?");
    }
    net.end([client]).await;
}
