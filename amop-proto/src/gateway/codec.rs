//! Reads and writes packets (gateway-v3 section 2).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{
    compression::{self, CompressionError},
    id::MAX_RAW_ID,
    packet::{GatewayPacket, HEADER, MAX_VERSION, OutgoingPacket, PacketRoute, PacketType, ext},
};

/// The longest packet that a FISCO node accepts unless it is told otherwise, in bytes (gateway-v3
/// section 2.6).
pub const DEFAULT_MAX_PACKET: usize = 32 * 1024 * 1024;

/// The limit of the decoder of FISCO nodes before 3.12.0, in bytes: no node accepts longer packets.
const PROTOCOL_MAX_PACKET: usize = 100 * 1024 * 1024;

/// Payloads up to this length are never compressed (gateway-v3 section 2.6).
const COMPRESS_ABOVE: usize = 1024;

/// The first version in which payloads may be compressed (gateway-v3 section 2.2).
const COMPRESS_FROM: u16 = 2;

/// Reads and writes packets.
///
/// ```
/// use amop_proto::gateway::{GatewayCodec, GatewayPacket, PacketRoute, PacketType};
/// use bytes::{Bytes, BytesMut};
///
/// let codec = GatewayCodec::default();
/// let heartbeat = GatewayPacket {
///     version: 0,
///     kind: PacketType::HEARTBEAT,
///     seq: 0,
///     ext: 0,
///     route: PacketRoute::default(),
///     payload: Bytes::new(),
/// };
/// let mut wire = BytesMut::new();
/// codec.encode(&heartbeat.clone().into(), &mut wire)?;
/// assert_eq!(codec.decode(&mut wire)?, Some(heartbeat));
/// # Ok::<(), amop_proto::gateway::GatewayPacketError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct GatewayCodec {
    max: usize,
    compress: bool,
}

impl Default for GatewayCodec {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_PACKET)
    }
}

impl GatewayCodec {
    /// Creates a codec that refuses packets, and payloads after decompression, longer than `max`
    /// bytes. `max` is clamped to the range from 14 bytes to 100 MiB.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            max: possible_max(max),
            compress: false,
        }
    }

    /// Sets whether to compress payloads above 1024 bytes when writing packets of version 2 and
    /// later, if they shrink. Compressed packets are always read.
    #[must_use]
    pub fn with_compression(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Appends a packet to `out`.
    ///
    /// # Errors
    ///
    /// As [`encode_header`](Self::encode_header).
    pub fn encode(
        &self,
        packet: &OutgoingPacket,
        out: &mut BytesMut,
    ) -> Result<(), GatewayPacketError> {
        let rest = self.encode_header(packet, out)?;
        out.put_slice(&rest);
        Ok(())
    }

    /// Appends the beginning of a packet to `out` and returns the bytes to write after it, so that
    /// a long payload need not be copied.
    ///
    /// # Errors
    ///
    /// [`GatewayPacketError`] if the packet is over the limit, or its version or an id is not
    /// possible. Nothing is written then.
    pub fn encode_header(
        &self,
        packet: &OutgoingPacket,
        out: &mut BytesMut,
    ) -> Result<Bytes, GatewayPacketError> {
        let OutgoingPacket { packet: head, tail } = packet;
        if head.version > MAX_VERSION {
            let version = head.version;
            return Err(GatewayPacketError::UnknownVersion { version });
        }
        check_id(&head.route.src)?;
        check_id(&head.route.dst)?;
        let compressed = self.compressed(packet);
        let payload = match &compressed {
            Some(compressed) => compressed.len(),
            None => packet.payload_len(),
        };
        let (len, max) = (head.header_len() + payload, self.max);
        if len > max {
            return Err(GatewayPacketError::TooLong { len, max });
        }
        let flags = match (&compressed, has_options(head.kind)) {
            (Some(_), _) => head.ext | ext::COMPRESSED,
            (None, true) => head.ext,
            (None, false) => head.ext & !ext::COMPRESSED,
        };
        put_header(head, len, flags, out);
        if let Some(compressed) = compressed {
            return Ok(compressed);
        }
        if tail.is_empty() {
            return Ok(head.payload.clone());
        }
        out.put_slice(&head.payload);
        Ok(tail.clone())
    }

    fn compressed(&self, packet: &OutgoingPacket) -> Option<Bytes> {
        let OutgoingPacket { packet: head, .. } = packet;
        let may = self.compress && head.version >= COMPRESS_FROM && !has_options(head.kind);
        if !may || packet.payload_len() <= COMPRESS_ABOVE {
            return None;
        }
        if packet.tail.is_empty() {
            return compression::compress(&head.payload);
        }
        compression::compress(&packet.clone().joined().payload)
    }

    /// Takes the next complete packet out of `buffer`; returns `None` until more bytes have
    /// arrived. Each packet is read as its own version says (gateway-v3 section 2.2).
    ///
    /// # Errors
    ///
    /// [`GatewayPacketError`], for a length as soon as the length field has arrived. The connection
    /// should be closed (gateway-v3 section 3).
    pub fn decode(
        &self,
        buffer: &mut BytesMut,
    ) -> Result<Option<GatewayPacket>, GatewayPacketError> {
        let Some(field) = buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes(*field) as usize;
        if len < HEADER {
            return Err(GatewayPacketError::TooShort { len });
        }
        if len > self.max {
            return Err(GatewayPacketError::TooLong { len, max: self.max });
        }
        if buffer.len() < len {
            return Ok(None);
        }
        let mut bytes = buffer.split_to(len).freeze();
        bytes.advance(4);
        self.read(bytes).map(Some)
    }

    /// Returns how many bytes the packet at the beginning of a buffer still lacks; 0 if that is not
    /// known yet or the packet is over the limit.
    #[must_use]
    pub fn missing(&self, buffer: &[u8]) -> usize {
        let field = buffer.first_chunk::<4>();
        let len = field.map_or(0, |field| u32::from_be_bytes(*field) as usize);
        match len > self.max {
            true => 0,
            false => len.saturating_sub(buffer.len()),
        }
    }

    /// Reads what follows the length field; it has the rest of a header.
    fn read(&self, mut bytes: Bytes) -> Result<GatewayPacket, GatewayPacketError> {
        let version = bytes.get_u16();
        if version > MAX_VERSION {
            return Err(GatewayPacketError::UnknownVersion { version });
        }
        let kind = PacketType(bytes.get_u16());
        let seq = bytes.get_u32();
        let flags = bytes.get_u16();
        let route = match version {
            0 => PacketRoute::default(),
            _ => PacketRoute {
                ttl: bytes
                    .try_get_i16()
                    .map_err(|_| GatewayPacketError::IdBeyondPacket)?,
                src: read_id(&mut bytes)?,
                dst: read_id(&mut bytes)?,
            },
        };
        let (ext, payload) = match flags & ext::COMPRESSED {
            0 => (flags, bytes),
            _ if has_options(kind) => (flags, bytes),
            bit => (flags & !bit, compression::decompress(&bytes, self.max)?),
        };
        Ok(GatewayPacket {
            version,
            kind,
            seq,
            ext,
            route,
            payload,
        })
    }
}

/// Returns whether packets of this type have options before the payload (gateway-v3 section 2.4).
/// Options are never compressed (gateway-v3 section 2.6). Nothing here reads these packets, so that
/// their bytes stay as they are, and the flag that says whether they are compressed with them.
fn has_options(kind: PacketType) -> bool {
    matches!(kind, PacketType::PEER_TO_PEER | PacketType::BROADCAST)
}

/// Returns the limit that is nearest to this one among those that a codec has.
pub(super) fn possible_max(max: usize) -> usize {
    max.clamp(HEADER, PROTOCOL_MAX_PACKET)
}

fn read_id(bytes: &mut Bytes) -> Result<Bytes, GatewayPacketError> {
    let len = bytes
        .try_get_u16()
        .map_err(|_| GatewayPacketError::IdBeyondPacket)?;
    let len = usize::from(len);
    if len > bytes.len() {
        return Err(GatewayPacketError::IdBeyondPacket);
    }
    // Of any length: nothing proves ids, and neighbours pass packets on, so that a node far away could
    // end the connection by an id over the limit.
    Ok(bytes.split_to(len))
}

fn check_id(id: &[u8]) -> Result<(), GatewayPacketError> {
    match id.len() {
        len if len > MAX_RAW_ID => Err(GatewayPacketError::IdTooLong { len }),
        _ => Ok(()),
    }
}

fn put_header(packet: &GatewayPacket, len: usize, flags: u16, out: &mut BytesMut) {
    out.reserve(packet.header_len());
    // The limit is below what 32 bits hold, and ids are shorter than 16 bits tell.
    out.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
    out.put_u16(packet.version);
    out.put_u16(packet.kind.0);
    out.put_u32(packet.seq);
    out.put_u16(flags);
    if packet.version > 0 {
        out.put_i16(packet.route.ttl);
        for id in [&packet.route.src, &packet.route.dst] {
            out.put_u16(u16::try_from(id.len()).unwrap_or(u16::MAX));
            out.put_slice(id);
        }
    }
}

/// Why a packet cannot be read or written. A stream cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayPacketError {
    /// The length field is smaller than a header.
    #[error("packet length {len} is below the header's; the other side is not a 3.x node")]
    TooShort {
        /// The value of the length field.
        len: usize,
    },
    /// The packet is over the limit.
    #[error("a packet of {len} bytes is over the limit of {max}; raise the limit")]
    TooLong {
        /// The length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The version is newer than any that was agreed on.
    #[error("a packet has version {version}, and this node speaks 0 to {MAX_VERSION}")]
    UnknownVersion {
        /// The packet's version.
        version: u16,
    },
    /// The ids do not fit into the packet.
    #[error("the ids of a packet are longer than the packet; the other side is faulty")]
    IdBeyondPacket,
    /// An id of a packet to write is longer than that of any node.
    #[error("a packet to write has an id of {len} bytes, the limit is {MAX_RAW_ID}")]
    IdTooLong {
        /// The length in bytes.
        len: usize,
    },
    /// The payload cannot be decompressed.
    #[error(transparent)]
    Compression(#[from] CompressionError),
}

#[cfg(test)]
mod tests;
