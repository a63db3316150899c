//! The output lines of the programs in other languages.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::Value;

/// One line: an event in such a program.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Event {
    /// Its kind, for example `received`.
    pub event: String,
    /// The node's version.
    pub version: Option<String>,
    /// The error, in the SDK's words.
    pub error: Option<String>,
    /// The text that the SDK logged.
    pub log: Option<String>,
    /// The JSON-RPC method that the program called.
    pub method: Option<String>,
    /// The node's answer.
    pub result: Option<Value>,
    /// The payload's length.
    pub bytes: Option<usize>,
    /// The payload's digest in hex.
    pub sha256: Option<String>,
    /// The payload, if it is a short text.
    pub text: Option<String>,
    /// The message's number.
    pub seq: Option<String>,
    /// The result code, as a Java SDK calls it.
    pub code: Option<i32>,
}

impl Event {
    /// Returns whether its payload is this one.
    pub fn has(&self, payload: impl AsRef<[u8]>) -> bool {
        let payload = payload.as_ref();
        let sum = hex::encode(digest(&SHA256, payload));
        self.bytes == Some(payload.len()) && self.sha256 == Some(sum)
    }

    /// Returns the error; empty if there is none.
    pub fn error(&self) -> &str {
        self.error.as_deref().unwrap_or_default()
    }
}
