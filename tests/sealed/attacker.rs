//! Somebody with a certificate of the chain who sees every message and can send any bytes to the topic:
//! what a node on the way can do as well.

use amop::{Client, PublishError, RawSubscription, Reply, TopicName};
use amop_node::Network;
use amop_tests::{client, within};

pub(crate) struct Attacker {
    client: Client,
    topic: TopicName,
    seen: RawSubscription,
}

impl Attacker {
    pub(crate) async fn new(network: &Network, node: usize) -> Self {
        let client = client(network, node).await;
        let topic = TopicName::new("settlement").unwrap();
        let seen = within("subscribing", client.subscribe_raw(&topic))
            .await
            .unwrap();
        Self {
            client,
            topic,
            seen,
        }
    }

    /// The next message as it is on the wire.
    pub(crate) async fn next(&mut self) -> Vec<u8> {
        let delivery = within("a message on the wire", self.seen.next()).await;
        delivery.unwrap().into_inner().to_vec()
    }

    pub(crate) async fn multicast(&self, payload: Vec<u8>) {
        let publish = self.client.multicast(&self.topic, payload.into());
        within("the attacker's multicast", publish).await.unwrap();
    }

    /// Sends a unicast, to others than itself, while `meanwhile` goes on.
    pub(crate) async fn unicast(
        &mut self,
        payload: Vec<u8>,
        meanwhile: impl Future<Output = ()>,
    ) -> Result<Reply, PublishError> {
        self.leave().await;
        tokio::select! {
            reply = self.client.unicast(&self.topic, payload.into()) => reply,
            () = meanwhile => unreachable!("it panics"),
        }
    }

    /// Answers the next unicast, which it cannot read.
    pub(crate) async fn answer(&mut self, with: &[u8]) {
        let delivery = within("a message on the wire", self.seen.next()).await;
        delivery.unwrap().reply_bytes(with).unwrap();
    }

    /// Subscribes to nothing any more.
    pub(crate) async fn leave(&mut self) {
        within("leaving", self.seen.unsubscribe()).await.unwrap();
    }
}
