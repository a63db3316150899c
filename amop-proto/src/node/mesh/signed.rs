//! Long byte strings that are stored as they came.

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    ops::{Deref, DerefMut},
};

use bytes::Bytes;

/// Records or certificates. They are long and tell a reader of the machine's `Debug` text nothing,
/// so that text shows their number and a hash instead.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct SignedBytes(Vec<Bytes>);

impl fmt::Debug for SignedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        let hash = hasher.finish();
        f.debug_tuple("SignedBytes")
            .field(&self.0.len())
            .field(&hash)
            .finish()
    }
}

impl Deref for SignedBytes {
    type Target = Vec<Bytes>;

    fn deref(&self) -> &Vec<Bytes> {
        &self.0
    }
}

impl DerefMut for SignedBytes {
    fn deref_mut(&mut self) -> &mut Vec<Bytes> {
        &mut self.0
    }
}

impl FromIterator<Bytes> for SignedBytes {
    fn from_iter<I: IntoIterator<Item = Bytes>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

#[cfg(test)]
mod tests;
