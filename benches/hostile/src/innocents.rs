//! Two members that exchange messages, and the time that this takes.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use amop::{Client, TopicName};
use anyhow::{Context, Result};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{interval, sleep},
};

use crate::network::Network;

/// The time between two unicasts. A unicast does not wait for the answer to the previous one, so
/// waiting times are measured in full.
const PACE: Duration = Duration::from_millis(4);

/// A unicast without an answer after this time is lost.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long the nodes may take to find each other.
const START: Duration = Duration::from_secs(30);

/// A publisher on the first node, which is attacked, and a subscriber on the last.
pub(crate) struct Innocents {
    clients: [Client; 2],
    tasks: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    times: Mutex<Vec<Duration>>,
    lost: AtomicU64,
}

/// The latencies of a period.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Latency {
    /// The number of unicasts answered.
    pub(crate) count: usize,
    /// The median in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Innocents {
    pub(crate) async fn start(network: &Network) -> Result<Self> {
        let topic = TopicName::new("innocents")?;
        let publisher = connect(network, 0).await?;
        let subscriber = connect(network, 2).await?;
        let mut messages = subscriber.subscribe_raw(&topic).await?;
        let answering = tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                let payload = message.to_vec();
                let _ = message.reply_bytes(payload);
            }
        });
        // Until the nodes have found each other.
        let deadline = Instant::now() + START;
        while let Err(error) = publisher.publish_unicast_raw(&topic, "first".into()).await {
            if Instant::now() > deadline {
                return Err(error).context("the first message");
            }
            sleep(Duration::from_millis(100)).await;
        }
        let shared = Arc::new(Shared::default());
        let client = publisher.clone();
        let counted = shared.clone();
        let publishing = tokio::spawn(async move {
            let mut ticks = interval(PACE);
            let mut sent = JoinSet::new();
            loop {
                // The latency counts from the planned time, even if the unicast is sent late.
                let due = ticks.tick().await;
                let (client, topic, counted) = (client.clone(), topic.clone(), counted.clone());
                sent.spawn(async move {
                    match client.publish_unicast_raw(&topic, "innocent".into()).await {
                        Ok(_) => lock(&counted.times).push(due.elapsed()),
                        Err(_) => drop(counted.lost.fetch_add(1, Ordering::Relaxed)),
                    }
                });
                while sent.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            clients: [publisher, subscriber],
            tasks: vec![answering, publishing],
            shared,
        })
    }

    /// Returns the latencies since the last call.
    pub(crate) fn take(&self) -> Latency {
        let mut times = std::mem::take(&mut *lock(&self.shared.times));
        times.sort();
        let at = |part: usize| {
            let index = (times.len() * part / 100).min(times.len().saturating_sub(1));
            times
                .get(index)
                .map_or(f64::INFINITY, |time| time.as_secs_f64() * 1e3)
        };
        Latency {
            count: times.len(),
            p50: at(50),
            p99: at(99),
            max: at(100),
        }
    }

    /// Returns the number of unicasts lost so far.
    pub(crate) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    pub(crate) async fn stop(self) {
        for task in self.tasks {
            task.abort();
        }
        for client in self.clients {
            client.close().await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn connect(network: &Network, node: usize) -> Result<Client> {
    let client = Client::builder()
        .endpoint(network.endpoint(node))
        .identity(network.sdk()?)
        .timeout(TIMEOUT)
        .connect();
    Ok(client.await?)
}
