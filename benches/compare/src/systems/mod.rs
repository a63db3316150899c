//! The common interface of the systems: the functions of a client library that a load generator
//! needs.

mod amop;
mod mqtt;
mod nats;
mod raw;

use std::future::Future;

use anyhow::Result;
use bytes::Bytes;
use futures::Stream;
use tokio::task::JoinHandle;

pub use self::{amop::AmopClient, mqtt::MqttClient, nats::NatsClient, raw::RawClient};
use crate::{gate::Gate, job::Target};

/// A connection of a client library, used as its documentation recommends.
pub trait Client: Clone + Send + Sync + 'static {
    /// The payloads of a subscription.
    type Messages: Stream<Item = Bytes> + Send + Unpin + 'static;

    /// Connects to the publishers' server (0) or the subscribers' (1).
    fn connect(target: &Target, server: usize) -> impl Future<Output = Result<Self>> + Send;

    fn subscribe(&self, topic: &str) -> impl Future<Output = Result<Self::Messages>> + Send;

    /// Publishes one message.
    fn publish(&self, topic: &str, payload: Bytes) -> impl Future<Output = Result<()>> + Send;

    /// Publishes the same message for as long as the gate allows, as fast as the library can.
    fn publish_all(
        &self,
        topic: &str,
        payload: Bytes,
        gate: &Gate,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// A client that supports requests and replies.
pub trait Asking: Client {
    /// Replies to each request with its own payload, in a task that ends with the client.
    fn answer(&self, topic: &str) -> impl Future<Output = Result<JoinHandle<()>>> + Send;

    /// Sends a request and waits for its reply.
    fn ask(&self, topic: &str, payload: Bytes) -> impl Future<Output = Result<Bytes>> + Send;
}
