//! What a node tells every session without being asked (ws-v3 section 9).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    GroupInfo, WsJsonError,
    json::{read_object, to_payload},
};

/// The longest notice that is read, in bytes.
const MAX_NOTICE: usize = 1024 * 1024;

/// A new block, 0x0101. An AMOP client ignores it.
///
/// ```
/// use amop_proto::ws::BlockNotice;
///
/// let payload = br#"{"blockNumber":12,"group":"group0","nodeName":"node0"}"#;
/// assert_eq!(BlockNotice::parse(payload)?.block_number, 12);
/// # Ok::<(), amop_proto::ws::WsJsonError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BlockNotice {
    /// The height of the group.
    pub block_number: u64,
    /// The group's id.
    pub group: String,
    /// The node's name.
    pub node_name: String,
}

impl BlockNotice {
    /// Returns the payload of the message.
    pub fn to_payload(&self) -> Bytes {
        to_payload(self)
    }

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`WsJsonError`] for anything that is not JSON of this shape.
    pub fn parse(payload: &[u8]) -> Result<Self, WsJsonError> {
        read_object(payload, MAX_NOTICE)
    }
}

impl GroupInfo {
    /// Returns the payload of a message that says that the group has changed, 0x0103.
    pub fn to_payload(&self) -> Bytes {
        to_payload(self)
    }

    /// Reads the payload of such a message.
    ///
    /// # Errors
    ///
    /// [`WsJsonError`] for anything that is not JSON of this shape.
    pub fn parse(payload: &[u8]) -> Result<Self, WsJsonError> {
        read_object(payload, MAX_NOTICE)
    }
}
