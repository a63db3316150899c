//! The version handshake (ws-v3 section 7).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    GroupInfo, WsJsonError, WsStatus,
    json::{read_object, to_payload},
};

/// The newest version of the protocol. The number selects formats of transactions, and does not
/// concern AMOP.
pub const MAX_WS_VERSION: u32 = 2;

/// The lowest version that a node of this crate chooses. After the version 0, SDKs drop every
/// message that is not an answer, and some end the session (ws-v3 section 12.1).
pub const MIN_WS_VERSION: u32 = 1;

/// The number by which an SDK says that it wants the protocol of SDKs.
const SDK_MODULE: u32 = 2;

/// The highest number that a node reads there.
const MAX_MODULE: u32 = 3;

/// The longest request that is read, in bytes.
const MAX_REQUEST: usize = 16 * 1024;

/// The longest answer that is read, in bytes: room for hundreds of groups with their nodes.
const MAX_RESPONSE: usize = 8 * 1024 * 1024;

/// The first message of an SDK. Missing members count as 0.
///
/// ```
/// use amop_proto::ws::WsHandshakeRequest;
///
/// let payload = WsHandshakeRequest::client().to_payload();
/// assert_eq!(&payload[..], b"{\"maxVersion\":2,\"minVersion\":0,\"moduleID\":2}\n");
/// assert_eq!(WsHandshakeRequest::parse(&payload)?.negotiate()?, 2);
/// # Ok::<(), amop_proto::ws::WsHandshakeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WsHandshakeRequest {
    /// The highest version it speaks.
    pub max_version: u32,
    /// The lowest version it speaks. SDKs 3.0 to 3.4 say 1, later ones 0.
    pub min_version: u32,
    /// The number of the protocol it wants; SDKs say 2.
    #[serde(rename = "moduleID")]
    pub module: u32,
}

impl WsHandshakeRequest {
    /// Returns what a native client sends: the same as the newest SDKs.
    pub fn client() -> Self {
        Self {
            max_version: MAX_WS_VERSION,
            min_version: 0,
            module: SDK_MODULE,
        }
    }

    /// Returns the payload of the message.
    pub fn to_payload(&self) -> Bytes {
        to_payload(self)
    }

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`WsHandshakeError`] if it is not a JSON object of this shape, or wants another protocol. A
    /// node does not answer it then, and keeps the session.
    pub fn parse(payload: &[u8]) -> Result<Self, WsHandshakeError> {
        let request: Self = read_object(payload, MAX_REQUEST)?;
        if request.module > MAX_MODULE {
            return Err(WsHandshakeError::Module(request.module));
        }
        Ok(request)
    }

    /// Returns the version that a node chooses: the highest that both speak, and at least
    /// [`MIN_WS_VERSION`].
    ///
    /// # Errors
    ///
    /// [`WsHandshakeError::NoCommonVersion`] if they share no version; a node then ends the session.
    pub fn negotiate(&self) -> Result<u32, WsHandshakeError> {
        if self.min_version > MAX_WS_VERSION {
            return Err(WsHandshakeError::NoCommonVersion {
                minimum: self.min_version,
                maximum: self.max_version,
            });
        }
        Ok(self.max_version.clamp(MIN_WS_VERSION, MAX_WS_VERSION))
    }
}

/// A node's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WsHandshakeResponse {
    /// The heights of the groups that have one: maps of one group id each.
    pub group_block_number: Vec<BTreeMap<String, u64>>,
    /// The groups that the node serves.
    pub group_info_list: Vec<GroupInfo>,
    /// The chosen version.
    pub protocol_version: u32,
}

/// An answer as it is received: AMOP needs none of its members.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Received {
    group_block_number: Value,
    group_info_list: Value,
    protocol_version: Value,
}

impl WsHandshakeResponse {
    /// Creates an answer.
    pub fn new(protocol_version: u32, group_info_list: Vec<GroupInfo>) -> Self {
        Self {
            group_block_number: Vec::new(),
            group_info_list,
            protocol_version,
        }
    }

    /// Returns the payload of the message.
    pub fn to_payload(&self) -> Bytes {
        to_payload(self)
    }

    /// Reads a payload. Members that are missing or have another form are left out, because AMOP
    /// needs none of them (ws-v3 section 14).
    ///
    /// # Errors
    ///
    /// [`WsHandshakeError::Json`] if it is not a JSON object.
    pub fn parse(payload: &[u8]) -> Result<Self, WsHandshakeError> {
        let received: Received = read_object(payload, MAX_RESPONSE)?;
        let version = received.protocol_version.as_u64();
        let version = version.and_then(|number| u32::try_from(number).ok());
        Ok(Self {
            group_block_number: those_of(received.group_block_number),
            group_info_list: those_of(received.group_info_list),
            protocol_version: version.unwrap_or(0),
        })
    }
}

/// Returns those elements of an array that have the right form.
fn those_of<T: DeserializeOwned>(array: Value) -> Vec<T> {
    let Value::Array(elements) = array else {
        return Vec::new();
    };
    let elements = elements.into_iter();
    elements
        .filter_map(|element| serde_json::from_value(element).ok())
        .collect()
}

/// Why a handshake failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WsHandshakeError {
    /// The payload is not valid for a handshake.
    #[error("malformed handshake")]
    Json(#[from] WsJsonError),
    /// The SDK wants a protocol that does not exist.
    #[error("the SDK asks for the protocol {0}; SDKs have the number {SDK_MODULE}")]
    Module(u32),
    /// The version ranges do not overlap.
    #[error(
        "the SDK speaks protocol versions {minimum} to {maximum}, this node {MIN_WS_VERSION} to \
         {MAX_WS_VERSION}"
    )]
    NoCommonVersion {
        /// The SDK's lowest version.
        minimum: u32,
        /// The SDK's highest version.
        maximum: u32,
    },
    /// The node answered with an error.
    #[error("the node refused the handshake with status {0}")]
    Refused(WsStatus),
}
