//! A server: takes requests from a subscription and lets the handler answer them.

use std::{
    fmt,
    future::{Future, pending},
    pin::{Pin, pin},
};

use amop_proto::log::with_causes;
use futures::{StreamExt, stream::FuturesUnordered};

use super::{
    answer::{Handled, handle},
    refusal::Refusal,
};
use crate::{DecodeError, Deliveries, Delivery, Request, ServerStats, report::Warnings};

/// Answers the requests of a topic. Returned by [`Client::serve`](crate::Client::serve) and
/// [`Client::try_serve`](crate::Client::try_serve), which have subscribed to the topic.
///
/// ```no_run
/// #[amop::topic("quote", reply = u64, reply_codec = "json")]
/// struct Quote {
///     symbol: String,
/// }
///
/// # async fn price(symbol: &str) -> u64 { 42 }
/// # async fn run(client: amop::Client) -> Result<(), Box<dyn std::error::Error>> {
/// // At most 16 requests at a time.
/// let server = Quote::serve(&client, 16, async |quote| price(&quote.symbol).await).await?;
/// let stats = server.run().await;
/// println!("{} requests were answered", stats.replied);
/// # Ok(())
/// # }
/// ```
///
/// * **Concurrency.** All handlers run in the task that awaits [`run`](Self::run), at most as many
///   at a time as was asked for; further requests wait in the subscription's queue
///   ([`Client::with_queue`](crate::Client::with_queue)), and when that is full, they are refused,
///   so that the node asks another subscriber. Handlers must not block. For work on several
///   processors, let the handler spawn a task and await it, or run several servers: a client's
///   servers of one topic take turns.
/// * **Errors.** [`try_serve`](crate::Client::try_serve) takes handlers that may fail; see
///   [`Refusal`]. A message that cannot be decoded is not given to the handler: its publisher gets
///   [`PublishErrorKind::Undecodable`](crate::PublishErrorKind::Undecodable).
/// * **Panics.** If a handler panics, the publisher gets
///   [`PublishErrorKind::SubscriberFailed`](crate::PublishErrorKind::SubscriberFailed), the panic is
///   logged, and the server goes on.
/// * **Late replies.** A node waits 5 s, then asks another subscriber. A handler that takes longer
///   is not stopped; its reply is sent, counted in [`ServerStats::late`] and logged.
/// * **Shutdown.** The server ends when the client is [drained](crate::Client::drain): what was
///   accepted is answered before. [`run_until`](Self::run_until) ends this server alone in the same
///   way. It also ends when the client is closed and the handlers that run have ended. It does not
///   keep the client open.
/// * **Drop.** If the future of `run` is dropped, the server takes no further requests and its
///   handlers stop where they are. The publishers of their requests get
///   [`PublishErrorKind::NoReply`](crate::PublishErrorKind::NoReply); requests in the queue are refused, so
///   that the node asks another subscriber.
#[must_use = "a server answers nothing until `run` is awaited; dropping it unsubscribes"]
pub struct Server<R: Request, F, O = <R as Request>::Reply> {
    deliveries: Deliveries<R>,
    concurrency: usize,
    handler: F,
    into: fn(O) -> Result<R::Reply, Refusal>,
}

impl<R: Request, F, O> fmt::Debug for Server<R, F, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("deliveries", &self.deliveries)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

impl<R, F, O> Server<R, F, O>
where
    R: Request,
    F: AsyncFn(R) -> O,
{
    pub(super) fn new(
        deliveries: Deliveries<R>,
        concurrency: usize,
        handler: F,
        into: fn(O) -> Result<R::Reply, Refusal>,
    ) -> Self {
        Self {
            deliveries,
            concurrency: concurrency.max(1),
            handler,
            into,
        }
    }

    /// Returns the topic.
    pub fn topic(&self) -> &str {
        self.deliveries.topic()
    }

    /// Answers requests until the client is drained or closed, and returns what was done.
    ///
    /// The future is `Send` if the handler and its futures are. A handler that borrows from the
    /// function around it prevents this: write `async move |quote| ...` for a server that is spawned.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the server. Every request that it had gets an answer: see
    /// [`Server`].
    pub async fn run(self) -> ServerStats {
        self.run_until(pending()).await
    }

    /// As [`run`](Self::run), but also ends after `stop` completes: it unsubscribes, answers every
    /// request that has arrived, and returns.
    ///
    /// ```no_run
    /// # #[amop::topic("quote", reply = u64, reply_codec = "json")]
    /// # struct Quote { symbol: String }
    /// # async fn run(client: amop::Client) -> Result<(), amop::SubscribeError> {
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let server = Quote::serve(&client, 16, async |quote| quote.symbol.len() as u64).await?;
    /// let running = tokio::spawn(server.run_until(async { drop(stopped.await) }));
    /// // ...
    /// drop(stop);
    /// # let _ =
    /// running.await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> ServerStats {
        let Self {
            mut deliveries,
            concurrency,
            handler,
            into,
        } = self;
        let start = |delivery| handle(&handler, delivery, into);
        let mut work = Work {
            running: FuturesUnordered::new(),
            start,
            concurrency,
            log: ServerLog::new(&deliveries),
        };
        if !work.serve(&mut deliveries, pin!(stop)).await {
            work.leave(&mut deliveries).await;
            work.serve(&mut deliveries, pin!(pending())).await;
        }
        work.log.finish()
    }
}

/// The handlers that run, and how to start more.
struct Work<S, W> {
    running: FuturesUnordered<W>,
    start: S,
    concurrency: usize,
    log: ServerLog,
}

impl<S, W: Future<Output = Handled>> Work<S, W> {
    /// Starts the handlers of requests, and runs them. Returns true once the subscription has ended
    /// and every request is answered, and false if `stop` completes before.
    async fn serve<R: Request>(
        &mut self,
        deliveries: &mut Deliveries<R>,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> bool
    where
        S: Fn(Delivery<R>) -> W,
    {
        let mut ended = false;
        loop {
            let room = !ended && self.running.len() < self.concurrency;
            tokio::select! {
                biased;
                Some(handled) = self.running.next() => self.log.add(&handled),
                () = stop.as_mut() => return false,
                next = deliveries.next(), if room => match next {
                    Some(Ok(delivery)) => self.running.push((self.start)(delivery)),
                    Some(Err(error)) => self.log.undecodable(&error),
                    None => ended = true,
                },
            }
            if ended && self.running.is_empty() {
                return true;
            }
        }
    }

    /// Unsubscribes while the handlers run.
    async fn leave<R: Request>(&mut self, deliveries: &mut Deliveries<R>) {
        let mut leaving = pin!(deliveries.unsubscribe());
        loop {
            tokio::select! {
                biased;
                Some(handled) = self.running.next() => self.log.add(&handled),
                left = &mut leaving => {
                    if let Err(error) = left {
                        let error = with_causes(&error);
                        tracing::debug!("a server unsubscribed without the node's confirmation: {error}");
                    }
                    return;
                }
            }
        }
    }
}

/// The counts of a server, and its log.
struct ServerLog {
    stats: ServerStats,
    warned: u64,
    log: std::sync::Arc<Warnings>,
}

impl ServerLog {
    fn new<R: Request>(deliveries: &Deliveries<R>) -> Self {
        Self {
            stats: ServerStats::default(),
            warned: 0,
            log: Warnings::new(deliveries.later()),
        }
    }

    fn add(&mut self, handled: &Handled) {
        handled.count(&mut self.stats);
        if let Some(warning) = &handled.warning {
            self.warn(warning);
        }
    }

    fn undecodable(&mut self, error: &DecodeError) {
        self.stats.undecodable += 1;
        self.warn(with_causes(error));
    }

    fn warn(&mut self, text: impl fmt::Display) {
        self.warned += 1;
        self.log.warn(self.warned, text);
    }

    fn finish(self) -> ServerStats {
        self.stats
    }
}

impl Drop for ServerLog {
    fn drop(&mut self) {
        self.log.finish();
    }
}
