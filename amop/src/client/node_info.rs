//! What a client knows about a node.

use amop_tls::PublicKey;
use tracing::{Span, field::display};

use super::event::Event;
use crate::{Generation, connection::Connection};

/// A node that a client is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeInfo {
    /// Its address, `host:port`.
    pub endpoint: String,
    /// The generation of FISCO BCOS whose protocol it speaks.
    pub generation: Generation,
    /// The version of the protocol of 2.x in use, 1 to 3; 3 for a node of 3.x, too: the version that
    /// such a node tells does not concern messages.
    pub protocol_version: u32,
    /// Its compatibility version, e.g. `2.11.1`; `None` if it did not answer the version handshake. For
    /// 3.x it is that of its first group; overlay nodes have none.
    pub node_version: Option<String>,
    /// Its public key, which also is its node id; `None` if its certificate is an RSA one.
    pub public_key: Option<PublicKey>,
    /// Whether it is a FISCO node and not an overlay node. [The crate's
    /// documentation](crate#fisco-nodes) says what follows from that. A node of 3.x counts as one if
    /// it serves a group of a chain.
    pub fisco: bool,
}

impl NodeInfo {
    /// Returns what is known about the node of a connection.
    pub(super) fn of(
        connection: &Connection,
        node_version: Option<String>,
        public_key: Option<PublicKey>,
    ) -> Self {
        let generation = connection.generation();
        Self {
            endpoint: connection.endpoint().to_owned(),
            generation,
            protocol_version: connection.protocol_version(),
            fisco: match generation {
                Generation::V2 => !connection.is_overlay(),
                Generation::V3 => node_version.is_some(),
            },
            node_version,
            public_key,
        }
    }

    /// Adds what is known about the node to the span of its connection.
    pub(super) fn describe(&self, span: &Span) {
        if let Some(version) = &self.node_version {
            span.record("node_version", version.as_str());
        }
        if let Some(key) = &self.public_key {
            span.record("node_id", display(key));
        }
    }

    /// Returns the event of a new connection.
    pub(super) fn connected(&self) -> Event {
        Event::Connected {
            endpoint: self.endpoint.clone(),
            node_version: self.node_version.clone(),
        }
    }

    /// Logs how a FISCO node differs from an overlay node.
    pub(super) fn describe_fisco(&self, endpoints: usize) {
        if !self.fisco || self.generation != Generation::V2 {
            return;
        }
        let (endpoint, version) = (&self.endpoint, self.node_version.as_deref());
        let advice = match endpoints {
            1 => {
                "subscribers at this node get nothing from publishers at this node: publish and subscribe at \
                 different nodes, or name several endpoints"
            }
            _ => {
                "multicasts are sent to two nodes; a unicast waits 30 s if the node picks one of its \
                 own subscribers, see ClientBuilder::ask_another_node_after"
            }
        };
        tracing::info!(
            endpoint,
            version,
            "connected to a FISCO node, which does not deliver to its own subscribers: {advice}"
        );
    }
}
