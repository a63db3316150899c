//! JSON payloads, read and written as FISCO nodes and SDKs do.

use std::io;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::ser::{Formatter, Serializer};

use crate::log::OneLine;

/// How many characters of the JSON reader's error text are kept; the text may quote the payload.
const MAX_PROBLEM: usize = 160;

/// Writes strings with only ASCII characters, as the JSON writer of nodes and SDKs does (ws-v3
/// section 10.1).
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|c: char| !c.is_ascii()) {
            let (plain, other) = rest.split_at(at);
            out.write_all(plain.as_bytes())?;
            let Some(c) = other.chars().next() else {
                break;
            };
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &other[c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

/// Returns a payload: JSON in ASCII and a line feed, like every payload that nodes and SDKs write.
pub(super) fn to_payload(value: &impl Serialize) -> Bytes {
    let mut out = Vec::new();
    // Plain structs of strings and integers always serialise.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut out, Ascii));
    out.push(b'\n');
    out.into()
}

/// Reads a JSON object of at most `max` bytes. Text after the object is ignored, as FISCO nodes do.
pub(super) fn read_object<T: DeserializeOwned>(
    payload: &[u8],
    max: usize,
) -> Result<T, WsJsonError> {
    check_object(payload, max)?;
    T::deserialize(&mut serde_json::Deserializer::from_slice(payload)).map_err(WsJsonError::of)
}

/// Returns an error for a payload that is too long to be read, or is not an object.
pub(super) fn check_object(payload: &[u8], max: usize) -> Result<(), WsJsonError> {
    let len = payload.len();
    if len > max {
        return Err(WsJsonError::TooLong { len, max });
    }
    // Serde would accept arrays as structs, but a FISCO node refuses them.
    if payload.trim_ascii_start().first() != Some(&b'{') {
        return Err(WsJsonError::NotAnObject);
    }
    Ok(())
}

/// Why a payload is not the JSON that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WsJsonError {
    /// It is too long to be read.
    #[error("the payload has {len} bytes of JSON, the limit is {max}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// It is not a JSON object.
    #[error("the payload is not a JSON object")]
    NotAnObject,
    /// It is not JSON, or it has other members than it should.
    #[error("malformed JSON: {}", OneLine::new(.0).max(256))]
    Malformed(String),
}

impl WsJsonError {
    pub(super) fn of(error: serde_json::Error) -> Self {
        Self::Malformed(error.to_string().chars().take(MAX_PROBLEM).collect())
    }
}
