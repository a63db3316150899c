//! The settings of a connection, and what its node says about itself.

use amop_proto::client::ClientConfig;

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

/// What the node said about itself.
#[derive(Debug)]
pub(crate) struct Hello {
    /// Its compatibility version, if it answered the handshake.
    pub(crate) node_version: Option<String>,
}
