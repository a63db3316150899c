//! Addresses of unicasts in transit, and the seals of all messages.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{
    RoutingKey,
    content::{FrameContent, encoded, encoded_parts},
};
use crate::{channel::Frame, p2p::Body};

/// The address of a unicast in transit through the network, or of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnicastHeader {
    /// The node that sent it into the network.
    pub source: RoutingKey,
    /// The destination.
    pub target: RoutingKey,
    /// The number of the unicast at the node that sent it; an answer has the same number.
    pub id: u64,
}

impl UnicastHeader {
    /// The length of a header in bytes.
    pub const LEN: usize = 8 + 8 + 8;

    fn put(&self, out: &mut BytesMut) {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.source.0.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.target.0.to_be_bytes());
        bytes[16..].copy_from_slice(&self.id.to_be_bytes());
        out.put_slice(&bytes);
    }

    /// Does the same as [`encode`](Self::encode); a long frame is not copied.
    pub fn encode_parts(&self, frame: &impl FrameContent) -> Body {
        encoded_parts(frame, |room| {
            let mut out = BytesMut::with_capacity(Self::LEN + room);
            self.put(&mut out);
            out
        })
    }

    /// Returns the node that sent the body of a packet into the network. Relays use it.
    pub fn source_of(body: &[u8]) -> Option<RoutingKey> {
        let source = body.first_chunk()?;
        Some(RoutingKey(u64::from_be_bytes(*source)))
    }

    /// Returns the body of a packet with a channel frame, for a neighbour.
    pub fn encode(&self, frame: &Frame) -> Bytes {
        let mut out = BytesMut::with_capacity(Self::LEN + frame.wire_len());
        self.put(&mut out);
        frame.encode(&mut out);
        out.freeze()
    }

    /// Returns the destination of the body of a packet. Relays use it.
    pub fn target_of(body: &[u8]) -> Option<RoutingKey> {
        let (header, _) = body.split_at_checked(Self::LEN)?;
        let target = header[8..].first_chunk()?;
        Some(RoutingKey(u64::from_be_bytes(*target)))
    }

    /// Reads the header, and returns it with the bytes of the channel frame.
    pub fn decode(mut body: Bytes) -> Option<(Self, Bytes)> {
        let (words, _) = body.first_chunk::<{ Self::LEN }>()?.as_chunks();
        let [source, target, id] = *words else {
            return None;
        };
        let header = Self {
            source: RoutingKey(u64::from_be_bytes(source)),
            target: RoutingKey(u64::from_be_bytes(target)),
            id: u64::from_be_bytes(id),
        };
        body.advance(Self::LEN);
        Some((header, body))
    }
}

/// The proof of a message for one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// A counter that differs for any two messages from one node to another.
    pub counter: u64,
    /// The MAC; see [`PairKey`](super::PairKey).
    pub mac: [u8; 16],
}

impl Seal {
    /// The length of a seal in bytes.
    pub const LEN: usize = 8 + 16;

    pub(super) fn put(&self, out: &mut BytesMut) {
        out.put_u64(self.counter);
        out.put_slice(&self.mac);
    }

    pub(super) fn take(body: &mut Bytes) -> Option<Self> {
        let counter = body.try_get_u64().ok()?;
        let mut mac = [0; 16];
        body.try_copy_to_slice(&mut mac).ok()?;
        Some(Self { counter, mac })
    }
}

/// The address of a unicast or answer that passes relays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayedUnicastHeader {
    /// The header. It is at the beginning of the body, as in a message that is not relayed.
    pub header: UnicastHeader,
    /// The seal for the target.
    pub seal: Seal,
}

impl RelayedUnicastHeader {
    /// Returns the bytes of the channel frame. Relays use it.
    pub fn content_of(body: &[u8]) -> &[u8] {
        body.get(UnicastHeader::LEN + Seal::LEN..)
            .unwrap_or_default()
    }

    /// Returns the body of a packet with a channel frame.
    pub fn encode(&self, frame: &(impl FrameContent + ?Sized)) -> Bytes {
        encoded(frame, |room| self.start(room))
    }

    /// Does the same as [`encode`](Self::encode); a long frame is not copied.
    pub fn encode_parts(&self, frame: &impl FrameContent) -> Body {
        encoded_parts(frame, |room| self.start(room))
    }

    /// Returns the header and its seal, with room for `room` more bytes.
    fn start(&self, room: usize) -> BytesMut {
        let mut out = BytesMut::with_capacity(UnicastHeader::LEN + Seal::LEN + room);
        self.header.put(&mut out);
        self.seal.put(&mut out);
        out
    }

    /// Reads the header and the seal, and returns them with the bytes of the channel frame.
    pub fn decode(body: Bytes) -> Option<(Self, Bytes)> {
        let (header, mut body) = UnicastHeader::decode(body)?;
        let seal = Seal::take(&mut body)?;
        Some((Self { header, seal }, body))
    }
}
