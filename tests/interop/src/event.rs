//! The lines that the programs of other languages write.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::Value;

/// One line: what happened in such a program.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Event {
    /// Its kind, `received` say.
    pub event: String,
    /// The node's version.
    pub version: Option<String>,
    /// What went wrong, in the SDK's words.
    pub error: Option<String>,
    /// What the SDK logged.
    pub log: Option<String>,
    /// What the node was asked.
    pub method: Option<String>,
    /// What it answered.
    pub result: Option<Value>,
    /// The payload's length.
    pub bytes: Option<usize>,
    /// The payload's digest in hex.
    pub sha256: Option<String>,
    /// The payload, if it is a short text.
    pub text: Option<String>,
    /// The message's number.
    pub seq: Option<String>,
    /// What a Java SDK calls a result.
    pub code: Option<i32>,
}

impl Event {
    /// Whether its payload is this one.
    pub fn has(&self, payload: impl AsRef<[u8]>) -> bool {
        let payload = payload.as_ref();
        let sum = hex::encode(digest(&SHA256, payload));
        self.bytes == Some(payload.len()) && self.sha256 == Some(sum)
    }

    /// The error; empty if it is none.
    pub fn error(&self) -> &str {
        self.error.as_deref().unwrap_or_default()
    }
}
