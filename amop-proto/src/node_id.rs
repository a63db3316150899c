//! The identity of a node (p2p-v2 section 2.2).

use std::{fmt, str::FromStr};

use sha2::{Digest, Sha512};

use crate::log::ShortId;

/// A node's ID: the 64 bytes of its public key's point, written as 128 hex digits.
///
/// IDs of other kinds of chains are longer: on RSA chains the ID is the whole key. Here its
/// SHA-512, which is as long as a point, stands for a longer ID; see [`named`](Self::named).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub [u8; 64]);

impl NodeId {
    /// The longest ID, in bytes: an RSA key of 16,384 bits is shorter.
    pub const MAX: usize = 4096;

    /// Returns the name of the node with this ID: an ID of 64 bytes is its own name, the name of a
    /// longer one is its SHA-512. Finding another ID with the same name is not feasible. `None` for
    /// lengths that no ID has.
    #[must_use]
    pub fn named(id: &[u8]) -> Option<Self> {
        match id.len() {
            64 => id.try_into().ok().map(Self),
            65..=Self::MAX => Some(Self(Sha512::digest(id).into())),
            _ => None,
        }
    }

    /// Returns the form for log lines. Data and errors that ask for the ID show all of it.
    pub fn short(&self) -> ShortId<'_> {
        ShortId(&self.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

impl FromStr for NodeId {
    type Err = NodeIdError;

    fn from_str(text: &str) -> Result<Self, NodeIdError> {
        let mut id = [0; 64];
        match hex::decode_to_slice(text, &mut id) {
            Ok(()) => Ok(Self(id)),
            Err(_) => Err(NodeIdError { len: text.len() }),
        }
    }
}

/// The error for a text that is not a node ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a node ID is 128 hex digits; this text has {len} bytes or other characters")]
#[non_exhaustive]
pub struct NodeIdError {
    /// The text's length in bytes.
    pub len: usize,
}

#[cfg(test)]
mod tests;
