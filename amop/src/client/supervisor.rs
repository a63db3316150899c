//! The task that keeps a client connected.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    thread,
    time::Duration,
};

use amop_proto::{client::CloseReason, race::AddressOrder};
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{sync::oneshot, time::sleep_until};
use tracing::{Instrument, Span, field::Empty};

use super::{
    dial::{Budget, DialWay, Dialed, Dialer},
    expiry::expired,
    inner::ClientInner,
    node_info::NodeInfo,
};
use crate::{
    ConnectError, ConnectStage,
    connection::{Connection, Hello, NewConnection},
};

/// How long a node's first answer may take, if it may be of another generation, and was not of this one
/// before.
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts the task. It ends when the client is closed, or when every endpoint is given up.
pub(crate) fn start<D: Dialer>(inner: &Arc<ClientInner>, dialer: D) {
    inner.describe(&dialer);
    let supervising = Supervising(Arc::clone(inner));
    let task = tokio::spawn(async move {
        let supervising = supervising;
        let inner = &supervising.0;
        let reason = tokio::select! {
            reason = supervise(inner, &dialer) => reason,
            never = inner.later.run() => match never {},
        };
        inner.finish(reason);
    });
    inner.supervised_by(task);
}

/// Ends the client if the runtime shuts down or the task panics, so that no caller waits forever.
struct Supervising(Arc<ClientInner>);

impl Supervising {
    fn end(&self, why: &str) {
        self.0.finish(CloseReason::Transport {
            kind: std::io::ErrorKind::Other,
            message: why.to_owned(),
        });
    }
}

impl Drop for Supervising {
    fn drop(&mut self) {
        if thread::panicking() {
            // The log may be the cause of the panic, and a second panic here would end the process.
            let end = || self.end("the client's supervisor panicked; please report it");
            let _ = catch_unwind(AssertUnwindSafe(end));
        } else {
            self.end("the runtime of the client's supervisor has shut down");
        }
    }
}

async fn supervise<D: Dialer>(inner: &ClientInner, dialer: &D) -> CloseReason {
    let mut links: FuturesUnordered<Pin<Box<dyn Future<Output = ()> + Send + '_>>> =
        FuturesUnordered::new();
    let mut changes = inner.changes();
    let reason = loop {
        if let Some(reason) = inner.is_over() {
            break reason;
        }
        let again = match inner.next_dial() {
            Ok(index) => {
                links.push(Box::pin(link(inner, dialer, index)));
                continue;
            }
            Err(again) => again,
        };
        let due = async {
            match again {
                Some(again) => sleep_until(again).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(()) = links.next() => {}
            () = due => {}
            _ = changes.changed() => {}
        }
    };
    // Each connection is told to close, or only has to finish its TLS shutdown.
    while links.next().await.is_some() {}
    reason
}

/// Runs one connection, from dialling to its end, in a span of its own.
async fn link<D: Dialer>(inner: &ClientInner, dialer: &D, index: usize) {
    let span = tracing::debug_span!(
        "connection",
        endpoint = %inner.endpoints[index],
        id = Empty,
        node_version = Empty,
        node_id = Empty,
    );
    run(inner, dialer, index, &span)
        .instrument(span.clone())
        .await;
}

async fn run<D: Dialer>(inner: &ClientInner, dialer: &D, index: usize, span: &Span) {
    let mut dialling = Dialling {
        inner,
        dialer,
        index,
        span,
        budget: Budget::new(
            Arc::clone(&inner.endpoints[index]),
            inner.options.connect_timeout,
        ),
        order: inner.address_order(index),
        greeted: false,
        ended: Vec::new(),
    };
    if let Err(error) = dialling.try_all().await {
        inner.failed(index, error);
    }
    for connection in dialling.ended {
        connection.join().await;
    }
}

/// One connection to an endpoint, from dialling to its end.
struct Dialling<'a, D> {
    inner: &'a ClientInner,
    dialer: &'a D,
    index: usize,
    span: &'a Span,
    budget: Budget,
    order: AddressOrder,
    /// The node has answered the version handshake of the last connection.
    greeted: bool,
    /// Connections that are closed, or are being closed.
    ended: Vec<Connection>,
}

impl<D: Dialer> Dialling<'_, D> {
    /// Connects, trying one generation after the other, and waits for the end of the connection.
    async fn try_all(&mut self) -> Result<(), ConnectError> {
        let (inner, index) = (self.inner, self.index);
        let generations = inner.in_order(index, self.dialer.generations(index));
        let known = inner.generation(index);
        let half = inner.options.connect_timeout / 2;
        let mut failures = Vec::new();
        for (at, &generation) in generations.iter().enumerate() {
            let more = at + 1 < generations.len();
            let way = DialWay {
                generation,
                patience: more.then_some(match known == Some(generation) {
                    true => half,
                    false => PATIENCE.min(half),
                }),
            };
            match self.run(way).await {
                Ok(()) => return Ok(()),
                Err(error) if more && !self.greeted && error.suggests_another_than(generation) => {
                    let endpoint = &inner.endpoints[index];
                    tracing::debug!(%endpoint, %generation, %error, "the node may be of another generation");
                    failures.push(Arc::new(error));
                }
                Err(error) if failures.is_empty() => return Err(error),
                Err(error) => {
                    failures.push(Arc::new(error));
                    return Err(ConnectError::NoGeneration {
                        endpoint: inner.endpoints[index].to_string(),
                        failures,
                    });
                }
            }
        }
        Ok(())
    }

    /// Connects in one way, and waits for the end of the connection.
    async fn run(&mut self, way: DialWay) -> Result<(), ConnectError> {
        let (inner, index) = (self.inner, self.index);
        let dialed = tokio::select! {
            biased;
            () = closing(inner) => return Ok(()),
            dialed = self.dialer.dial(index, way, &self.order, &self.budget) => dialed?,
        };
        let Dialed {
            stream,
            address,
            public_key,
            expiry,
        } = dialed;
        let (id, seed, longest_taken) = inner.new_connection(index);
        self.span.record("id", id);
        let (connection, hello) = Connection::start(
            stream,
            NewConnection {
                id,
                endpoint: Arc::clone(&inner.endpoints[index]),
                generation: way.generation,
                seed,
                longest_taken,
            },
            &inner.options.connection,
            Arc::clone(&inner.subscriptions),
        );
        inner.joining(index, &connection);
        self.ended.push(connection.clone());
        let greeted = &mut self.greeted;
        let settled = settle(inner, &connection, hello, &self.budget, greeted).await;
        if let Some(address) = address {
            inner.judge(index, address, settled.is_ok());
        }
        let Hello { node_version } = settled.inspect_err(|_| connection.close())?;
        let info = NodeInfo::of(&connection, node_version, public_key);
        info.describe(self.span);
        inner.joined(index, &connection, info);
        let reason = tokio::select! {
            biased;
            reason = connection.lost() => reason,
            certificate = expired(expiry) => {
                connection.expire(certificate);
                connection.lost().await
            }
        };
        inner.lost(index, reason);
        Ok(())
    }
}

/// Waits until the client is being closed.
async fn closing(inner: &ClientInner) {
    let mut changes = inner.changes();
    while inner.close_reason().is_none() {
        // This cannot fail, because `inner` owns the sender.
        let _ = changes.changed().await;
    }
}

/// Waits for the version handshake, and until the node has confirmed the topics.
async fn settle(
    inner: &ClientInner,
    connection: &Connection,
    hello: oneshot::Receiver<Hello>,
    budget: &Budget,
    greeted: &mut bool,
) -> Result<Hello, ConnectError> {
    let failed = |reason| failed(connection.endpoint().to_owned(), reason);
    let hello = budget
        .spend(ConnectStage::Handshake, hello)
        .await?
        .map_err(|_| failed(connection.close_reason()))?;
    // Old nodes of 2.x do not answer it, and others may not.
    *greeted = hello.node_version.is_some();
    let topics = inner.subscriptions.wanted();
    let settling = connection.sync_topics(&topics);
    match connection.settled(settling, budget.deadline()).await {
        Ok(true) => Ok(hello),
        Ok(false) => Err(budget.timeout(ConnectStage::Topics)),
        Err(reason) => Err(failed(Some(reason))),
    }
}

/// Returns the error of a session that ended before it could be used.
fn failed(endpoint: String, reason: Option<CloseReason>) -> ConnectError {
    match reason {
        Some(CloseReason::Frame(source)) => ConnectError::NotANode { endpoint, source },
        Some(
            reason @ (CloseReason::Handshake(_)
            | CloseReason::Version(_)
            | CloseReason::WsHandshake { .. }),
        ) => ConnectError::HandshakeRejected { endpoint, reason },
        reason => ConnectError::ClosedDuringHandshake {
            endpoint,
            reason: reason.unwrap_or(CloseReason::DuringHandshake),
        },
    }
}
