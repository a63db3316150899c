//! A subscription to deliveries.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{Stream, StreamExt};

use super::{decode::decode, delivery::Delivery, raw::RawSubscription, stats::SubscriptionStats};
use crate::{DecodeError, SubscribeError, Topic, report::Later, topic::Of};

/// A subscription to a topic as a stream of deliveries, made by
/// [`Client::deliveries`](crate::Client::deliveries).
///
/// For programs that reply to requests, or that need to know of each message that cannot be
/// decoded; other programs should use [`Subscription`](crate::Subscription). It ends, and behaves
/// when it is dropped, as [`RawSubscription`] does.
#[must_use = "a subscription that is dropped unsubscribes, and refuses the unicasts in its queue"]
pub struct Deliveries<T> {
    raw: RawSubscription,
    message: Of<T>,
}

impl<T: Topic> Deliveries<T> {
    pub(crate) fn new(raw: RawSubscription) -> Self {
        Self {
            raw,
            message: PhantomData,
        }
    }

    /// Returns the topic.
    pub fn topic(&self) -> &str {
        self.raw.topic()
    }

    /// Returns how many messages were turned away because the queue was full: multicasts are lost,
    /// unicasts were refused.
    pub fn lagged(&self) -> u64 {
        self.raw.lagged()
    }

    /// Returns what makes reports later.
    pub(crate) fn later(&self) -> &Arc<Later> {
        self.raw.subscriptions().later()
    }

    /// Returns the counts of the queue.
    pub fn stats(&self) -> SubscriptionStats {
        self.raw.stats()
    }

    /// Returns the next message; `None` once unsubscribed or closed. A message that cannot be
    /// decoded is an error here, and the publisher of a unicast gets result 105.
    ///
    /// # Cancel safety
    ///
    /// No message is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Result<Delivery<T>, DecodeError>> {
        StreamExt::next(self).await
    }

    /// Unsubscribes. Messages that were delivered before can still be read; then the stream ends.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] if a node did not confirm. The subscription ends in this case, too.
    ///
    /// # Cancel safety
    ///
    /// As [`RawSubscription::unsubscribe`].
    pub async fn unsubscribe(&mut self) -> Result<(), SubscribeError> {
        self.raw.unsubscribe().await
    }
}

impl<T: Topic> Stream for Deliveries<T> {
    type Item = Result<Delivery<T>, DecodeError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let incoming = ready!(self.raw.poll_incoming(cx));
        Poll::Ready(incoming.map(|incoming| decode(incoming, self.raw.subscriptions())))
    }
}

impl<T> fmt::Debug for Deliveries<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deliveries").field(&self.raw).finish()
    }
}
