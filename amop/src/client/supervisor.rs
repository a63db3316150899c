//! The task that keeps a client connected.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    thread,
};

use amop_proto::client::CloseReason;
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{sync::oneshot, time::sleep_until};
use tracing::{Instrument, Span, field::Empty};

use super::{
    dial::{Budget, Dialed, Dialer},
    expiry::expired,
    inner::ClientInner,
    node_info::NodeInfo,
};
use crate::{
    ConnectError, ConnectStage,
    connection::{Connection, Hello},
};

/// Starts the task. It ends when the client is closed, or when every endpoint is given up.
pub(crate) fn start<D: Dialer>(inner: &Arc<ClientInner>, dialer: D) {
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
    let endpoint = &inner.endpoints[index];
    let budget = Budget::new(Arc::clone(endpoint), inner.options.connect_timeout);
    let order = inner.address_order(index);
    let dialed = tokio::select! {
        biased;
        () = closing(inner) => return,
        dialed = dialer.dial(index, &order, &budget) => dialed,
    };
    let Dialed {
        stream,
        address,
        public_key,
        expiry,
    } = match dialed {
        Ok(dialed) => dialed,
        Err(error) => return inner.failed(index, error),
    };
    let (id, seed, longest_taken) = inner.new_connection(index);
    span.record("id", id);
    let (connection, hello) = Connection::start(
        stream,
        id,
        Arc::clone(endpoint),
        &inner.options.connection,
        seed,
        Arc::clone(&inner.subscriptions),
        longest_taken,
    );
    inner.joining(index, &connection);
    let settled = settle(inner, &connection, hello, &budget).await;
    if let Some(address) = address {
        inner.judge(index, address, settled.is_ok());
    }
    match settled {
        Ok(Hello { node_version }) => {
            let info = NodeInfo::of(&connection, node_version, public_key);
            info.describe(span);
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
        }
        Err(error) => {
            connection.close();
            inner.failed(index, error);
        }
    }
    connection.join().await;
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
) -> Result<Hello, ConnectError> {
    let failed = |reason| failed(connection.endpoint().to_owned(), reason);
    let hello = budget
        .spend(ConnectStage::Handshake, hello)
        .await?
        .map_err(|_| failed(connection.close_reason()))?;
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
        Some(reason @ (CloseReason::Handshake(_) | CloseReason::Version(_))) => {
            ConnectError::HandshakeRejected { endpoint, reason }
        }
        reason => ConnectError::ClosedDuringHandshake {
            endpoint,
            reason: reason.unwrap_or(CloseReason::DuringHandshake),
        },
    }
}
