//! A subscription to messages.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use amop_proto::log::OneLine;
use futures::{Stream, StreamExt};

use super::{
    decode::{DecodeErrors, decode},
    raw::RawSubscription,
    stats::SubscriptionStats,
};
use crate::{SubscribeError, Topic, report::Warnings, topic::Of};

/// A subscription to a topic as a stream of its messages, made by
/// [`Client::subscribe`](crate::Client::subscribe).
///
/// Each unicast is acknowledged, with an empty payload, when it is taken from the stream; on a
/// topic with replies ([`Topic::REQUEST`]) its publisher gets result 106, "no reply". A message
/// that cannot be decoded is skipped: it is counted in [`errors`](Self::errors) and logged, and the
/// publisher of a unicast gets result 105. It ends, and behaves when it is dropped, as
/// [`RawSubscription`] does.
///
/// ```no_run
/// # async fn run(client: amop::Client) -> Result<(), amop::SubscribeError> {
/// # #[derive(Debug, serde::Serialize, serde::Deserialize)] struct Order { id: u64 }
/// # impl amop::Topic for Order {
/// #     const TOPIC: &'static str = "orders";
/// #     type Codec = amop::codec::Json;
/// # }
/// let mut orders = client.subscribe::<Order>().await?;
/// while let Some(order) = orders.next().await {
///     println!("{}", order.id);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a subscription that is dropped unsubscribes, and refuses the unicasts in its queue"]
pub struct Subscription<T> {
    raw: RawSubscription,
    errors: DecodeErrors,
    log: Arc<Warnings>,
    message: Of<T>,
}

impl<T: Topic> Subscription<T> {
    pub(crate) fn new(raw: RawSubscription) -> Self {
        if T::REQUEST {
            tracing::warn!(
                topic = %OneLine::new(raw.topic()),
                "a plain subscription cannot reply, but the topic's unicasts are requests: their \
                 publishers get the error 'no reply'; use deliveries instead"
            );
        }
        let log = Warnings::new(raw.subscriptions().later());
        Self {
            raw,
            errors: DecodeErrors::default(),
            log,
            message: PhantomData,
        }
    }

    /// Returns the topic.
    pub fn topic(&self) -> &str {
        self.raw.topic()
    }

    /// Returns the messages that could not be decoded.
    pub fn errors(&self) -> &DecodeErrors {
        &self.errors
    }

    /// Returns how many messages were turned away because the queue was full: multicasts are lost,
    /// unicasts were refused.
    pub fn lagged(&self) -> u64 {
        self.raw.lagged()
    }

    /// Returns the counts of the queue.
    pub fn stats(&self) -> SubscriptionStats {
        self.raw.stats()
    }

    /// Returns the next message; `None` once unsubscribed or closed.
    ///
    /// # Cancel safety
    ///
    /// No message is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<T> {
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

impl<T: Topic> Stream for Subscription<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        loop {
            let Some(incoming) = ready!(self.raw.poll_incoming(cx)) else {
                return Poll::Ready(None);
            };
            match decode::<T>(incoming, self.raw.subscriptions()) {
                Ok(delivery) => return Poll::Ready(Some(delivery.into_inner())),
                Err(error) => {
                    let this = &mut *self;
                    this.errors.add(error, &this.log);
                }
            }
        }
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        self.log.finish();
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subscription").field(&self.raw).finish()
    }
}
