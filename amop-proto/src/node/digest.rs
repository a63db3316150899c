//! The SHA-256 of long messages, computed before the machine gets them: many tasks share the node,
//! so no task may hash megabytes while it holds the node.

use crate::{channel::Frame, p2p::mesh::FrameContent};

/// The length up to which a message is hashed where the hash is needed, in bytes: this takes a
/// microsecond.
pub(super) const SHORT: usize = 1024;

/// The SHA-256 of a channel frame, if it has been computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FrameDigest(Option<[u8; 32]>);

impl FrameDigest {
    /// A hash that has not been computed.
    pub(super) const UNKNOWN: Self = Self(None);

    /// Hashes a frame if it is long.
    pub(super) fn of_long(content: &(impl FrameContent + ?Sized)) -> Self {
        Self((content.len() > SHORT).then(|| content.digest()))
    }

    /// Returns the hash of `content`, the frame that this belongs to; computes it if it is unknown.
    pub(super) fn get(self, content: &(impl FrameContent + ?Sized)) -> [u8; 32] {
        self.0.unwrap_or_else(|| {
            if content.len() > SHORT {
                super::held::count_long();
            }
            content.digest()
        })
    }

    pub(super) fn is_known(self) -> bool {
        self.0.is_some()
    }
}

/// A channel frame and its hash, if known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedFrame {
    pub(super) frame: Frame,
    pub(super) digest: FrameDigest,
}

impl HashedFrame {
    /// Returns the message with another result. Its hash is then unknown, because the header is
    /// part of it.
    pub(super) fn with_result(self, result: i32) -> Self {
        let Self { frame, .. } = self;
        Frame { result, ..frame }.into()
    }
}

impl From<Frame> for HashedFrame {
    fn from(frame: Frame) -> Self {
        let digest = FrameDigest::UNKNOWN;
        Self { frame, digest }
    }
}
