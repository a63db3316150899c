//! What a supervisor needs of a dialer.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use amop_proto::{client::ExpiredCertificate, race::AddressOrder};
use amop_tls::PublicKey;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout_at},
};

use crate::{ConnectError, ConnectStage};

/// Makes streams to a client's endpoints.
pub(crate) trait Dialer: Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Returns a stream to the endpoint with that index. If it has several addresses, `order` says
    /// which to try first.
    fn dial(
        &self,
        index: usize,
        order: &AddressOrder,
        budget: &Budget,
    ) -> impl Future<Output = Result<Dialed<Self::Stream>, ConnectError>> + Send;
}

/// A stream to a node, and what its certificates say.
#[derive(Debug)]
pub(crate) struct Dialed<S> {
    pub(crate) stream: S,
    /// The node's address; `None` without a network.
    pub(crate) address: Option<SocketAddr>,
    /// The node's public key; `None` for RSA certificates.
    pub(crate) public_key: Option<PublicKey>,
    /// The first of the connection's certificates that expires.
    pub(crate) expiry: Option<ExpiredCertificate>,
}

/// The time limit that all steps of connecting share.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    endpoint: Arc<str>,
    after: Duration,
    deadline: Instant,
}

impl Budget {
    pub(crate) fn new(endpoint: Arc<str>, after: Duration) -> Self {
        Self {
            endpoint,
            after,
            deadline: Instant::now() + after,
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn timeout(&self, stage: ConnectStage) -> ConnectError {
        ConnectError::Timeout {
            endpoint: self.endpoint.to_string(),
            stage,
            after: self.after,
        }
    }

    /// Runs a step within the time that is left.
    pub(crate) async fn spend<F: Future>(
        &self,
        stage: ConnectStage,
        step: F,
    ) -> Result<F::Output, ConnectError> {
        timeout_at(self.deadline, step)
            .await
            .map_err(|_| self.timeout(stage))
    }
}
