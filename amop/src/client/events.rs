//! Streams of events.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use futures::{Stream, StreamExt};

use super::event::Event;

/// Events that may wait in one stream.
const CAPACITY: usize = 256;

/// A stream of [`Event`]s, made by [`Client::events`](crate::Client::events). It keeps the last 256
/// unread events, and ends when the client is closed.
#[derive(Debug)]
#[must_use = "a stream of events that is dropped misses what happens"]
pub struct Events(Arc<EventInbox>);

impl Events {
    /// Returns the next event; `None` once the client is closed.
    ///
    /// # Cancel safety
    ///
    /// No event is lost if the future is dropped.
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
mod tests;
