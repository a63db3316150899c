//! The parts of [`Client`] and [`Deliveries`] that serve requests.

use super::{refusal::Refusal, server::Server};
use crate::{Client, Deliveries, Request, SubscribeError};

/// Serving requests.
impl Client {
    /// Subscribes to a request topic, and returns a server that answers its requests with `handler`:
    /// [`Server::run`] runs it, with at most `concurrency` requests at a time (at least 1). The
    /// documentation of [`Server`] says what happens when handlers fail or are slow, and at the end.
    ///
    /// The generated function `Quote::serve(&client, 16, ...)` is the same. For a topic with another
    /// name, or a private one, call [`Deliveries::serve`].
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe): if the future is dropped, the client is not subscribed.
    pub async fn serve<R, F>(
        &self,
        concurrency: usize,
        handler: F,
    ) -> Result<Server<R, F>, SubscribeError>
    where
        R: Request,
        F: AsyncFn(R) -> R::Reply,
    {
        Ok(self.deliveries().await?.serve(concurrency, handler))
    }

    /// As [`serve`](Self::serve), with a handler that may refuse requests, or fail; see [`Refusal`].
    ///
    /// # Errors
    ///
    /// [`SubscribeError`].
    ///
    /// # Cancel safety
    ///
    /// As [`serve`](Self::serve).
    pub async fn try_serve<R, F>(
        &self,
        concurrency: usize,
        handler: F,
    ) -> Result<Server<R, F, Result<R::Reply, Refusal>>, SubscribeError>
    where
        R: Request,
        F: AsyncFn(R) -> Result<R::Reply, Refusal>,
    {
        Ok(self.deliveries().await?.try_serve(concurrency, handler))
    }
}

/// Serving requests.
impl<R: Request> Deliveries<R> {
    /// As [`Client::serve`], for a subscription that was made before: to a topic with another name,
    /// to a private topic, or by [`Client::subscription`].
    pub fn serve<F>(self, concurrency: usize, handler: F) -> Server<R, F>
    where
        F: AsyncFn(R) -> R::Reply,
    {
        Server::new(self, concurrency, handler, Ok)
    }

    /// As [`Client::try_serve`], for a subscription that was made before.
    pub fn try_serve<F>(
        self,
        concurrency: usize,
        handler: F,
    ) -> Server<R, F, Result<R::Reply, Refusal>>
    where
        F: AsyncFn(R) -> Result<R::Reply, Refusal>,
    {
        Server::new(self, concurrency, handler, |result| result)
    }
}
