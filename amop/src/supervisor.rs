//! The task that keeps a client connected.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    thread,
};

use amop_proto::client::CloseReason;
use amop_tls::PublicKey;
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    time::sleep_until,
};

use crate::{
    ConnectError, Stage,
    connection::{Connection, Hello},
    dial::Budget,
    expiry::{Expiry, expired},
    hub::{Hub, node_info},
};

/// Makes streams to a client's endpoints.
pub(crate) trait Dialer: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Returns a stream to the endpoint with that index.
    fn dial(
        &self,
        index: usize,
        budget: &Budget,
    ) -> impl Future<Output = Result<Dialed<Self::Stream>, ConnectError>> + Send;
}

/// A stream to a node, and what its certificates say.
#[derive(Debug)]
pub(crate) struct Dialed<S> {
    pub(crate) stream: S,
    /// The node's public key; `None` for RSA certificates.
    pub(crate) public_key: Option<PublicKey>,
    /// When the first of the connection's certificates expires.
    pub(crate) expiry: Option<Expiry>,
}

/// Starts the task. It ends when the client is closed, or when every endpoint is given up.
pub(crate) fn start<D: Dialer>(hub: &Arc<Hub>, dialer: D) {
    let supervising = Supervising(Arc::clone(hub));
    let task = tokio::spawn(async move {
        let supervising = supervising;
        let hub = &supervising.0;
        let reason = tokio::select! {
            reason = supervise(hub, &dialer) => reason,
            never = hub.later.run() => match never {},
        };
        hub.finish(reason);
    });
    hub.supervised_by(task);
}

/// Ends the client if the runtime shuts down or the task panics, so that no caller waits forever.
struct Supervising(Arc<Hub>);

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

async fn supervise<D: Dialer>(hub: &Hub, dialer: &D) -> CloseReason {
    let mut links: FuturesUnordered<Pin<Box<dyn Future<Output = ()> + Send + '_>>> =
        FuturesUnordered::new();
    let mut changes = hub.changes();
    let reason = loop {
        if let Some(reason) = hub.is_over() {
            break reason;
        }
        let again = match hub.next_dial() {
            Ok(index) => {
                links.push(Box::pin(link(hub, dialer, index)));
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

/// Runs one connection, from dialling to its end.
async fn link<D: Dialer>(hub: &Hub, dialer: &D, index: usize) {
    let endpoint = &hub.endpoints[index];
    let budget = Budget::new(Arc::clone(endpoint), hub.options.connect_timeout);
    let dialed = tokio::select! {
        biased;
        () = closing(hub) => return,
        dialed = dialer.dial(index, &budget) => dialed,
    };
    let Dialed {
        stream,
        public_key,
        expiry,
    } = match dialed {
        Ok(dialed) => dialed,
        Err(error) => return hub.failed(index, error),
    };
    let (id, seed, longest_taken) = hub.new_connection(index);
    let (connection, hello) = Connection::start(
        stream,
        id,
        Arc::clone(endpoint),
        &hub.options.connection,
        seed,
        Arc::clone(&hub.routes),
        longest_taken,
    );
    hub.joining(index, &connection);
    match settle(hub, &connection, hello, &budget).await {
        Ok(Hello { node_version }) => {
            let info = node_info(&connection, node_version, public_key);
            hub.joined(index, &connection, info);
            let reason = tokio::select! {
                biased;
                reason = connection.lost() => reason,
                expiry = expired(expiry) => {
                    connection.expire(expiry.own, expiry.at);
                    connection.lost().await
                }
            };
            hub.lost(index, reason);
        }
        Err(error) => {
            connection.close();
            hub.failed(index, error);
        }
    }
    connection.join().await;
}

/// Waits until the client is being closed.
async fn closing(hub: &Hub) {
    let mut changes = hub.changes();
    while hub.close_reason().is_none() {
        // This cannot fail, because `hub` owns the sender.
        let _ = changes.changed().await;
    }
}

/// Waits for the version handshake, and until the node has confirmed the topics.
async fn settle(
    hub: &Hub,
    connection: &Connection,
    hello: oneshot::Receiver<Hello>,
    budget: &Budget,
) -> Result<Hello, ConnectError> {
    let failed = |reason| failed(connection.endpoint().to_owned(), reason);
    let hello = budget
        .spend(Stage::Handshake, hello)
        .await?
        .map_err(|_| failed(connection.close_reason()))?;
    let topics = hub.routes.wanted();
    let settling = connection.sync_topics(&topics);
    match connection.settled(settling, budget.deadline()).await {
        Ok(true) => Ok(hello),
        Ok(false) => Err(budget.timeout(Stage::Topics)),
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
