//! Subscriptions to sealed topics.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use amop_proto::channel::result_code;
use futures::{Stream, StreamExt};

use super::{
    SealedDelivery, SealedRefusals, SealedTopic,
    unsealer::{RefusedMessage, Unsealed, Unsealer},
};
use crate::{
    Codec, DecodeError, DecodeErrors, SealedDeliveryError, SubscribeError, SubscriptionStats,
    report::{ClientCounters, Warnings},
    topic::Of,
};

/// A subscription to a sealed topic as a stream of deliveries, made by
/// [`Client::deliveries_sealed`](crate::Client::deliveries_sealed).
///
/// For programs that reply to requests, or that need to know of each message that is refused; other
/// programs should use [`SealedSubscription`]. It ends, and behaves when it is dropped, as
/// [`RawSubscription`](crate::RawSubscription) does; dropping it also saves its replay guard, which
/// blocks as long as the store takes.
#[must_use = "a subscription that is dropped unsubscribes, and refuses the unicasts in its queue"]
pub struct SealedDeliveries<T> {
    unsealer: Unsealer,
    message: Of<T>,
}

impl<T: SealedTopic> SealedDeliveries<T> {
    pub(super) fn new(unsealer: Unsealer) -> Self {
        Self {
            unsealer,
            message: PhantomData,
        }
    }

    /// Returns the topic.
    pub fn topic(&self) -> &str {
        self.unsealer.raw().topic()
    }

    /// Returns the counts of the queue.
    pub fn stats(&self) -> SubscriptionStats {
        self.unsealer.raw().stats()
    }

    /// Returns how many messages were refused, by reason.
    pub fn refused(&self) -> SealedRefusals {
        self.unsealer.refusals()
    }

    /// Returns the next message; `None` once unsubscribed or closed.
    ///
    /// # Cancel safety
    ///
    /// No message is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Result<SealedDelivery<T>, SealedDeliveryError>> {
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
    /// As [`RawSubscription::unsubscribe`](crate::RawSubscription::unsubscribe).
    pub async fn unsubscribe(&mut self) -> Result<(), SubscribeError> {
        self.unsealer.raw_mut().unsubscribe().await
    }
}

impl<T: SealedTopic> Stream for SealedDeliveries<T> {
    type Item = Result<SealedDelivery<T>, SealedDeliveryError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let came = match ready!(self.unsealer.poll_next(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(unsealed)) => {
                    let counters = self.unsealer.raw().subscriptions().counters();
                    decode(unsealed, counters).map(|done| done.map_err(Into::into))
                }
                Some(Err(RefusedMessage { seq, kind, error })) => {
                    Some(Err(SealedDeliveryError::Refused {
                        topic: self.topic().to_owned(),
                        seq,
                        kind,
                        source: error,
                    }))
                }
            };
            if let Some(came) = came {
                return Poll::Ready(Some(came));
            }
        }
    }
}

impl<T> fmt::Debug for SealedDeliveries<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealedDeliveries")
            .field(self.unsealer.raw())
            .finish()
    }
}

/// A subscription to a sealed topic as a stream of its messages, made by
/// [`Client::subscribe_sealed`](crate::Client::subscribe_sealed).
///
/// Each message is proven to come from one of the named publishers, to be for this topic and this
/// subscriber, and comes once. Each unicast is acknowledged when it is taken from the stream.
/// Refused messages are skipped: they are counted in [`refused`](Self::refused), logged, and
/// reported as [`Event::SealedRefused`](crate::Event::SealedRefused); messages that cannot be
/// decoded are counted in [`errors`](Self::errors). It ends, and behaves when it is dropped, as
/// [`SealedDeliveries`] does.
#[must_use = "a subscription that is dropped unsubscribes, and refuses the unicasts in its queue"]
pub struct SealedSubscription<T> {
    deliveries: SealedDeliveries<T>,
    errors: DecodeErrors,
    log: Arc<Warnings>,
}

impl<T: SealedTopic> SealedSubscription<T> {
    pub(super) fn new(unsealer: Unsealer) -> Self {
        let log = Warnings::new(unsealer.raw().subscriptions().later());
        Self {
            deliveries: SealedDeliveries::new(unsealer),
            errors: DecodeErrors::default(),
            log,
        }
    }

    /// Returns the topic.
    pub fn topic(&self) -> &str {
        self.deliveries.topic()
    }

    /// Returns the counts of the queue.
    pub fn stats(&self) -> SubscriptionStats {
        self.deliveries.stats()
    }

    /// Returns how many messages were refused, by reason.
    pub fn refused(&self) -> SealedRefusals {
        self.deliveries.refused()
    }

    /// Returns the messages that could not be decoded.
    pub fn errors(&self) -> &DecodeErrors {
        &self.errors
    }

    /// Returns the next message; `None` once unsubscribed or closed.
    ///
    /// # Cancel safety
    ///
    /// No message is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<T> {
        StreamExt::next(self).await
    }

    /// As [`SealedDeliveries::unsubscribe`].
    ///
    /// # Errors
    ///
    /// As [`SealedDeliveries::unsubscribe`].
    ///
    /// # Cancel safety
    ///
    /// As [`RawSubscription::unsubscribe`](crate::RawSubscription::unsubscribe).
    pub async fn unsubscribe(&mut self) -> Result<(), SubscribeError> {
        self.deliveries.unsubscribe().await
    }
}

impl<T: SealedTopic> Stream for SealedSubscription<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        loop {
            match ready!(Pin::new(&mut this.deliveries).poll_next(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(delivery)) => return Poll::Ready(Some(delivery.into_inner())),
                Some(Err(SealedDeliveryError::Decode(error))) => {
                    this.errors.add(error, &this.log);
                }
                // Already counted and reported.
                Some(Err(SealedDeliveryError::Refused { .. })) => {}
            }
        }
    }
}

impl<T> Drop for SealedSubscription<T> {
    fn drop(&mut self) {
        self.log.finish();
    }
}

impl<T> fmt::Debug for SealedSubscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealedSubscription")
            .field(&self.deliveries)
            .finish()
    }
}

/// Decodes a message, or tells its publisher that it cannot be decoded. It is `None` only without a
/// responder, which does not happen.
fn decode<T: SealedTopic>(
    unsealed: Unsealed,
    counters: &ClientCounters,
) -> Option<Result<SealedDelivery<T>, DecodeError>> {
    let Unsealed { opened, responder } = unsealed;
    let len = opened.content.len();
    match T::Codec::decode(opened.content.into()) {
        Ok(message) => SealedDelivery::new(message, responder).map(Ok),
        Err(source) => {
            let of = responder.responder()?;
            counters.undecodable.one();
            let error = DecodeError {
                topic: of.topic().to_string(),
                seq: of.seq(),
                kind: of.kind(),
                len,
                source: Arc::new(source),
            };
            // This fails for a multicast, which has no answer, and if the connection is lost, which
            // needs none.
            let _ = responder.refuse(result_code::DECODE);
            Some(Err(error))
        }
    }
}
