//! Subscribers that record every message and answer unicasts.

use std::sync::{Arc, atomic::Ordering};

use amop::{Client, Event, Events, MessageKind, RawSubscription};
use anyhow::Result;
use tokio::task::JoinSet;

use super::{
    ledger::Ledger,
    messages::{read_message, write_answer},
    topics::LoadTopics,
};

/// The tasks of the subscribers.
pub(crate) struct Subscribers(JoinSet<()>);

impl Subscribers {
    /// Subscribes every client; the tasks end when their clients are closed.
    pub(crate) async fn start(clients: &[Client], ledger: &Arc<Ledger>) -> Result<Self> {
        let topics = LoadTopics::new(clients.len())?;
        let mut tasks = JoinSet::new();
        for (subscriber, client) in clients.iter().enumerate() {
            let shared = &topics.shared[subscriber % topics.shared.len()];
            for topic in [&topics.own[subscriber], shared, &topics.all] {
                let subscription = client.subscribe_raw(topic).await?;
                tasks.spawn(listen(subscription, subscriber, Arc::clone(ledger)));
            }
            let (events, all) = (client.events(), topics.all.to_string());
            tasks.spawn(count_dropped(events, all, subscriber, Arc::clone(ledger)));
        }
        Ok(Self(tasks))
    }

    pub(crate) async fn join(self) {
        self.0.join_all().await;
    }
}

async fn listen(mut subscription: RawSubscription, subscriber: usize, ledger: Arc<Ledger>) {
    while let Some(delivery) = subscription.next().await {
        let kind = delivery.kind();
        ledger.deliveries.fetch_add(1, Ordering::Relaxed);
        match read_message(&delivery) {
            Some((written, message)) if written == kind => {
                // Before the answer: a program that sees the answer must find this record.
                ledger.of(kind).delivered(subscriber, message);
                if kind == MessageKind::Unicast {
                    // Without a connection, the message is delivered again later and then gets this
                    // answer.
                    let _ = delivery.reply_bytes(write_answer(subscriber, message));
                }
            }
            _ => ledger.of(kind).wrong("a message that cannot be read", || {
                String::from_utf8_lossy(&delivery).into_owned()
            }),
        }
    }
}

/// Counts the messages that a subscriber's full queue dropped, until its client is closed.
async fn count_dropped(mut events: Events, all: String, subscriber: usize, ledger: Arc<Ledger>) {
    while let Some(event) = events.next().await {
        if let Event::Lagged { topic, dropped } = event
            && topic == all
        {
            ledger.dropped[subscriber].fetch_add(dropped, Ordering::Relaxed);
        }
    }
}
