//! MQTT with `rumqttc`, with QoS 0.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, TlsConfiguration, Transport};
use tokio::sync::watch;

use super::Client;
use crate::{certs, gate::Gate, job::Target};

/// The longest packet.
const MAX_PACKET: usize = 4 << 20;
/// Requests that may wait for the event loop.
const REQUESTS: usize = 256;

#[derive(Clone)]
pub struct MqttClient {
    client: AsyncClient,
    /// Messages that arrived; the gate limits their number.
    messages: Arc<Mutex<Option<UnboundedReceiver<Bytes>>>>,
    /// The number of acknowledged subscriptions.
    subscribed: watch::Receiver<u64>,
}

impl Client for MqttClient {
    type Messages = UnboundedReceiver<Bytes>;

    async fn connect(target: &Target, server: usize) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("compare-{}-{number}", std::process::id());
        let (host, port) = target.endpoints[server]
            .rsplit_once(':')
            .context("no port in the endpoint")?;
        let mut options = MqttOptions::new(id, host, port.parse()?);
        options.set_max_packet_size(MAX_PACKET, MAX_PACKET);
        let tls = TlsConfiguration::Rustls(certs::client(&target.certs)?);
        options.set_transport(Transport::Tls(tls));
        let (client, mut events) = AsyncClient::new(options, REQUESTS);
        events.network_options.set_tcp_nodelay(true);

        let (sender, messages) = unbounded();
        let (confirm, subscribed) = watch::channel(0);
        let (connected, ready) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let mut connected = Some(connected);
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(message))) => {
                        let _ = sender.unbounded_send(message.payload);
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => confirm.send_modify(|n| *n += 1),
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        if let Some(connected) = connected.take() {
                            let _ = connected.send(Ok(()));
                        }
                    }
                    Ok(_) => {}
                    Err(error) => {
                        match connected.take() {
                            Some(connected) => drop(connected.send(Err(error))),
                            None => eprintln!("an MQTT connection was lost: {error}"),
                        }
                        return;
                    }
                }
            }
        });
        ready.await.context("no connection")??;
        Ok(Self {
            client,
            messages: Arc::new(Mutex::new(Some(messages))),
            subscribed,
        })
    }

    async fn subscribe(&self, topic: &str) -> Result<Self::Messages> {
        let mut subscribed = self.subscribed.clone();
        let before = *subscribed.borrow_and_update();
        self.client.subscribe(topic, QoS::AtMostOnce).await?;
        subscribed.wait_for(|&count| count > before).await?;
        let messages = self.messages.lock().unwrap().take();
        messages.context("one subscription per client")
    }

    async fn publish(&self, topic: &str, payload: Bytes) -> Result<()> {
        let (qos, retain) = (QoS::AtMostOnce, false);
        let published = self.client.publish_bytes(topic, qos, retain, payload);
        Ok(published.await?)
    }

    async fn publish_all(&self, topic: &str, payload: Bytes, gate: &Gate) -> Result<()> {
        while gate.enter().await {
            self.publish(topic, payload.clone()).await?;
        }
        Ok(())
    }
}
