//! What a client needs to connect to nodes.

use crate::Identity;

/// Nodes, and certificates with which a client may connect to them.
///
/// An embedded network hands it out (`amop_node::Network::access`), and a client takes it
/// (`amop::Client::connect_with`, `amop::ClientBuilder::access`), so that a test names neither
/// addresses nor certificates.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeAccess {
    /// The nodes' channel ports, each as `host:port`.
    pub endpoints: Vec<String>,
    /// An SDK's certificates, with the CA that both sides trust.
    pub identity: Identity,
}

impl NodeAccess {
    /// Creates the access to nodes at these endpoints, each `host:port`.
    pub fn new<E: Into<String>>(
        endpoints: impl IntoIterator<Item = E>,
        identity: Identity,
    ) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            identity,
        }
    }
}
