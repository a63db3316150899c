//! Joins the records of a handshake into messages.

use crate::TlcpError;
use crate::messages::{HEADER, MessageType};

/// Holds an incomplete message, and further bytes of the same record.
#[derive(Default)]
pub(super) struct Joiner {
    bytes: Vec<u8>,
}

impl Joiner {
    pub(super) fn add(&mut self, content: &[u8]) {
        self.bytes.extend_from_slice(content);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the next message, if it is complete. A message that is not expected, or is too long,
    /// is reported as soon as possible.
    pub(super) fn next(&mut self, due: &[MessageType]) -> Result<Option<Vec<u8>>, TlcpError> {
        let Some(&first) = self.bytes.first() else {
            return Ok(None);
        };
        let kind = match MessageType::from_code(first) {
            Some(kind) if due.contains(&kind) => kind,
            Some(kind) => return Err(unexpected(kind.name(), due)),
            None => return Err(unexpected(&format!("a message of type {first}"), due)),
        };
        let Some(&[_, a, b, c]) = self.bytes.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let limit = kind.limit();
        if length > limit {
            return Err(TlcpError::MessageTooLong {
                message: kind.name(),
                length,
                limit,
            });
        }
        if self.bytes.len() < HEADER + length {
            return Ok(None);
        }
        let rest = self.bytes.split_off(HEADER + length);
        Ok(Some(std::mem::replace(&mut self.bytes, rest)))
    }
}

pub(super) fn unexpected(found: &str, due: &[MessageType]) -> TlcpError {
    TlcpError::Unexpected {
        found: found.to_owned(),
        expected: due.first().map_or("a ChangeCipherSpec", |kind| kind.name()),
    }
}
