//! Publishers of messages, which do not wait for each message.

use std::{fmt, marker::PhantomData};

use super::raw::RawPublisher;
use crate::{Codec, FlushError, PublishError, PublishErrorKind as Kind, Topic};

/// Publishes multicasts of one type, many at a time. Returned by
/// [`Client::publisher`](crate::Client::publisher).
///
/// [`publish`](Self::publish) returns as soon as the message is in a connection's send buffer;
/// [`flush`](Self::flush) waits until nodes have taken all messages, and reports those that failed.
///
/// ```no_run
/// # async fn run(client: amop::Client) -> Result<(), Box<dyn std::error::Error>> {
/// #[amop::topic("ticks")]
/// struct Tick {
///     price: u64,
/// }
///
/// let mut ticks = client.publisher::<Tick>()?;
/// for price in 0..100_000 {
///     ticks.publish(&Tick { price }).await?;
/// }
/// ticks.flush().await?;
/// # Ok(())
/// # }
/// ```
///
/// * All messages are sent over one connection, in their order, as long as it is open.
/// * If the connection is lost, the messages that are not confirmed are sent again over another
///   one, with the same seqs, so that subscribers that use this crate take them once. The next call
///   of `publish` or `flush` does this: a publisher has no task of its own.
/// * `publish` waits, until the [`timeout`](crate::ClientBuilder::timeout), while
///   [`max_in_flight`](crate::ClientBuilder::max_in_flight) messages or 16 MiB of messages wait for
///   confirmation, or while 4 MiB wait to be written.
/// * If the publisher is dropped without a flush, the connection still writes the messages, unless
///   it is lost; their outcome is not reported. [`drain`](crate::Client::drain) waits for them.
/// * It does not keep the client open.
#[must_use = "a publisher that is dropped reports no failures: flush it"]
pub struct Publisher<T> {
    raw: RawPublisher,
    messages: PhantomData<fn(T)>,
}

impl<T> fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Publisher").field(&self.raw).finish()
    }
}

impl<T: Topic> Publisher<T> {
    pub(crate) fn new(raw: RawPublisher) -> Self {
        Self {
            raw,
            messages: PhantomData,
        }
    }

    /// Accepts a message, which is encoded before this returns its future.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if this message was not accepted. If an accepted message fails,
    /// [`flush`](Self::flush) returns the error.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the message was accepted or not; it is never sent in part. Messages that
    /// were accepted before are not lost.
    pub fn publish<'a>(
        &'a mut self,
        message: &T,
    ) -> impl Future<Output = Result<(), PublishError>> + Send + use<'a, T> {
        let encoded = T::Codec::encode(message);
        async move {
            let failed = |cause| PublishError::of_name(Kind::Encode(cause), self.raw.shown());
            let payload = encoded.map_err(failed)?;
            self.raw.publish(payload).await
        }
    }

    /// Waits until nodes have taken every message accepted so far, or until the others have failed:
    /// at most about the [`timeout`](crate::ClientBuilder::timeout).
    ///
    /// # Errors
    ///
    /// [`FlushError`] if messages failed since the last flush: their number, and the error of the
    /// first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing. Failures are kept for the next flush.
    pub async fn flush(&mut self) -> Result<(), FlushError> {
        self.raw.flush().await
    }

    /// Returns the number of messages that no node has confirmed yet.
    pub fn unconfirmed(&self) -> usize {
        self.raw.unconfirmed()
    }
}
