//! The SHA-256 of long messages, taken before the machine is asked: a node that many tasks share does not
//! hash megabytes while one of them has it.

use crate::{channel::Frame, p2p::mesh::Content};

/// Up to this length a message is hashed where the hash is needed, in bytes: that takes a microsecond.
pub(super) const SHORT: usize = 1024;

/// The SHA-256 of a channel frame, if somebody has computed it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digest(Option<[u8; 32]>);

impl Digest {
    /// Nothing is known yet.
    pub(super) const UNKNOWN: Self = Self(None);

    /// That of a frame, if it is long.
    pub(super) fn of_long(content: &(impl Content + ?Sized)) -> Self {
        Self((content.len() > SHORT).then(|| content.digest()))
    }

    /// That of the frame it is of, which is hashed if nobody has done so before.
    pub(super) fn get(self, content: &(impl Content + ?Sized)) -> [u8; 32] {
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

/// A channel frame and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub(super) frame: Frame,
    pub(super) digest: Digest,
}

impl Message {
    /// With another result. It is hashed anew, where that is needed: its header is part of the hash.
    pub(super) fn with_result(self, result: i32) -> Self {
        let Self { frame, .. } = self;
        Frame { result, ..frame }.into()
    }
}

impl From<Frame> for Message {
    fn from(frame: Frame) -> Self {
        let digest = Digest::UNKNOWN;
        Self { frame, digest }
    }
}
