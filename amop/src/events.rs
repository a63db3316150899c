//! What happens to a client's connections and subscriptions, as a stream.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use amop_proto::client::CloseReason;
use futures::{Stream, StreamExt};

use crate::{ConnectError, OpenError, VerificationFailure};

/// Events that may wait in one stream.
const CAPACITY: usize = 256;

/// Something that happened to a client.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A node is connected and has confirmed every subscribed topic, except those of a
    /// [`TopicsRefused`](Self::TopicsRefused) before this event.
    Connected {
        /// The node.
        endpoint: String,
        /// Its compatibility version, if the node told it.
        node_version: Option<String>,
    },
    /// A connection was lost or closed.
    Disconnected {
        /// The node.
        endpoint: String,
        /// Why.
        reason: CloseReason,
        /// The pause before the endpoint may be tried again; `None` if it will not be.
        retry_in: Option<Duration>,
    },
    /// Connecting to an endpoint failed.
    ConnectFailed {
        /// The node.
        endpoint: String,
        /// Why.
        error: Arc<ConnectError>,
        /// The pause before the endpoint may be tried again; `None` if it will not be.
        retry_in: Option<Duration>,
    },
    /// Messages were turned away because a subscription's queue was full, or because the program
    /// did not read it. The first one is reported at once, the others, including the last, at most
    /// once a second per subscription. Reports about one topic that are not read yet are added up.
    /// The total equals that of [`Subscription::stats`](crate::Subscription::stats).
    Lagged {
        /// The topic.
        topic: String,
        /// The number of messages since the last report.
        dropped: u64,
    },
    /// A node has no room for some of the subscribed topics: they are over a limit of the node, or
    /// over this client's share of a limit. The client continues with the other topics and asks
    /// again every 10 s. A `subscribe` that waits for a refused topic fails with
    /// [`SubscribeError::Refused`](crate::SubscribeError::Refused).
    TopicsRefused {
        /// The node.
        endpoint: String,
        /// All topics that it has no room for now; empty once it has every topic.
        topics: Vec<String>,
    },
    /// A subscriber of a private topic proved that it has a granted key: its node now gets the
    /// topic's messages through this endpoint.
    SubscriberVerified {
        /// The private topic.
        topic: String,
        /// The node that asked for the verification.
        endpoint: String,
        /// The id of the subscriber's node.
        node: String,
    },
    /// A subscriber of a private topic was not verified, so it gets no messages of the topic from
    /// this client. Verification is tried again every 5 s; this is reported again only if the
    /// reason changes.
    VerificationFailed {
        /// The private topic.
        topic: String,
        /// The node that asked for the verification.
        endpoint: String,
        /// The id of the subscriber's node.
        node: String,
        /// Why, and what to do.
        failure: VerificationFailure,
    },
    /// A subscription to a sealed topic refused messages: they were forged, copies, sealed to other
    /// keys, or too old. It is reported as often as [`Lagged`](Self::Lagged);
    /// [`SealedSubscription::refused`](crate::SealedSubscription::refused) counts by reason.
    SealedRefused {
        /// The topic.
        topic: String,
        /// The number of messages since the last report.
        refused: u64,
        /// Why the last of them was refused.
        last: OpenError,
    },
    /// The stream was not read fast enough: this number of events is missing here.
    Missed(u64),
    /// The client is closed for good. Nothing follows.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// A stream of [`Event`]s, made by [`Client::events`](crate::Client::events). It keeps the last 256
/// unread events, and ends when the client is closed.
#[derive(Debug)]
pub struct Events(Arc<EventInbox>);

impl Events {
    /// Returns the next event; `None` once the client is closed.
    pub async fn next(&mut self) -> Option<Event> {
        StreamExt::next(self).await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut inbox = self.0.lock();
        let missed = std::mem::take(&mut inbox.missed);
        if missed > 0 {
            return Poll::Ready(Some(Event::Missed(missed)));
        }
        if let Some(event) = inbox.events.pop_front() {
            return Poll::Ready(Some(event));
        }
        if inbox.closed {
            return Poll::Ready(None);
        }
        inbox.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[derive(Debug, Default)]
struct EventInbox(Mutex<EventQueue>);

#[derive(Debug, Default)]
struct EventQueue {
    events: VecDeque<Event>,
    missed: u64,
    closed: bool,
    waker: Option<Waker>,
}

impl EventInbox {
    fn lock(&self) -> MutexGuard<'_, EventQueue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, event: Event) {
        let mut content = self.lock();
        content.closed |= matches!(event, Event::Closed { .. });
        if !content.add_up(&event) {
            if content.events.len() == CAPACITY {
                content.make_room();
            }
            content.events.push_back(event);
        }
        let waker = content.waker.take();
        drop(content);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl EventQueue {
    /// Adds losses to an unread event about the same topic, so that the total stays right even if
    /// other events are dropped. Returns whether there was such an event.
    fn add_up(&mut self, event: &Event) -> bool {
        match event {
            Event::Lagged { topic, dropped } => self.events.iter_mut().any(|waiting| {
                let Event::Lagged {
                    topic: of,
                    dropped: sum,
                } = waiting
                else {
                    return false;
                };
                let same = of == topic;
                *sum += if same { *dropped } else { 0 };
                same
            }),
            Event::SealedRefused {
                topic,
                refused,
                last,
            } => self.events.iter_mut().any(|waiting| {
                let Event::SealedRefused {
                    topic: of,
                    refused: sum,
                    last: error,
                } = waiting
                else {
                    return false;
                };
                let same = of == topic;
                if same {
                    *sum += refused;
                    *error = *last;
                }
                same
            }),
            _ => false,
        }
    }

    /// Removes the oldest event, if possible one that does not count losses.
    fn make_room(&mut self) {
        let counts =
            |event: &Event| matches!(event, Event::Lagged { .. } | Event::SealedRefused { .. });
        let at = self.events.iter().position(|event| !counts(event));
        self.events.remove(at.unwrap_or(0));
        self.missed += 1;
    }
}

/// Passes events to all streams. Its lock is the innermost of all.
#[derive(Debug, Default)]
pub(crate) struct EventReporter {
    inboxes: Mutex<Vec<Weak<EventInbox>>>,
}

impl EventReporter {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<EventInbox>>> {
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a new stream that begins with `first`.
    pub(crate) fn stream(&self, first: impl IntoIterator<Item = Event>) -> Events {
        let inbox = Arc::new(EventInbox::default());
        for event in first {
            inbox.put(event);
        }
        let mut inboxes = self.lock();
        inboxes.retain(|inbox| inbox.strong_count() > 0);
        inboxes.push(Arc::downgrade(&inbox));
        Events(inbox)
    }

    pub(crate) fn report(&self, event: Event) {
        let inboxes = self.lock();
        for inbox in inboxes.iter().filter_map(Weak::upgrade) {
            inbox.put(event.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lagged(topic: u64, dropped: u64) -> Event {
        Event::Lagged {
            topic: topic.to_string(),
            dropped,
        }
    }

    #[tokio::test]
    async fn a_stream_keeps_the_newest_and_says_what_is_missing() {
        let reporter = EventReporter::default();
        let mut events = reporter.stream([]);
        let total = CAPACITY as u64 + 3;
        for n in 0..total {
            reporter.report(lagged(n, n));
        }
        assert!(matches!(events.next().await, Some(Event::Missed(3))));
        for n in 3..total {
            let event = events.next().await.unwrap();
            assert!(matches!(event, Event::Lagged { dropped, .. } if dropped == n));
        }
        assert!(futures::poll!(StreamExt::next(&mut events)).is_pending());
        reporter.report(Event::Closed {
            reason: CloseReason::Local,
        });
        assert!(matches!(events.next().await, Some(Event::Closed { .. })));
        assert!(events.next().await.is_none());
    }

    #[tokio::test]
    async fn losses_add_up_and_outlive_what_else_happens() {
        let reporter = EventReporter::default();
        let mut events = reporter.stream([]);
        for n in 0..2 * CAPACITY as u64 {
            reporter.report(lagged(n % 2, 1));
            reporter.report(Event::Missed(n));
        }
        let (mut sum, mut missed, mut others) = (0, 0, 0);
        while let Poll::Ready(Some(event)) = futures::poll!(StreamExt::next(&mut events)) {
            match event {
                Event::Lagged { dropped, .. } => sum += dropped,
                Event::Missed(n) if missed == 0 => missed = n,
                _ => others += 1,
            }
        }
        assert_eq!(sum, 2 * CAPACITY as u64);
        assert_eq!(others, CAPACITY - 2);
        assert_eq!(missed, 2 * CAPACITY as u64 - (CAPACITY as u64 - 2));
    }

    #[test]
    fn streams_that_are_gone_are_forgotten() {
        let reporter = EventReporter::default();
        for _ in 0..10 {
            drop(reporter.stream([]));
        }
        assert_eq!(reporter.lock().len(), 1);
    }
}
