//! A statement of this node that was built outside the machine.

use bytes::Bytes;

/// The result of a [`Restatement`](super::restating::Restatement).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restated {
    pub(super) version: u64,
    /// The record; `None` if it could not be signed.
    pub(super) bytes: Option<Bytes>,
}
