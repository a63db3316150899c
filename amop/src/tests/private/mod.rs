//! Tests of private topics; the test plays the nodes and the other side.

mod publishing;
mod subscribing;

use amop_proto::{
    channel::{PrivateName, result_code},
    p2p::NodeId,
};
use futures::FutureExt;

use super::{fake_nodes::*, *};

const OTHER_NODE: NodeId = NodeId([0xab; 64]);

/// As [`Hello`], but private.
#[derive(Debug, Clone, PartialEq)]
struct Secret(String);

impl Topic for Secret {
    const TOPIC: &'static str = "secret";
    const PRIVATE: bool = true;
    type Codec = codec::Text;
}

impl codec::TextValue for Secret {
    fn as_text(&self) -> &str {
        &self.0
    }

    fn from_text(text: String) -> Self {
        Self(text)
    }
}

fn secret() -> Secret {
    Secret("of the trade".into())
}

fn name() -> PrivateName {
    PrivateName::new("secret").unwrap()
}

fn body(payload: &[u8]) -> Bytes {
    frame_topic(name().topic().as_bytes(), payload)
}

/// Returns a topic on which a subscriber could take challenges.
fn route(n: u8) -> String {
    format!(
        "#!$VerifyChannel_{}_{}",
        name().topic(),
        format!("{n:02x}").repeat(16)
    )
}

impl Node {
    /// Asks to verify the subscriber with a route at another node, and returns the challenge.
    async fn wish(&mut self, n: u8, route: &str) -> Frame {
        let topic = name();
        let body = format!(
            "{{\"nodeId\":\"{OTHER_NODE}\",\"topic\":\"{}\",\"topicForCert\":\"{route}\"}}\n",
            topic.topic()
        );
        let wish = Frame::new(FrameType::VERIFY_PEER, Seq([n; 32]), body);
        self.send(wish).await;
        let ack = self.expect(FrameType::VERIFY_PEER).await;
        assert_eq!((ack.seq, ack.body.len()), (Seq([n; 32]), 0));
        let challenge = self.expect(FrameType::UNICAST).await;
        assert_eq!(
            split_topic(&challenge.body).unwrap().topic,
            route.as_bytes()
        );
        challenge
    }

    /// Answers a challenge with a signature of it.
    async fn sign(&mut self, challenge: &Frame, key: &TopicKey) -> Bytes {
        let parts = split_topic(&challenge.body).unwrap();
        let signature = Bytes::copy_from_slice(&key.sign(&parts.payload));
        self.answer_with(challenge, &signature).await;
        signature
    }

    async fn answer_with(&mut self, challenge: &Frame, signature: &[u8]) {
        let parts = split_topic(&challenge.body).unwrap();
        let body = frame_topic(&parts.topic, signature);
        self.answer(challenge, result_code::SUCCESS, body).await;
    }

    /// Receives the result for the other node.
    async fn verdict(&mut self) {
        let result = self.expect(FrameType::VERIFY_RESULT).await;
        let body: serde_json::Value = serde_json::from_slice(&result.body).unwrap();
        assert_eq!(body["checkResult"], 0);
        assert_eq!(body["nodeId"], OTHER_NODE.to_string());
        assert_eq!(body["topic"], "#!$TopicNeedVerify_secret");
    }
}

/// Returns a client that granted the topic to a key.
async fn granted() -> (Client, Node, TopicKey) {
    let (client, mut node) = connect().await;
    let key = TopicKey::generate();
    let keys = [key.public_key()];
    let (granted, topics) = tokio::join!(client.grant::<Secret>(&keys), node.confirm());
    granted.unwrap();
    assert_eq!(topics, ["#!$PushChannel_#!$TopicNeedVerify_secret"]);
    (client, node, key)
}

async fn failure(events: &mut Events) -> VerificationFailure {
    loop {
        match events.next().await {
            Some(Event::VerificationFailed {
                topic,
                endpoint,
                node,
                failure,
            }) => {
                assert_eq!((&*topic, &*endpoint), ("secret", "node:1"));
                assert_eq!(node, OTHER_NODE.to_string());
                return failure;
            }
            Some(Event::Connected { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn expect_verified(events: &mut Events) {
    loop {
        match events.next().await {
            Some(Event::SubscriberVerified { topic, node, .. }) => {
                assert_eq!((topic, node), ("secret".into(), OTHER_NODE.to_string()));
                return;
            }
            Some(Event::VerificationFailed { failure, .. }) => panic!("{failure}"),
            Some(_) => {}
            None => panic!("closed"),
        }
    }
}

// ---- the publisher ----
