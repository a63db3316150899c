//! NATS with `async-nats`, with core subjects: only requests are acknowledged, by their replies.

use anyhow::{Context, Result};
use async_nats::{Client as Inner, ConnectOptions, Message, Subscriber};
use bytes::Bytes;
use futures::{StreamExt, stream::Map};
use rustls::ClientConfig;
use tokio::task::JoinHandle;

use super::{Asking, Client};
use crate::{certs, gate::Gate, job::Target};

#[derive(Clone)]
pub struct NatsClient(Inner);

impl Client for NatsClient {
    type Messages = Map<Subscriber, fn(Message) -> Bytes>;

    async fn connect(target: &Target, server: usize) -> Result<Self> {
        let client = ConnectOptions::new()
            .tls_client_config(ClientConfig::clone(&*certs::client(&target.certs)?))
            .require_tls(true)
            // The client must stay with its server.
            .ignore_discovered_servers()
            .connect(format!("tls://{}", target.endpoints[server]))
            .await?;
        Ok(Self(client))
    }

    async fn subscribe(&self, topic: &str) -> Result<Self::Messages> {
        let subscriber = self.0.subscribe(topic.to_owned()).await?;
        self.0.flush().await?;
        Ok(subscriber.map(|message| message.payload))
    }

    async fn publish(&self, topic: &str, payload: Bytes) -> Result<()> {
        self.0.publish(topic.to_owned(), payload).await?;
        Ok(self.0.flush().await?)
    }

    async fn publish_all(&self, topic: &str, payload: Bytes, gate: &Gate) -> Result<()> {
        let subject = async_nats::Subject::from(topic);
        while gate.enter().await {
            self.0.publish(subject.clone(), payload.clone()).await?;
        }
        Ok(self.0.flush().await?)
    }
}

impl Asking for NatsClient {
    async fn answer(&self, topic: &str) -> Result<JoinHandle<()>> {
        let mut requests = self.0.subscribe(topic.to_owned()).await?;
        self.0.flush().await?;
        let client = self.0.clone();
        Ok(tokio::spawn(async move {
            while let Some(request) = requests.next().await {
                let Some(reply) = request.reply else { continue };
                // If this fails, the other side notices that a reply is missing.
                let _ = client.publish(reply, request.payload).await;
            }
        }))
    }

    async fn ask(&self, topic: &str, payload: Bytes) -> Result<Bytes> {
        let reply = self.0.request(topic.to_owned(), payload).await;
        Ok(reply.context("no reply")?.payload)
    }
}
