//! The ids of nodes (gateway-v3 section 1.1).

use std::fmt;

use bytes::Bytes;
use sha3::{Digest, Keccak256};

use crate::log::ShortId;

/// The longest raw id, in characters. That of an RSA key of 16,384 bits is shorter.
pub const MAX_RAW_ID: usize = 8192;

/// The identity of a 3.x node: its short id, the Keccak-256 of its raw id.
///
/// Nodes from 3.14.0 on write it into packets, older ones write raw ids; the hash of a raw id is
/// the short id of the same node, so this is the one name of a node in both cases.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GatewayId(pub [u8; Self::LEN]);

impl GatewayId {
    /// The length in bytes.
    pub const LEN: usize = 32;

    /// Returns the id of the node with this raw id.
    #[must_use]
    pub fn of_raw(raw: &[u8]) -> Self {
        Self(Keccak256::digest(raw).into())
    }

    /// Returns the form for log lines. Data and errors that ask for the id show all of it.
    #[must_use]
    pub fn short(&self) -> ShortId<'_> {
        ShortId(&self.0)
    }
}

impl fmt::Display for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GatewayId({self})")
    }
}

/// A node as packets name it: its id, and its raw id where that is known.
///
/// Packets of versions 1 and 2 name nodes by raw ids, which do not follow from the short id
/// (gateway-v3 section 2.2).
///
/// ```
/// use amop_proto::gateway::{GatewayAddress, GatewayId};
///
/// // The content of the subjectPublicKey of a node's certificate.
/// let node = GatewayAddress::of_key(&[4; 65])?;
/// let raw = node.raw().expect("it follows from the key");
/// assert_eq!(raw[..], *"04".repeat(65).as_bytes());
/// assert_eq!(node.id(), GatewayId::of_raw(raw));
/// # Ok::<(), amop_proto::gateway::RawIdError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayAddress {
    id: GatewayId,
    /// The bytes of the id, to be written without being copied.
    short: Bytes,
    raw: Option<Bytes>,
}

impl GatewayAddress {
    /// Returns the address of the node whose certificate has this public key: the content of the
    /// BIT STRING, which is the whole RSA key or the uncompressed point (gateway-v3 section 1.1).
    ///
    /// # Errors
    ///
    /// [`RawIdError`] if the key is empty or too long.
    pub fn of_key(key: &[u8]) -> Result<Self, RawIdError> {
        RawIdError::check(key.len().saturating_mul(2))?;
        Self::of_raw(hex::encode(key).into())
    }

    /// Returns the address of the node with this raw id.
    ///
    /// # Errors
    ///
    /// [`RawIdError`] if the id has as many bytes as a short id, or is empty or too long.
    pub fn of_raw(raw: Bytes) -> Result<Self, RawIdError> {
        RawIdError::check(raw.len())?;
        let id = GatewayId::of_raw(&raw);
        Ok(Self {
            raw: Some(raw),
            ..Self::of_id(id)
        })
    }

    /// Returns the address of a node whose raw id is not known. Packets of versions 1 and 2 name it
    /// by its short id, too; FISCO nodes tell the two apart by their lengths (gateway-v3
    /// section 5.2).
    #[must_use]
    pub fn of_id(id: GatewayId) -> Self {
        let short = Bytes::copy_from_slice(&id.0);
        let raw = None;
        Self { id, short, raw }
    }

    /// Reads an id of a packet: raw or short, which its length tells. The address shares the packet's
    /// memory. Returns `None` for an id that is empty or too long.
    #[must_use]
    pub fn read(id: &Bytes) -> Option<Self> {
        match <[u8; GatewayId::LEN]>::try_from(&id[..]) {
            Ok(short) => Some(Self {
                id: GatewayId(short),
                short: id.clone(),
                raw: None,
            }),
            Err(_) => Self::of_raw(id.clone()).ok(),
        }
    }

    /// Returns the node's id.
    #[must_use]
    pub fn id(&self) -> GatewayId {
        self.id
    }

    /// Returns the node's raw id, if it is known.
    #[must_use]
    pub fn raw(&self) -> Option<&Bytes> {
        self.raw.as_ref()
    }

    /// Returns the id that names the node in a packet of this version: empty in version 0, raw in
    /// versions 1 and 2 if the raw id is known, otherwise short.
    #[must_use]
    pub fn written(&self, version: u16) -> Bytes {
        match (version, &self.raw) {
            (0, _) => Bytes::new(),
            (1..=2, Some(raw)) => raw.clone(),
            _ => self.short.clone(),
        }
    }

    /// Returns the same address in memory of its own, so that it does not keep the buffer alive
    /// from which it was read.
    pub(super) fn detached(&self) -> Self {
        Self {
            raw: self.raw.as_deref().map(Bytes::copy_from_slice),
            ..Self::of_id(self.id)
        }
    }
}

/// The error for bytes that are not the raw id of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a raw node id has 1 to {MAX_RAW_ID} characters, and not 32; this one has {len}: use the whole \
     public key of the node's certificate"
)]
#[non_exhaustive]
pub struct RawIdError {
    /// The length in characters.
    pub len: usize,
}

impl RawIdError {
    fn check(len: usize) -> Result<(), Self> {
        match len {
            0 | GatewayId::LEN => Err(Self { len }),
            1..=MAX_RAW_ID => Ok(()),
            _ => Err(Self { len }),
        }
    }
}

#[cfg(test)]
mod tests;
