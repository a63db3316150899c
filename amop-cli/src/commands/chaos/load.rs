//! The traffic of a run: publishers of numbered messages, subscribers that answer, and their books.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use amop::{Client, Event, Events, MessageKind, PublishError, RawSubscription, TopicName};
use anyhow::Result;
use bytes::Bytes;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::books::Books;

/// The length of a message, in bytes.
const LEN: usize = 64;

/// One in this many messages goes to a topic that several subscribers share.
const SHARED: u64 = 4;

/// The approximate number of subscribers that share a topic.
const GROUP: usize = 3;

/// The pause of a publisher after an error. Without it, an outage would use up all message numbers.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// The traffic of a run.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    pub(crate) seed: u64,
    pub(crate) unicasts: usize,
    pub(crate) multicasts: usize,
    pub(crate) publishers: usize,
    pub(crate) subscribers: usize,
    /// Messages in flight at a time, per publisher.
    pub(crate) in_flight: usize,
    /// Unicasts per second, by all publishers together.
    pub(crate) rate: Option<u32>,
}

/// The books of a run.
#[derive(Debug)]
pub(crate) struct Ledger {
    unicasts: Mutex<Books>,
    multicasts: Mutex<Books>,
    deliveries: AtomicU64,
    /// For each subscriber, the number of multicasts that its full queue dropped.
    dropped: Vec<AtomicU64>,
}

impl Ledger {
    pub(crate) fn new(traffic: &Traffic) -> Self {
        let books = |messages| Mutex::new(Books::new(messages, traffic.subscribers));
        Self {
            unicasts: books(traffic.unicasts),
            multicasts: books(traffic.multicasts),
            deliveries: AtomicU64::new(0),
            dropped: (0..traffic.subscribers)
                .map(|_| AtomicU64::new(0))
                .collect(),
        }
    }

    pub(crate) fn dropped(&self) -> Vec<u64> {
        let dropped = self.dropped.iter();
        dropped.map(|count| count.load(Ordering::Relaxed)).collect()
    }

    pub(crate) fn unicasts(&self) -> MutexGuard<'_, Books> {
        self.unicasts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn multicasts(&self) -> MutexGuard<'_, Books> {
        self.multicasts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, kind: MessageKind) -> MutexGuard<'_, Books> {
        match kind {
            MessageKind::Unicast => self.unicasts(),
            MessageKind::Multicast => self.multicasts(),
        }
    }

    /// Returns the number of deliveries to all subscribers.
    pub(crate) fn deliveries(&self) -> u64 {
        self.deliveries.load(Ordering::Relaxed)
    }
}

/// Returns the topic of one node's probes.
pub(crate) fn probe_topic(node: usize) -> Result<TopicName> {
    Ok(TopicName::new(&format!("chaos.probe.{node}"))?)
}

/// The topics and their subscribers.
#[derive(Debug)]
struct LoadTopics {
    /// For each subscriber, a topic that only it subscribes to.
    own: Vec<TopicName>,
    /// Subscriber `s` subscribes to the topic at `s % shared.len()`.
    shared: Vec<TopicName>,
    all: TopicName,
}

impl LoadTopics {
    fn new(subscribers: usize) -> Result<Self> {
        let named = |kind: &str, count: usize| -> Result<Vec<TopicName>> {
            let name = |index| Ok(TopicName::new(&format!("chaos.{kind}.{index}"))?);
            (0..count).map(name).collect()
        };
        Ok(Self {
            own: named("own", subscribers)?,
            shared: named("shared", (subscribers / GROUP).max(1))?,
            all: TopicName::new("chaos.all")?,
        })
    }

    /// Returns the topic of a unicast, and the subscribers that may receive it.
    fn of(&self, seed: u64, message: usize) -> (&TopicName, BTreeSet<usize>) {
        let drawn = scatter(seed ^ message as u64);
        let at = (drawn / SHARED) as usize;
        let subscribers = 0..self.own.len();
        if drawn.is_multiple_of(SHARED) {
            let group = at % self.shared.len();
            let members = subscribers.filter(|s| s % self.shared.len() == group);
            (&self.shared[group], members.collect())
        } else {
            let subscriber = at % self.own.len();
            (&self.own[subscriber], BTreeSet::from([subscriber]))
        }
    }
}

/// Spreads numbers over all 64 bits: the finaliser of SplitMix64.
fn scatter(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Returns the text of a message: its kind and number.
fn write_message(kind: MessageKind, message: usize) -> Bytes {
    let letter = match kind {
        MessageKind::Unicast => 'u',
        MessageKind::Multicast => 'm',
    };
    Bytes::from(format!("{:.<LEN$}", format!("{letter} {message} ")))
}

fn read_message(payload: &[u8]) -> Option<(MessageKind, usize)> {
    let text = str::from_utf8(payload).ok()?;
    let (kind, rest) = text.split_once(' ')?;
    let (number, _) = rest.split_once(' ')?;
    let kind = match kind {
        "u" => MessageKind::Unicast,
        "m" => MessageKind::Multicast,
        _ => return None,
    };
    Some((kind, number.parse().ok()?))
}

fn write_answer(subscriber: usize, message: usize) -> String {
    format!("{subscriber} {message}")
}

/// Returns whether an answer to this message is from one of these subscribers.
fn is_answer(payload: &[u8], message: usize, subscribers: &BTreeSet<usize>) -> bool {
    let mut expected = subscribers.iter().map(|&s| write_answer(s, message));
    expected.any(|answer| answer.as_bytes() == payload)
}

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
                    tracing::info!(?at, ?kind, message, "{error}");
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
    match error {
        PublishError::NoSubscriber { .. } => "no subscriber (100)",
        PublishError::Unanswered { .. } => "unanswered (104)",
        PublishError::NodeTimeout { .. } => "timeout of the node (102)",
        PublishError::OverLimit { .. } => "over limit (103)",
        PublishError::Rejected { .. } => "rejected",
        PublishError::Timeout { .. } => "timeout",
        PublishError::Offline { .. } => "offline",
        PublishError::Disconnected { .. } => "disconnected",
        PublishError::Congested { .. } => "congested",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traffic() -> Traffic {
        Traffic {
            seed: 1,
            unicasts: 1001,
            multicasts: 17,
            publishers: 4,
            subscribers: 6,
            in_flight: 1,
            rate: None,
        }
    }

    #[test]
    fn shares_are_everything_once() {
        let traffic = traffic();
        let (mut unicasts, mut multicasts) = (Vec::new(), Vec::new());
        for number in 0..traffic.publishers {
            let share = PublisherShare::new(number, &traffic);
            while let Some((kind, message)) = share.take() {
                match kind {
                    MessageKind::Unicast => unicasts.push(message),
                    MessageKind::Multicast => multicasts.push(message),
                }
            }
        }
        unicasts.sort_unstable();
        multicasts.sort_unstable();
        assert!(unicasts.into_iter().eq(0..traffic.unicasts));
        assert!(multicasts.into_iter().eq(0..traffic.multicasts));
    }

    #[test]
    fn messages_are_read_as_written() {
        for (kind, number) in [(MessageKind::Unicast, 0), (MessageKind::Multicast, 199_999)] {
            let payload = write_message(kind, number);
            assert_eq!(payload.len(), LEN);
            assert_eq!(read_message(&payload), Some((kind, number)));
        }
        for payload in ["", "u", "u 1", "x 1 ", "u -1 ", "u one "] {
            assert_eq!(read_message(payload.as_bytes()), None, "{payload:?}");
        }
    }

    #[test]
    fn unicasts_reach_every_topic_and_answers_are_held_to_it() {
        let topics = LoadTopics::new(6).unwrap();
        let mut names = BTreeSet::new();
        for message in 0..1000 {
            let (topic, subscribers) = topics.of(7, message);
            names.insert(topic.to_string());
            for subscriber in 0..6 {
                let answer = write_answer(subscriber, message);
                let may = subscribers.contains(&subscriber);
                assert_eq!(is_answer(answer.as_bytes(), message, &subscribers), may);
                assert!(!is_answer(answer.as_bytes(), message + 1, &subscribers));
            }
        }
        assert_eq!(names.len(), 6 + 2);
    }
}
