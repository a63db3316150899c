//! Messages in transit: addresses, seals, and the channel frames that they carry.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::{RoutingKey, keys};
use crate::{
    channel::Frame,
    p2p::{Blocks, Body, FRAGMENT},
};

/// The maximum number of nodes that one copy of a multicast names; a node that has more targets
/// behind one neighbour sends it several copies.
pub const MAX_TARGETS: usize = 1024;

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

    fn put(&self, out: &mut BytesMut) {
        out.put_u64(self.counter);
        out.put_slice(&self.mac);
    }

    fn take(body: &mut Bytes) -> Option<Self> {
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

/// The content of packets: a channel frame, either parsed or as bytes.
#[expect(clippy::len_without_is_empty, reason = "a frame is never empty")]
pub trait FrameContent {
    /// Returns the frame's length in bytes.
    fn len(&self) -> usize;
    /// Appends the frame's bytes.
    fn put(&self, out: &mut BytesMut);
    /// Returns the SHA-256 of the frame's bytes.
    fn digest(&self) -> [u8; 32];
    /// Returns the end of a long frame, which is shared instead of copied; it is empty if the frame
    /// is short.
    fn tail(&self) -> Bytes {
        Bytes::new()
    }
    /// Appends the bytes before the [`tail`](Self::tail).
    fn put_head(&self, out: &mut BytesMut) {
        self.put(out);
    }
}

/// Returns the bytes if they are long, otherwise nothing: short ones are copied, since a slice of a
/// few bytes would keep the whole read buffer in memory.
fn if_long(bytes: &Bytes) -> Bytes {
    if bytes.len() > FRAGMENT {
        bytes.clone()
    } else {
        Bytes::new()
    }
}

impl FrameContent for Frame {
    fn len(&self) -> usize {
        self.wire_len()
    }

    fn put(&self, out: &mut BytesMut) {
        self.encode(out);
    }

    fn digest(&self) -> [u8; 32] {
        let hash = Sha256::new().chain_update(self.header());
        hash.chain_update(&self.body).finalize().into()
    }

    fn tail(&self) -> Bytes {
        if_long(&self.body)
    }

    fn put_head(&self, out: &mut BytesMut) {
        if self.body.len() > FRAGMENT {
            out.put_slice(&self.header());
        } else {
            self.put(out);
        }
    }
}

impl FrameContent for [u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_slice(self);
    }

    fn digest(&self) -> [u8; 32] {
        content_digest(self)
    }
}

impl FrameContent for Bytes {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_slice(self);
    }

    fn digest(&self) -> [u8; 32] {
        content_digest(self)
    }

    fn tail(&self) -> Bytes {
        if_long(self)
    }

    fn put_head(&self, out: &mut BytesMut) {
        if <[u8]>::len(self) <= FRAGMENT {
            out.put_slice(self);
        }
    }
}

impl FrameContent for Body {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_slice(&self.head);
        out.put_slice(&self.tail);
    }

    fn digest(&self) -> [u8; 32] {
        let hash = Sha256::new().chain_update(&self.head);
        hash.chain_update(&self.tail).finalize().into()
    }

    fn tail(&self) -> Bytes {
        if_long(&self.tail)
    }

    fn put_head(&self, out: &mut BytesMut) {
        out.put_slice(&self.head);
        if self.tail.len() <= FRAGMENT {
            out.put_slice(&self.tail);
        }
    }
}

/// Returns the SHA-256 of the bytes of a channel frame, for its seals.
#[must_use]
pub fn content_digest(frame: &[u8]) -> [u8; 32] {
    Sha256::digest(frame).into()
}

/// Returns an address, which `start` makes with room for the given number of bytes, with a channel
/// frame after it.
fn encoded(frame: &(impl FrameContent + ?Sized), start: impl FnOnce(usize) -> BytesMut) -> Bytes {
    let mut out = start(frame.len());
    frame.put(&mut out);
    out.freeze()
}

/// Does the same as [`encoded`]; a long frame is not copied.
fn encoded_parts(frame: &impl FrameContent, start: impl FnOnce(usize) -> BytesMut) -> Body {
    let tail = frame.tail();
    let mut head = start(frame.len() - tail.len());
    frame.put_head(&mut head);
    Body {
        head: head.freeze(),
        tail,
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{FrameType, Seq};

    fn frame() -> Frame {
        Frame::new(FrameType::UNICAST, Seq([b'0'; 32]), "\x02tpayload")
    }

    const HEADER: UnicastHeader = UnicastHeader {
        source: RoutingKey(1),
        target: RoutingKey(2),
        id: 7,
    };

    const SEAL: Seal = Seal {
        counter: 8,
        mac: [9; 16],
    };

    #[test]
    fn headers_round_trip() {
        let frame = frame();
        let body = HEADER.encode(&frame);
        assert_eq!(
            UnicastHeader::decode(body.clone()),
            Some((HEADER, frame.to_bytes()))
        );
        assert_eq!(UnicastHeader::target_of(&body), Some(RoutingKey(2)));
        assert_eq!(UnicastHeader::target_of(&body[..23]), None);
        assert_eq!(UnicastHeader::decode(body.slice(..23)), None);
        let relayed = RelayedUnicastHeader {
            header: HEADER,
            seal: SEAL,
        };
        let body = relayed.encode(&frame);
        assert_eq!(body, relayed.encode(&frame.to_bytes()[..]));
        assert_eq!(UnicastHeader::target_of(&body), Some(RoutingKey(2)));
        let header = UnicastHeader::LEN + Seal::LEN;
        assert_eq!(RelayedUnicastHeader::decode(body.slice(..header - 1)), None);
        assert_eq!(
            RelayedUnicastHeader::decode(body),
            Some((relayed, frame.to_bytes()))
        );
    }

    #[test]
    fn spreads_round_trip() {
        let frame = frame();
        let spread = MulticastHeader {
            source: RoutingKey(1),
            id: 7,
            targets: vec![RoutingKey(2), RoutingKey(3)],
        };
        let body = spread.encode(&frame);
        assert_eq!(MulticastHeader::decode(body.slice(..33)), None);
        assert_eq!(MulticastHeader::id_of(&body), Some(7));
        assert_eq!(MulticastHeader::id_of(&body[..15]), None);
        assert_eq!(MulticastHeader::content_of(&body), frame.to_bytes());
        assert_eq!(MulticastHeader::content_of(&body[..33]), b"");
        assert_eq!(
            MulticastHeader::decode(body),
            Some((spread, frame.to_bytes()))
        );
        let spread = RelayedMulticastHeader {
            voucher: RoutingKey(4),
            source: RoutingKey(1),
            id: 7,
            targets: vec![(RoutingKey(2), SEAL), (RoutingKey(3), SEAL)],
        };
        let body = spread.encode(&frame);
        assert_eq!(RelayedMulticastHeader::decode(body.slice(..89)), None);
        assert_eq!(
            RelayedMulticastHeader::decode(body),
            Some((spread, frame.to_bytes()))
        );
    }

    #[test]
    fn a_frame_has_one_digest_in_every_form() {
        let frame = frame();
        let bytes = frame.to_bytes();
        let body = Body {
            head: bytes.slice(..9),
            tail: bytes.slice(9..),
        };
        assert_eq!(frame.digest(), bytes[..].digest());
        assert_eq!(frame.digest(), bytes.digest());
        assert_eq!(frame.digest(), body.digest());
    }

    /// Returns whether the tail is in the frame's own memory.
    fn shares(tail: &Bytes, frame: &Frame) -> bool {
        frame.body.as_ptr_range().contains(&tail.as_ptr())
    }

    #[test]
    fn long_frames_are_shared_and_short_ones_copied() {
        let relayed = RelayedUnicastHeader {
            header: HEADER,
            seal: SEAL,
        };
        let direct = MulticastHeader {
            source: RoutingKey(1),
            id: 7,
            targets: vec![RoutingKey(2)],
        };
        let spread = RelayedMulticastHeader {
            voucher: RoutingKey(4),
            source: RoutingKey(1),
            id: 7,
            targets: vec![(RoutingKey(2), SEAL)],
        };
        for len in [10, FRAGMENT, FRAGMENT + 1] {
            let frame = Frame::new(FrameType::UNICAST, Seq([b'0'; 32]), vec![1; len]);
            let parts = Body {
                head: frame.header().to_vec().into(),
                tail: frame.body.clone(),
            };
            let encoded = [
                (HEADER.encode_parts(&frame), HEADER.encode(&frame)),
                (relayed.encode_parts(&parts), relayed.encode(&frame)),
                (direct.encode_parts(&frame), direct.encode(&frame)),
                (spread.encode_parts(&frame), spread.encode(&frame)),
                (spread.encode_parts(&frame.body), spread.encode(&frame.body)),
            ];
            for (n, (body, whole)) in encoded.into_iter().enumerate() {
                let long = len > FRAGMENT;
                assert_eq!(body.tail.is_empty(), !long, "{n} {len}");
                assert!(!long || shares(&body.tail, &frame), "{n} {len}");
                assert_eq!([&body.head[..], &body.tail[..]].concat(), whole, "{n}");
            }
        }
    }

    #[test]
    fn a_spread_shows_whom_it_is_for_unopened() {
        let spread = RelayedMulticastHeader {
            voucher: RoutingKey(4),
            source: RoutingKey(1),
            id: 7,
            targets: vec![(RoutingKey(2), SEAL), (RoutingKey(3), SEAL)],
        };
        let body = spread.encode(&frame());
        let targets: Vec<RoutingKey> = RelayedMulticastHeader::targets_of(&body).collect();
        assert_eq!(targets, [RoutingKey(2), RoutingKey(3)]);
        assert_eq!(
            RelayedMulticastHeader::content_of(&body),
            frame().to_bytes()
        );
        for len in 0..body.len() {
            assert!(RelayedMulticastHeader::targets_of(&body[..len]).count() <= 2);
            RelayedMulticastHeader::content_of(&body[..len]);
        }
    }
}
