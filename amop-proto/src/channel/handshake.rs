//! The version handshake, 0x14 (channel-v2 section 5.1).

use std::ops::RangeInclusive;

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Frame, FrameType, Seq};
use crate::log::OneLine;

/// The protocol versions that exist.
pub const PROTOCOL_VERSIONS: RangeInclusive<u32> = 1..=3;

/// The name by which a native client identifies itself. A node may send it several frames in one
/// TLS record, which other SDKs cannot read (channel-v2 section 3.4).
pub const CLIENT_TYPE: &str = "amop-rust";

/// The name by which the translator of a 3.x session identifies itself to the node that it belongs
/// to. It gets everything that a native client gets, but the SDK behind it does not drop multicasts
/// that come twice.
pub const BRIDGE_TYPE: &str = "amop-rust-3x";

/// A session's protocol version: 1 until a handshake chooses another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProtocolVersion(u32);

impl ProtocolVersion {
    /// The version of a session without a handshake.
    pub const V1: Self = Self(1);
    /// Adds JSON heartbeats and block notifications.
    pub const V2: Self = Self(2);
    /// The newest version.
    pub const V3: Self = Self(3);

    /// Returns the version with this number; `None` if no version has it.
    pub fn new(number: u32) -> Option<Self> {
        PROTOCOL_VERSIONS.contains(&number).then_some(Self(number))
    }

    /// Returns the version's number.
    pub fn number(self) -> u32 {
        self.0
    }
}

fn one() -> u32 {
    1
}

/// The information that an SDK sends about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandshakeRequest {
    /// The lowest version it speaks.
    #[serde(default = "one")]
    pub minimum_support: u32,
    /// The highest version it speaks.
    #[serde(default = "one")]
    pub maximum_support: u32,
    /// Its name, e.g. `Go-SDK`.
    #[serde(default)]
    pub client_type: String,
}

impl HandshakeRequest {
    /// Returns the request that a native client sends.
    pub fn native() -> Self {
        Self {
            minimum_support: *PROTOCOL_VERSIONS.start(),
            maximum_support: *PROTOCOL_VERSIONS.end(),
            client_type: CLIENT_TYPE.to_owned(),
        }
    }

    /// Returns the request that the translator of a 3.x session sends.
    pub fn bridge() -> Self {
        Self {
            client_type: BRIDGE_TYPE.to_owned(),
            ..Self::native()
        }
    }

    /// Returns the frame of this request.
    pub fn to_frame(&self, seq: Seq) -> Frame {
        Frame::new(FrameType::HANDSHAKE, seq, to_json(self))
    }

    /// Reads a frame's body.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Malformed`] for anything that is not JSON of this shape.
    pub fn parse(body: &[u8]) -> Result<Self, HandshakeError> {
        from_json(body)
    }

    /// Returns the highest version that both sides speak.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::NoCommonVersion`] if they share no version; a node then closes the
    /// connection.
    pub fn negotiate(&self) -> Result<ProtocolVersion, HandshakeError> {
        let (least, newest) = (*PROTOCOL_VERSIONS.start(), *PROTOCOL_VERSIONS.end());
        if self.minimum_support > newest || self.maximum_support < least {
            return Err(HandshakeError::NoCommonVersion {
                minimum: self.minimum_support,
                maximum: self.maximum_support,
            });
        }
        Ok(ProtocolVersion(newest.min(self.maximum_support)))
    }
}

/// A node's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandshakeResponse {
    /// The node's compatibility version, e.g. `2.11.1`; not the version of its binary.
    #[serde(default)]
    pub node_version: String,
    /// The chosen version.
    pub protocol: u32,
    /// Whether the node understands [`NO_ACK`](super::NO_ACK) multicasts. Only overlay nodes do,
    /// and they say so only to native clients.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quiet_multicasts: bool,
    /// How long the node waits for a subscriber's answer to a unicast, in milliseconds; an answer
    /// that arrives later is lost. Only overlay nodes say so, and only to native clients; FISCO
    /// nodes wait 5 s (channel-v2 section 7.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_within: Option<u64>,
    /// The longest frame that the node accepts, in bytes, header included: it ends the session of
    /// an SDK that sends a longer one. Only overlay nodes say so, and only to native clients; FISCO
    /// nodes accept 100 MiB (channel-v2 section 3.5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_frame: Option<usize>,
}

impl HandshakeResponse {
    /// Returns whether an overlay node sent it: other nodes send none of the extra fields.
    pub fn is_overlay(&self) -> bool {
        self.quiet_multicasts || self.answer_within.is_some() || self.max_frame.is_some()
    }

    /// Returns the body: JSON and a line feed, like every body that a node writes.
    pub fn to_body(&self) -> Bytes {
        let mut body = to_json(self);
        body.push(b'\n');
        body.into()
    }

    /// Reads a frame's body.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Malformed`] for anything that is not JSON of this shape.
    pub fn parse(body: &[u8]) -> Result<Self, HandshakeError> {
        from_json(body)
    }
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    // Plain structs of strings and integers always serialise.
    serde_json::to_vec(value).unwrap_or_default()
}

/// The longest body that is read, in bytes: much longer than any useful handshake.
const MAX_BODY: usize = 16 * 1024;

/// How many characters of the JSON reader's error text are kept; the text may quote the body.
const MAX_PROBLEM: usize = 160;

impl HandshakeError {
    /// Returns the error for a body of this length if it is too long to be read.
    pub(crate) fn too_long(len: usize) -> Option<Self> {
        let text = || format!("the body has {len} bytes, the limit is {MAX_BODY}");
        (len > MAX_BODY).then(|| Self::Malformed(text()))
    }
}

fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, HandshakeError> {
    if let Some(error) = HandshakeError::too_long(body.len()) {
        return Err(error);
    }
    // Serde would accept arrays as structs, but a FISCO node refuses them.
    if body.trim_ascii_start().first() != Some(&b'{') {
        let error = "the body is not a JSON object".to_owned();
        return Err(HandshakeError::Malformed(error));
    }
    // Text after the object is ignored, as a FISCO node's JSON reader does.
    T::deserialize(&mut serde_json::Deserializer::from_slice(body)).map_err(|error| {
        let problem = error.to_string().chars().take(MAX_PROBLEM).collect();
        HandshakeError::Malformed(problem)
    })
}

/// Why a handshake failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The body is not valid for a handshake.
    #[error("malformed handshake: {}", OneLine::new(.0).max(256))]
    Malformed(String),
    /// The version ranges do not overlap.
    #[error("the client speaks protocol versions {minimum} to {maximum}, this node 1 to 3")]
    NoCommonVersion {
        /// The client's lowest version.
        minimum: u32,
        /// The client's highest version.
        maximum: u32,
    },
}

#[cfg(test)]
mod tests;
