//! What a supervisor needs of a dialer.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use amop_proto::{client::ExpiredCertificate, race::AddressOrder};
use amop_tls::PublicKey;
use tokio::time::{Instant, timeout_at};

use crate::{ConnectError, ConnectStage, Generation, connection::FrameStream};

/// Makes streams to a client's endpoints.
pub(crate) trait Dialer: Send + Sync + 'static {
    type Stream: FrameStream + Unpin + Send + 'static;

    /// Returns the generations that the node of an endpoint may have, the most likely first; at least
    /// one.
    fn generations(&self, _index: usize) -> &[Generation] {
        &[Generation::V2]
    }

    /// Returns the number of the chain that an endpoint's node is of.
    fn chain(&self, _index: usize) -> usize {
        0
    }

    /// Returns a stream of frames to the endpoint with that index. If it has several addresses, `order`
    /// says which to try first.
    fn dial(
        &self,
        index: usize,
        way: DialWay,
        order: &AddressOrder,
        budget: &Budget,
    ) -> impl Future<Output = Result<Dialed<Self::Stream>, ConnectError>> + Send;
}

/// How a node is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DialWay {
    pub(crate) generation: Generation,
    /// How long its first answer may take, if another way can be tried after this one.
    pub(crate) patience: Option<Duration>,
}

/// A stream to a node, and what its certificates say.
#[derive(Debug)]
pub(crate) struct Dialed<S> {
    pub(crate) stream: S,
    /// The node's address; `None` without a network.
    pub(crate) address: Option<SocketAddr>,
    /// The node's public key; `None` for RSA certificates, and without TLS.
    pub(crate) public_key: Option<PublicKey>,
    /// The first of the connection's certificates that expires; `None` without TLS.
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

    /// Returns the time that all steps together may take.
    pub(crate) fn after(&self) -> Duration {
        self.after
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

    /// Returns this time limit, or a shorter one for a single step.
    pub(crate) fn limited(&self, patience: Option<Duration>) -> Self {
        let mut limited = self.clone();
        if let Some(patience) = patience
            && Instant::now() + patience < self.deadline
        {
            limited.after = patience;
            limited.deadline = Instant::now() + patience;
        }
        limited
    }
}
