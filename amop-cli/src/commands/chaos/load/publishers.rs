//! Publishers that send all messages of a run, each its share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use amop::{Client, MessageKind, PublishError, PublishErrorKind, with_causes};
use anyhow::Result;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    ledger::Ledger,
    messages::{is_answer, write_message},
    topics::LoadTopics,
    traffic::Traffic,
};

/// The pause of a publisher after an error. Without it, an outage would use up all message numbers.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// The messages of one publisher: every `step`-th number from its own, unicasts and multicasts
/// mixed.
#[derive(Debug)]
struct PublisherShare {
    number: usize,
    step: usize,
    unicasts: usize,
    multicasts: usize,
    next: AtomicUsize,
}

impl PublisherShare {
    fn new(number: usize, traffic: &Traffic) -> Self {
        let step = traffic.publishers;
        let of = |total: usize| total.saturating_sub(number).div_ceil(step);
        Self {
            number,
            step,
            unicasts: of(traffic.unicasts),
            multicasts: of(traffic.multicasts),
            next: AtomicUsize::new(0),
        }
    }

    fn take(&self) -> Option<(MessageKind, usize)> {
        let total = self.unicasts + self.multicasts;
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        if at >= total {
            return None;
        }
        // Multicasts are spread evenly among the unicasts.
        let multicasts = at * self.multicasts / total;
        let (kind, nth) = if (at + 1) * self.multicasts / total > multicasts {
            (MessageKind::Multicast, multicasts)
        } else {
            (MessageKind::Unicast, at - multicasts)
        };
        Some((kind, nth * self.step + self.number))
    }
}

/// The data that the tasks of a publisher share.
struct PublisherContext {
    client: Client,
    share: PublisherShare,
    topics: LoadTopics,
    traffic: Traffic,
    ledger: Arc<Ledger>,
    start: Instant,
    stop: CancellationToken,
}

/// Starts publishing: every client sends its share. The tasks end when everything is sent. After
/// `stop` is cancelled they end when the messages in flight are settled.
pub(crate) fn publish(
    clients: &[Client],
    traffic: &Traffic,
    ledger: &Arc<Ledger>,
    start: Instant,
    stop: &CancellationToken,
) -> Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    for (number, client) in clients.iter().enumerate() {
        let publisher = Arc::new(PublisherContext {
            client: client.clone(),
            share: PublisherShare::new(number, traffic),
            topics: LoadTopics::new(traffic.subscribers)?,
            traffic: traffic.clone(),
            ledger: Arc::clone(ledger),
            start,
            stop: stop.clone(),
        });
        for _ in 0..traffic.in_flight {
            let publisher = Arc::clone(&publisher);
            tasks.spawn(async move { publisher.run().await });
        }
    }
    Ok(tasks)
}

impl PublisherContext {
    async fn run(&self) {
        while !self.stop.is_cancelled()
            && let Some((kind, message)) = self.share.take()
        {
            if self.due(kind, message).await.is_none() {
                return;
            }
            self.ledger.of(kind).sent(message, self.start.elapsed());
            let result = match kind {
                MessageKind::Unicast => self.unicast(message).await,
                MessageKind::Multicast => {
                    let payload = write_message(kind, message);
                    self.client
                        .publish_multicast_raw(&self.topics.all, payload)
                        .await
                }
            };
            match result {
                Ok(()) => self.ledger.of(kind).acknowledged(message),
                Err(error) => {
                    self.ledger.of(kind).failed(message, kind_of(&error));
                    let at = self.start.elapsed();
                    tracing::info!(?at, ?kind, message, "{}", with_causes(&error));
                    sleep(AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Waits until a message is due; `None` if the run is stopped before.
    async fn due(&self, kind: MessageKind, message: usize) -> Option<()> {
        if let (Some(rate), MessageKind::Unicast) = (self.traffic.rate, kind) {
            let at = Duration::from_secs_f64(message as f64 / f64::from(rate));
            let waiting = tokio::time::sleep_until(self.start + at);
            return self.stop.run_until_cancelled(waiting).await;
        }
        Some(())
    }

    async fn unicast(&self, message: usize) -> Result<(), PublishError> {
        let (topic, subscribers) = self.topics.of(self.traffic.seed, message);
        let payload = write_message(MessageKind::Unicast, message);
        let reply = self.client.publish_unicast_raw(topic, payload).await?;
        if !is_answer(&reply.payload, message, &subscribers) {
            let answer = String::from_utf8_lossy(&reply.payload);
            self.ledger.unicasts().wrong("an unexpected answer", || {
                format!("{answer:?} to number {message} on {topic}")
            });
        }
        Ok(())
    }
}

fn kind_of(error: &PublishError) -> &'static str {
    match error.kind() {
        PublishErrorKind::NoSubscriber { .. } => "no subscriber (100)",
        PublishErrorKind::Unanswered => "unanswered (104)",
        PublishErrorKind::SubscriberLeft => "the subscriber left (101)",
        PublishErrorKind::NodeTimeout => "timeout of the node (102)",
        PublishErrorKind::OverLimit => "over limit (103)",
        PublishErrorKind::Rejected { .. } => "rejected",
        PublishErrorKind::Timeout { .. } => "timeout",
        PublishErrorKind::Offline { .. } => "offline",
        PublishErrorKind::Disconnected { .. } => "disconnected",
        PublishErrorKind::Congested { .. } => "congested",
        _ => "other",
    }
}

#[cfg(test)]
mod tests;
