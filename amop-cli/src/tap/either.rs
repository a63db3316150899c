//! Finds out by the first bytes which generation a connection speaks, and watches it.

use bytes::BytesMut;

use super::{
    watch::{StreamPart, Watcher},
    watch_v3::V3Watcher,
};

/// How the two directions of a 3.x connection begin. No frame of 2.x begins like this: it would be
/// longer than 1 GB.
const BEGINNINGS: [&[u8; 4]; 2] = [b"GET ", b"HTTP"];

/// The watcher of one direction.
#[derive(Debug)]
pub(super) enum EitherWatcher {
    /// The first bytes do not tell the generation yet.
    Unknown {
        first: BytesMut,
        preview: usize,
    },
    V2(Watcher),
    V3(V3Watcher),
}

impl EitherWatcher {
    /// Creates a watcher that keeps `preview` bytes of each payload.
    pub(super) fn new(preview: usize) -> Self {
        let first = BytesMut::new();
        Self::Unknown { first, preview }
    }

    /// Takes the next bytes of the stream, and returns what ends with them.
    pub(super) fn see(&mut self, bytes: &[u8]) -> Vec<StreamPart> {
        match self {
            Self::V2(watcher) => return watcher.see(bytes),
            Self::V3(watcher) => return watcher.see(bytes),
            Self::Unknown { first, .. } => first.extend_from_slice(bytes),
        }
        self.decide(false)
    }

    /// Handles the end of the stream.
    pub(super) fn end(&mut self) -> Vec<StreamPart> {
        let mut seen = self.decide(true);
        seen.extend(match self {
            Self::Unknown { .. } => None,
            Self::V2(watcher) => watcher.end(),
            Self::V3(watcher) => watcher.end(),
        });
        seen
    }

    fn decide(&mut self, is_end: bool) -> Vec<StreamPart> {
        let Self::Unknown { first, preview } = self else {
            return Vec::new();
        };
        let begins = |beginning: &&[u8; 4]| {
            let len = first.len().min(beginning.len());
            first[..len] == beginning[..len]
        };
        let is_v3 = BEGINNINGS.iter().any(begins);
        if is_v3 && first.len() < 4 && !is_end {
            return Vec::new();
        }
        let (first, preview) = (std::mem::take(first), *preview);
        *self = match is_v3 && first.len() >= 4 {
            true => Self::V3(V3Watcher::new(preview)),
            false => Self::V2(Watcher::new(preview)),
        };
        self.see(&first)
    }
}

#[cfg(test)]
mod tests;
