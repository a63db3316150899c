//! Publishing to a sealed topic without waiting for each message.

use std::fmt;

use amop_seal::SealedKind;

use super::{SealedTopic, Sealer};
use crate::{FlushError, PublishError, RawPublisher};

/// As [`Publisher`](crate::Publisher), for sealed messages. Returned by [`Sealer::publisher`].
#[must_use = "a publisher that is dropped reports no failures: flush it"]
pub struct SealedPublisher<T> {
    raw: RawPublisher,
    sealer: Sealer<T>,
}

impl<T> fmt::Debug for SealedPublisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealedPublisher").field(&self.raw).finish()
    }
}

impl<T: SealedTopic> Sealer<T> {
    /// Returns a publisher of multicasts, which does not wait for each message.
    pub fn publisher(&self) -> SealedPublisher<T> {
        SealedPublisher {
            raw: self.raw_publisher(),
            sealer: self.clone(),
        }
    }
}

impl<T: SealedTopic> SealedPublisher<T> {
    /// Accepts a message, which is sealed before this returns its future.
    ///
    /// # Errors
    ///
    /// As [`Publisher::publish`](crate::Publisher::publish).
    ///
    /// # Cancel safety
    ///
    /// As [`Publisher::publish`](crate::Publisher::publish).
    pub fn publish<'a>(
        &'a mut self,
        message: &T,
    ) -> impl Future<Output = Result<(), PublishError>> + Send + use<'a, T> {
        let sealed = self.sealer.seal(SealedKind::Multicast, message);
        async move { self.raw.publish(sealed?.bytes.into()).await }
    }

    /// As [`Publisher::flush`](crate::Publisher::flush).
    ///
    /// # Errors
    ///
    /// As [`Publisher::flush`](crate::Publisher::flush).
    ///
    /// # Cancel safety
    ///
    /// As [`Publisher::flush`](crate::Publisher::flush).
    pub async fn flush(&mut self) -> Result<(), FlushError> {
        self.raw.flush().await
    }

    /// Returns the number of messages that no node has confirmed yet.
    pub fn unconfirmed(&self) -> usize {
        self.raw.unconfirmed()
    }
}
