//! The version handshake (gateway-v3 section 3).

use bytes::{Bytes, BytesMut};

use super::tars::{TarsError, TarsReader, put_integer};

/// The number of the gateway among the modules of a node.
const GATEWAY_MODULE: i32 = 1;

/// The versions of packets that a node speaks.
///
/// ```
/// use amop_proto::gateway::VersionRange;
///
/// let range = VersionRange { minimum: 0, maximum: 3 };
/// assert_eq!(range.encode(), &[0x10, 0x01, 0x2c, 0x30, 0x03][..]);
/// assert_eq!(range.negotiate(1), Some(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    /// The lowest version.
    pub minimum: i32,
    /// The highest version.
    pub maximum: i32,
}

impl VersionRange {
    /// Returns the payload of a handshake packet.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        put_integer(1, GATEWAY_MODULE, &mut out);
        put_integer(2, self.minimum, &mut out);
        put_integer(3, self.maximum, &mut out);
        out.freeze()
    }

    /// Reads the payload of a handshake packet. The number of the module is not checked.
    ///
    /// # Errors
    ///
    /// [`TarsError`] if it is not a Tars struct with both versions.
    pub fn parse(payload: &[u8]) -> Result<Self, TarsError> {
        let mut reader = TarsReader::new(payload);
        let (mut minimum, mut maximum) = (None, None);
        while let Some(head) = reader.outer()? {
            match head.tag {
                2 => minimum = Some(reader.integer(head)?),
                3 => maximum = Some(reader.integer(head)?),
                _ => reader.skip(head)?,
            }
        }
        Ok(Self {
            minimum: minimum.ok_or(TarsError::Missing { tag: 2 })?,
            maximum: maximum.ok_or(TarsError::Missing { tag: 3 })?,
        })
    }

    /// Returns the version that both sides use if this side speaks 0 to `own`: the lower of the
    /// two maxima. `None` if they share no version.
    #[must_use]
    pub fn negotiate(&self, own: u16) -> Option<u16> {
        if self.minimum > i32::from(own) || self.minimum > self.maximum {
            return None;
        }
        u16::try_from(self.maximum.min(i32::from(own))).ok()
    }
}
