//! AMOP with the `amop` client: the node confirms multicasts, the subscriber answers unicasts.

use amop::{Client as Inner, Delivery, RawSubscription, TopicName};
use anyhow::Result;
use bytes::Bytes;
use futures::{StreamExt, stream::Map};
use tokio::task::JoinHandle;

use super::{Asking, Client};
use crate::{gate::Gate, job::Target};

#[derive(Clone)]
pub struct AmopClient(Inner);

impl Client for AmopClient {
    type Messages = Map<RawSubscription, fn(Delivery<Bytes>) -> Bytes>;

    async fn connect(target: &Target, server: usize) -> Result<Self> {
        let client = Inner::builder()
            .endpoint(&target.endpoints[server])
            .certificates(&target.certs)
            .connect()
            .await?;
        Ok(Self(client))
    }

    async fn subscribe(&self, topic: &str) -> Result<Self::Messages> {
        let subscription = self.0.subscribe_raw(&TopicName::new(topic)?).await?;
        Ok(subscription.map(Delivery::into_inner))
    }

    async fn publish(&self, topic: &str, payload: Bytes) -> Result<()> {
        Ok(self
            .0
            .publish_multicast_raw(&TopicName::new(topic)?, payload)
            .await?)
    }

    async fn publish_all(&self, topic: &str, payload: Bytes, gate: &Gate) -> Result<()> {
        let mut publisher = self.0.publisher_raw(&TopicName::new(topic)?);
        while gate.enter().await {
            publisher.publish(payload.clone()).await?;
        }
        Ok(publisher.flush().await?)
    }
}

impl Asking for AmopClient {
    async fn answer(&self, topic: &str) -> Result<JoinHandle<()>> {
        let mut requests = self.0.subscribe_raw(&TopicName::new(topic)?).await?;
        Ok(tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                let payload = Bytes::clone(&request);
                // If this fails, the other side notices that a reply is missing.
                let _ = request.reply_bytes(payload);
            }
        }))
    }

    async fn ask(&self, topic: &str, payload: Bytes) -> Result<Bytes> {
        let reply = self
            .0
            .publish_unicast_raw(&TopicName::new(topic)?, payload)
            .await?;
        Ok(reply.payload)
    }
}
