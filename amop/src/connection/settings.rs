//! The settings of a connection, and what its node says about itself.

use std::sync::{Arc, atomic::AtomicUsize};

use amop_proto::client::ClientConfig;

use crate::Generation;

/// Bytes of published messages that may wait to be written. A longer message is queued once no
/// other message waits.
pub(super) const SEND_BUFFER: usize = 4 * 1024 * 1024;

/// The settings of a connection.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionSettings {
    pub(crate) session: ClientConfig,
    /// The length of the longest frame that may be written, in bytes.
    pub(crate) max_frame: usize,
    /// The length of the longest frame that is read, in bytes.
    pub(crate) max_incoming: usize,
}

/// What is different for each connection.
pub(crate) struct NewConnection {
    /// Its number among all connections of the client.
    pub(crate) id: u64,
    pub(crate) endpoint: Arc<str>,
    /// The generation of the node.
    pub(crate) generation: Generation,
    pub(crate) seed: [u8; 32],
    /// The length of the longest frame that a node at this endpoint has taken.
    pub(crate) longest_taken: Arc<AtomicUsize>,
}

/// What the node said about itself.
#[derive(Debug)]
pub(crate) struct Hello {
    /// Its compatibility version, if it answered the handshake.
    pub(crate) node_version: Option<String>,
}
