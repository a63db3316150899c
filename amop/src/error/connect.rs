//! Why a client could not connect.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use amop_proto::{channel::FrameError, client::CloseReason, log::with_causes};
use amop_tls::{HandshakeFailure, TlsError};
use amop_ws::UpgradeError;

use super::{CertificatesNotFound, SdkConfigError};
use crate::Generation;

/// Why a client could not connect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No certificates were given and none were found.
    #[error(transparent)]
    CertificatesNotFound(#[from] CertificatesNotFound),
    /// The certificates cannot be used.
    #[error("cannot use these certificates")]
    Certificates(#[from] TlsError),
    /// The endpoint cannot be read.
    #[error("endpoint {endpoint:?} {problem}; write host:port, for example 127.0.0.1:20200")]
    InvalidEndpoint {
        /// The endpoint as it was given.
        endpoint: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The host name has no address.
    #[error("cannot resolve the host of {endpoint}; check the name or give an address")]
    Resolve {
        /// The endpoint.
        endpoint: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// No TCP connection could be made.
    #[error(
        "cannot connect to {endpoint} ({address}); check that the node runs and that the port is \
         its channel_listen_port, or on 3.x the listen_port of [rpc]"
    )]
    Tcp {
        /// The endpoint.
        endpoint: String,
        /// The last address tried.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error("TLS handshake with {endpoint} failed")]
    Tls {
        /// The endpoint.
        endpoint: String,
        /// Why, and what to do.
        source: HandshakeFailure,
    },
    /// The connection was not ready before the timeout.
    #[error(
        "no connection to {endpoint} within {} ms: {stage} did not finish; check that the node \
         runs and that nothing in between drops packets",
        after.as_millis()
    )]
    Timeout {
        /// The endpoint.
        endpoint: String,
        /// The step that did not finish.
        stage: ConnectStage,
        /// The time allowed for everything.
        after: Duration,
    },
    /// The peer did not agree to the WebSocket of FISCO BCOS 3.x.
    #[error(
        "{endpoint} does not speak the protocol of FISCO BCOS 3.x; check that the port is the listen_port \
         in the node's [rpc], and that its disable_ssl is as here; a node of 2.x needs Protocol::V2 or Auto"
    )]
    Upgrade {
        /// The endpoint.
        endpoint: String,
        /// What it answered.
        source: UpgradeError,
    },
    /// The peer speaks neither of the protocols of 2.x and 3.x.
    #[error(
        "{endpoint} is neither a node of FISCO BCOS 2.x nor one of 3.x, or does not let this client in: {}",
        list(failures)
    )]
    NoGeneration {
        /// The endpoint.
        endpoint: String,
        /// The errors of the attempts, in the order in which they were made.
        failures: Vec<Arc<ConnectError>>,
    },
    /// TLS worked, but the peer does not speak the channel protocol.
    #[error(
        "{endpoint} does not speak the channel protocol; check that the port is the node's \
         channel_listen_port"
    )]
    NotANode {
        /// The endpoint.
        endpoint: String,
        /// What is wrong with its first bytes.
        source: FrameError,
    },
    /// The node's answer to the version handshake is not usable.
    #[error("version handshake with {endpoint} failed; the node must be of FISCO BCOS 2.x or 3.x")]
    HandshakeRejected {
        /// The endpoint.
        endpoint: String,
        /// What is wrong.
        #[source]
        reason: CloseReason,
    },
    /// Connecting failed for each of several endpoints.
    #[error("cannot connect to any endpoint: {}", list(failures))]
    AllFailed {
        /// The errors, one for each endpoint; each names its endpoint.
        failures: Vec<Arc<ConnectError>>,
    },
    /// No endpoint was given.
    #[error(
        "there is no endpoint to connect to; give one as host:port, for example 127.0.0.1:20200"
    )]
    NoEndpoint,
    /// The configuration file cannot be used.
    #[error(transparent)]
    Config(#[from] SdkConfigError),
    /// The connection ended before it could be used: it failed, or the node closed it instead of
    /// answering the version handshake or confirming the topics.
    #[error("{}", closed_early(endpoint, reason))]
    ClosedDuringHandshake {
        /// The endpoint.
        endpoint: String,
        /// How it ended.
        #[source]
        reason: CloseReason,
    },
}

fn closed_early(endpoint: &str, reason: &CloseReason) -> String {
    match reason {
        CloseReason::Peer | CloseReason::DuringHandshake => format!(
            "{endpoint} does not let this client in, or does not speak any of the protocol \
             versions 1 to 3; its log says why"
        ),
        _ => format!("the connection to {endpoint} ended before it could be used"),
    }
}

impl ConnectError {
    /// Returns whether connecting again later may succeed although nothing is changed: the node may
    /// start, or the network may recover. It is `false` if the configuration of one side must be
    /// changed first, for example certificates.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Resolve { .. } | Self::Tcp { .. } | Self::Timeout { .. } => true,
            Self::Tls { source, .. } => source.is_transient(),
            Self::Upgrade { source, .. } => match source {
                UpgradeError::Closed | UpgradeError::Io(_) => true,
                UpgradeError::Status { status } => *status >= 500,
                _ => false,
            },
            Self::ClosedDuringHandshake { reason, .. } => match reason {
                CloseReason::Local => false,
                CloseReason::Expired(certificate) => !certificate.own,
                _ => true,
            },
            Self::AllFailed { failures } | Self::NoGeneration { failures, .. } => {
                failures.iter().any(|failure| failure.is_retryable())
            }
            Self::CertificatesNotFound(_)
            | Self::Certificates(_)
            | Self::InvalidEndpoint { .. }
            | Self::NotANode { .. }
            | Self::HandshakeRejected { .. }
            | Self::NoEndpoint
            | Self::Config(_) => false,
        }
    }

    /// Returns whether a peer that was spoken to as a node of `generation` is probably of another one;
    /// [`Protocol::Auto`](crate::Protocol::Auto) has the rules.
    pub(crate) fn suggests_another_than(&self, generation: Generation) -> bool {
        match (generation, self) {
            (Generation::V3, Self::Upgrade { source, .. }) => source.is_other_protocol(),
            (Generation::V3, Self::Timeout { stage, .. }) => *stage == ConnectStage::Upgrade,
            (Generation::V2, Self::NotANode { .. }) => true,
            (Generation::V2, Self::ClosedDuringHandshake { reason, .. }) => matches!(
                reason,
                CloseReason::Peer | CloseReason::DuringHandshake | CloseReason::Transport { .. }
            ),
            _ => false,
        }
    }

    /// Returns the only error, or an error that holds all of them.
    pub(crate) fn of_all(mut failures: Vec<Arc<Self>>) -> Self {
        match failures.pop() {
            Some(only) if failures.is_empty() => match Arc::try_unwrap(only) {
                Ok(error) => error,
                Err(shared) => Self::AllFailed {
                    failures: vec![shared],
                },
            },
            last => {
                failures.extend(last);
                Self::AllFailed { failures }
            }
        }
    }
}

fn list(failures: &[Arc<ConnectError>]) -> String {
    let texts = failures
        .iter()
        .map(|error| with_causes(&**error).to_string());
    texts.collect::<Vec<_>>().join("; ")
}

/// A step of connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectStage {
    /// Finding the host's addresses.
    Resolve,
    /// The TCP connection.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// The agreement on a WebSocket, with a node of 3.x.
    Upgrade,
    /// The version handshake.
    Handshake,
    /// The confirmation of the topics subscribed to, when a connection is made again.
    Topics,
}

impl fmt::Display for ConnectStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving the host name",
            Self::Tcp => "the TCP connection",
            Self::Tls => "the TLS handshake",
            Self::Upgrade => "the WebSocket upgrade",
            Self::Handshake => "the version handshake",
            Self::Topics => "the confirmation of the topics",
        })
    }
}

#[cfg(test)]
mod tests;
