//! An attacker with a certificate of the chain, who sees every message and can send any bytes to
//! the topic. A node on the path can do this as well.

use std::pin::pin;

use amop::{Client, Delivery, PublishError, RawSubscription, Reply, TopicName};
use amop_node::Network;
use amop_testkit::{client, within};
use bytes::Bytes;

pub(crate) type RawDelivery = Delivery<Bytes>;

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

    /// Returns the next message as it is on the wire.
    pub(crate) async fn next(&mut self) -> Vec<u8> {
        let delivery = within("a message on the wire", self.seen.next()).await;
        delivery.unwrap().into_inner().to_vec()
    }

    pub(crate) async fn multicast(&self, payload: Vec<u8>) {
        let publish = self
            .client
            .publish_multicast_raw(&self.topic, payload.into());
        within("the attacker's multicast", publish).await.unwrap();
    }

    /// Sends a unicast to subscribers other than itself, while `meanwhile` runs.
    pub(crate) async fn unicast(
        &mut self,
        payload: Vec<u8>,
        meanwhile: impl Future<Output = ()>,
    ) -> Result<Reply, PublishError> {
        self.leave().await;
        tokio::select! {
            reply = self.client.publish_unicast_raw(&self.topic, payload.into()) => reply,
            () = meanwhile => unreachable!("it panics"),
        }
    }

    /// Answers every unicast that it draws, although it cannot read it, until `publish` ends.
    /// Returns how many it drew.
    pub(crate) async fn answering<T>(
        &mut self,
        answer: impl Fn(usize, RawDelivery),
        publish: impl Future<Output = T>,
    ) -> (T, usize) {
        let mut publish = pin!(within("publishing", publish));
        let mut drawn = 0;
        loop {
            tokio::select! {
                done = &mut publish => return (done, drawn),
                delivery = self.seen.next() => answer(drawn, delivery.unwrap()),
            }
            drawn += 1;
        }
    }

    /// Sends a unicast to any subscriber that it may reach.
    pub(crate) async fn bring(&self, payload: Vec<u8>) -> Result<Reply, PublishError> {
        let publish = self.client.publish_unicast_raw(&self.topic, payload.into());
        within("the attacker's unicast", publish).await
    }

    /// Ends its subscriptions.
    pub(crate) async fn leave(&mut self) {
        within("leaving", self.seen.unsubscribe()).await.unwrap();
    }
}
