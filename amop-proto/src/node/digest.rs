//! The hashes of long messages, computed before the machine gets them: many tasks share the node,
//! so no task may hash megabytes while it holds the node.

use std::{hash::BuildHasher, sync::LazyLock};

use foldhash::fast::RandomState;

use crate::{
    channel::{Frame, HEADER_LEN},
    p2p::mesh::FrameContent,
};

/// The length up to which a message is hashed where the hash is needed, in bytes: this takes a
/// microsecond.
pub(super) const SHORT: usize = 1024;

/// The hashes of a channel frame that have been computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FrameDigest {
    /// The SHA-256 of the frame.
    frame: Option<[u8; 32]>,
    /// The hash of the body, with which this node recognises copies of multicasts.
    body: Option<u64>,
}

/// The hasher of bodies. It has a secret, so that no message can be made that is taken for another.
static BODIES: LazyLock<RandomState> = LazyLock::new(RandomState::default);

impl FrameDigest {
    /// Hashes that have not been computed.
    pub(super) const UNKNOWN: Self = Self {
        frame: None,
        body: None,
    };

    /// Adds the hash of a frame if it is long.
    pub(super) fn with_long(self, content: &(impl FrameContent + ?Sized)) -> Self {
        let frame = (content.len() > SHORT).then(|| content.digest());
        Self { frame, ..self }
    }

    /// Adds the hash of the body of a multicast if it is long: a byte takes less than a tenth of a
    /// nanosecond.
    pub(super) fn with_long_body(self, body: &[u8]) -> Self {
        let body = (body.len() > SHORT).then(|| BODIES.hash_one(body));
        Self { body, ..self }
    }

    /// Adds the hash of the body of a multicast, given the bytes of the frame.
    pub(super) fn with_long_body_in(self, frame: &[u8]) -> Self {
        self.with_long_body(frame.get(HEADER_LEN..).unwrap_or_default())
    }

    /// Returns the hash of `content`, the frame that this belongs to; computes it if it is unknown.
    pub(super) fn get(self, content: &(impl FrameContent + ?Sized)) -> [u8; 32] {
        self.frame.unwrap_or_else(|| {
            if content.len() > SHORT {
                super::held::count_long();
            }
            content.digest()
        })
    }

    /// Returns the hash of `body`, the body of the frame that this belongs to; computes it if it is
    /// unknown.
    fn of_body(self, body: &[u8]) -> u64 {
        self.body.unwrap_or_else(|| {
            if body.len() > SHORT {
                super::held::count_long();
            }
            BODIES.hash_one(body)
        })
    }

    pub(super) fn is_known(self) -> bool {
        self.frame.is_some()
    }
}

/// A channel frame and its hashes, if known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedFrame {
    pub(super) frame: Frame,
    pub(super) digest: FrameDigest,
}

impl HashedFrame {
    /// Returns the message with another result. The hash of the frame is then unknown, because the
    /// header is part of it.
    pub(super) fn with_result(mut self, result: i32) -> Self {
        self.frame.result = result;
        self.digest.frame = None;
        self
    }

    /// Returns the hash of the body. It is the same for equal bodies as long as the process runs.
    pub(super) fn body_hash(&self) -> u64 {
        self.digest.of_body(&self.frame.body)
    }
}

impl From<Frame> for HashedFrame {
    fn from(frame: Frame) -> Self {
        let digest = FrameDigest::UNKNOWN;
        Self { frame, digest }
    }
}
