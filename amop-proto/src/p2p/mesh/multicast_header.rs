//! Addresses of multicasts in transit.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{
    RoutingKey,
    content::{FrameContent, encoded, encoded_parts},
    keys,
    unicast_header::Seal,
};
use crate::p2p::{Blocks, Body};

/// The maximum number of nodes that one copy of a multicast names; a node that has more targets
/// behind one neighbour sends it several copies.
pub const MAX_TARGETS: usize = 1024;

/// The address of a multicast for a neighbour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MulticastHeader {
    /// The node that sent it into the network: the neighbour, or a FISCO node behind it.
    pub source: RoutingKey,
    /// The number that, together with the source, identifies the multicast.
    pub id: u64,
    /// The targets of this copy: the receiver and FISCO nodes behind it. If empty, only the
    /// receiver.
    pub targets: Vec<RoutingKey>,
}

impl MulticastHeader {
    /// The length of an address without targets, in bytes.
    const LEN: usize = 8 + 8 + 2;

    /// Returns the multicast's id in the body of a packet, without reading the rest.
    pub fn id_of(body: &[u8]) -> Option<u64> {
        let (head, _) = body.split_at_checked(8 + 8)?;
        let id = head[8..].first_chunk()?;
        Some(u64::from_be_bytes(*id))
    }

    /// Returns the bytes of the channel frame in the body of a packet.
    pub fn content_of(body: &[u8]) -> &[u8] {
        const HEAD: usize = 8 + 8 + 2;
        let count = body.get(HEAD - 2..HEAD).map_or(0, |count| {
            usize::from(u16::from_be_bytes([count[0], count[1]]))
        });
        body.get(HEAD + 8 * count..).unwrap_or_default()
    }

    /// Returns the body of a packet with a channel frame.
    pub fn encode(&self, frame: &(impl FrameContent + ?Sized)) -> Bytes {
        encoded(frame, |room| self.start(room))
    }

    /// Does the same as [`encode`](Self::encode); a long frame is not copied.
    pub fn encode_parts(&self, frame: &impl FrameContent) -> Body {
        encoded_parts(frame, |room| self.start(room))
    }

    /// Returns the address, with room for `room` more bytes.
    fn start(&self, room: usize) -> BytesMut {
        let mut out = BytesMut::with_capacity(self.len() + room);
        self.put(&mut out);
        out
    }

    /// Does the same as [`encode_parts`](Self::encode_parts), in memory that is shared with other
    /// messages.
    pub(crate) fn encode_parts_in(&self, frame: &impl FrameContent, blocks: &mut Blocks) -> Body {
        let tail = frame.tail();
        let head = blocks.put(self.len() + frame.len() - tail.len(), |room| {
            self.put(room);
            frame.put_head(room);
        });
        Body { head, tail }
    }

    fn named(&self) -> &[RoutingKey] {
        &self.targets[..self.targets.len().min(MAX_TARGETS)]
    }

    fn len(&self) -> usize {
        Self::LEN + 8 * self.named().len()
    }

    fn put(&self, out: &mut BytesMut) {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.source.0.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.id.to_be_bytes());
        bytes[16..].copy_from_slice(&(self.named().len() as u16).to_be_bytes());
        out.put_slice(&bytes);
        for target in self.named() {
            out.put_u64(target.0);
        }
    }

    /// Reads the address, and returns it with the bytes of the channel frame.
    pub fn decode(mut body: Bytes) -> Option<(Self, Bytes)> {
        let source = RoutingKey(body.try_get_u64().ok()?);
        let id = body.try_get_u64().ok()?;
        let count = usize::from(body.try_get_u16().ok()?);
        if count > MAX_TARGETS {
            return None;
        }
        let targets = keys(&mut body, count)?;
        Some((
            Self {
                source,
                id,
                targets,
            },
            body,
        ))
    }
}

/// The address of a multicast that passes relays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayedMulticastHeader {
    /// The node whose keys make the seals.
    pub voucher: RoutingKey,
    /// The publisher's node: the voucher, or a FISCO node behind it.
    pub source: RoutingKey,
    /// The number that, together with the source, identifies the multicast.
    pub id: u64,
    /// The targets of this copy. Each node is named in only one copy.
    pub targets: Vec<(RoutingKey, Seal)>,
}

impl RelayedMulticastHeader {
    /// Returns the body of a packet with a channel frame.
    pub fn encode(&self, frame: &(impl FrameContent + ?Sized)) -> Bytes {
        encoded(frame, |room| self.start(room))
    }

    /// Does the same as [`encode`](Self::encode); a long frame is not copied.
    pub fn encode_parts(&self, frame: &impl FrameContent) -> Body {
        encoded_parts(frame, |room| self.start(room))
    }

    /// Returns the targets in the body of a packet, without reading the rest.
    pub fn targets_of(body: &[u8]) -> impl Iterator<Item = RoutingKey> {
        const HEAD: usize = 8 + 8 + 8 + 2;
        let count = body.get(HEAD - 2..HEAD).map_or(0, |count| {
            usize::from(u16::from_be_bytes([count[0], count[1]]))
        });
        let targets = body.get(HEAD..).unwrap_or_default();
        let each = targets.chunks_exact(8 + Seal::LEN).take(count);
        each.filter_map(|target| Some(RoutingKey(u64::from_be_bytes(*target.first_chunk()?))))
    }

    /// Returns the bytes of the channel frame in the body of a packet.
    pub fn content_of(body: &[u8]) -> &[u8] {
        const HEAD: usize = 8 + 8 + 8 + 2;
        let count = Self::targets_of(body).count();
        body.get(HEAD + (8 + Seal::LEN) * count..)
            .unwrap_or_default()
    }

    /// Returns the address, with room for `room` more bytes.
    fn start(&self, room: usize) -> BytesMut {
        let targets = &self.targets[..self.targets.len().min(MAX_TARGETS)];
        let len = 8 + 8 + 8 + 2 + (8 + Seal::LEN) * targets.len() + room;
        let mut out = BytesMut::with_capacity(len);
        out.put_u64(self.voucher.0);
        out.put_u64(self.source.0);
        out.put_u64(self.id);
        out.put_u16(targets.len() as u16);
        for (target, seal) in targets {
            out.put_u64(target.0);
            seal.put(&mut out);
        }
        out
    }

    /// Reads the address, and returns it with the bytes of the channel frame.
    pub fn decode(mut body: Bytes) -> Option<(Self, Bytes)> {
        let voucher = RoutingKey(body.try_get_u64().ok()?);
        let source = RoutingKey(body.try_get_u64().ok()?);
        let id = body.try_get_u64().ok()?;
        let count = usize::from(body.try_get_u16().ok()?);
        if count > MAX_TARGETS || body.len() / (8 + Seal::LEN) < count {
            return None;
        }
        let mut targets = Vec::with_capacity(count);
        for _ in 0..count {
            let target = RoutingKey(body.try_get_u64().ok()?);
            targets.push((target, Seal::take(&mut body)?));
        }
        Some((
            Self {
                voucher,
                source,
                id,
                targets,
            },
            body,
        ))
    }
}
