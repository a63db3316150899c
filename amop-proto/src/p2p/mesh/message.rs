//! Messages on their way: addresses, seals, and the channel frames they carry.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::{NodeKey, keys};
use crate::{
    channel::Frame,
    p2p::{Blocks, Body, FRAGMENT},
};

/// One copy of a multicast names at most this many nodes; a node that has more targets behind one
/// neighbour sends it several copies.
pub const MAX_TARGETS: usize = 1024;

/// The address of a unicast on its way through the network, or of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Who sent it into the network.
    pub source: NodeKey,
    /// Where it goes.
    pub target: NodeKey,
    /// Names it at the node that asked; an answer carries the request's.
    pub id: u64,
}

impl Envelope {
    /// Its length in bytes.
    pub const LEN: usize = 8 + 8 + 8;

    fn put(&self, out: &mut BytesMut) {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.source.0.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.target.0.to_be_bytes());
        bytes[16..].copy_from_slice(&self.id.to_be_bytes());
        out.put_slice(&bytes);
    }

    /// As [`seal`](Self::seal); a long frame is not copied.
    pub fn seal_parts(&self, frame: &impl Content) -> Body {
        sealed_parts(frame, |room| {
            let mut out = BytesMut::with_capacity(Self::LEN + room);
            self.put(&mut out);
            out
        })
    }

    /// Who sent the body of a packet into the network, for a node in between.
    pub fn source_of(body: &[u8]) -> Option<NodeKey> {
        let source = body.first_chunk()?;
        Some(NodeKey(u64::from_be_bytes(*source)))
    }

    /// The body of a packet with a channel frame, for a neighbour.
    pub fn seal(&self, frame: &Frame) -> Bytes {
        let mut out = BytesMut::with_capacity(Self::LEN + frame.wire_len());
        self.put(&mut out);
        frame.encode(&mut out);
        out.freeze()
    }

    /// Where the body of a packet goes, for a node in between.
    pub fn target_of(body: &[u8]) -> Option<NodeKey> {
        let (envelope, _) = body.split_at_checked(Self::LEN)?;
        let target = envelope[8..].first_chunk()?;
        Some(NodeKey(u64::from_be_bytes(*target)))
    }

    /// The address and the bytes of the channel frame.
    pub fn open(mut body: Bytes) -> Option<(Self, Bytes)> {
        let (words, _) = body.first_chunk::<{ Self::LEN }>()?.as_chunks();
        let [source, target, id] = *words else {
            return None;
        };
        let envelope = Self {
            source: NodeKey(u64::from_be_bytes(source)),
            target: NodeKey(u64::from_be_bytes(target)),
            id: u64::from_be_bytes(id),
        };
        body.advance(Self::LEN);
        Some((envelope, body))
    }
}

/// What proves a message to one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// No two messages from one node to another have the same.
    pub counter: u64,
    /// See [`PairKey`](super::PairKey).
    pub mac: [u8; 16],
}

impl Seal {
    /// Its length in bytes.
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

/// A unicast or answer that passes nodes in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relayed {
    /// Its address. It begins the body, as where it is not relayed.
    pub envelope: Envelope,
    /// For the target.
    pub seal: Seal,
}

impl Relayed {
    /// The bytes of the channel frame, for a node in between.
    pub fn content_of(body: &[u8]) -> &[u8] {
        body.get(Envelope::LEN + Seal::LEN..).unwrap_or_default()
    }

    /// The body of a packet with a channel frame.
    pub fn seal(&self, frame: &(impl Content + ?Sized)) -> Bytes {
        sealed(frame, |room| self.start(room))
    }

    /// As [`seal`](Self::seal); a long frame is not copied.
    pub fn seal_parts(&self, frame: &impl Content) -> Body {
        sealed_parts(frame, |room| self.start(room))
    }

    /// The address and its seal, with room for so many bytes more.
    fn start(&self, room: usize) -> BytesMut {
        let mut out = BytesMut::with_capacity(Envelope::LEN + Seal::LEN + room);
        self.envelope.put(&mut out);
        self.seal.put(&mut out);
        out
    }

    /// The address, the seal and the bytes of the channel frame.
    pub fn open(body: Bytes) -> Option<(Self, Bytes)> {
        let (envelope, mut body) = Envelope::open(body)?;
        let seal = Seal::take(&mut body)?;
        Some((Self { envelope, seal }, body))
    }
}

/// A channel frame, taken apart or as bytes: what packets carry.
#[expect(clippy::len_without_is_empty, reason = "a frame is never empty")]
pub trait Content {
    /// Its length in bytes.
    fn len(&self) -> usize;
    /// Appends its bytes.
    fn put(&self, out: &mut BytesMut);
    /// The SHA-256 of its bytes.
    fn digest(&self) -> [u8; 32];
    /// The end of a long one, which is shared instead of copied; nothing of a short one.
    fn tail(&self) -> Bytes {
        Bytes::new()
    }
    /// Appends what comes before the [`tail`](Self::tail).
    fn put_head(&self, out: &mut BytesMut) {
        self.put(out);
    }
}

/// Nothing, where it is short enough to be copied: a slice of a few bytes would keep the memory of all
/// that was read with them.
fn if_long(bytes: &Bytes) -> Bytes {
    if bytes.len() > FRAGMENT {
        bytes.clone()
    } else {
        Bytes::new()
    }
}

impl Content for Frame {
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

impl Content for [u8] {
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

impl Content for Bytes {
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

impl Content for Body {
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

/// The SHA-256 of the bytes of a channel frame, which seals vouch for.
#[must_use]
pub fn content_digest(frame: &[u8]) -> [u8; 32] {
    Sha256::digest(frame).into()
}

/// An address, which `start` makes with room for so many bytes more, and a channel frame behind it.
fn sealed(frame: &(impl Content + ?Sized), start: impl FnOnce(usize) -> BytesMut) -> Bytes {
    let mut out = start(frame.len());
    frame.put(&mut out);
    out.freeze()
}

/// As [`sealed`]; a long frame is not copied.
fn sealed_parts(frame: &impl Content, start: impl FnOnce(usize) -> BytesMut) -> Body {
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
pub struct Spread {
    /// Who sent it into the network: the neighbour, or a FISCO node behind it.
    pub source: NodeKey,
    /// With the source, names the multicast.
    pub id: u64,
    /// The receiver and FISCO nodes behind it, whom this copy is for; none: the receiver alone.
    pub targets: Vec<NodeKey>,
}

impl Spread {
    /// The length of an address without targets, in bytes.
    const LEN: usize = 8 + 8 + 2;

    /// What the body of a packet calls its multicast, for those who only want to know that.
    pub fn id_of(body: &[u8]) -> Option<u64> {
        let (head, _) = body.split_at_checked(8 + 8)?;
        let id = head[8..].first_chunk()?;
        Some(u64::from_be_bytes(*id))
    }

    /// The bytes of the channel frame that the body of a packet carries.
    pub fn content_of(body: &[u8]) -> &[u8] {
        const HEAD: usize = 8 + 8 + 2;
        let count = body.get(HEAD - 2..HEAD).map_or(0, |count| {
            usize::from(u16::from_be_bytes([count[0], count[1]]))
        });
        body.get(HEAD + 8 * count..).unwrap_or_default()
    }

    /// The body of a packet with a channel frame.
    pub fn seal(&self, frame: &(impl Content + ?Sized)) -> Bytes {
        sealed(frame, |room| self.start(room))
    }

    /// As [`seal`](Self::seal); a long frame is not copied.
    pub fn seal_parts(&self, frame: &impl Content) -> Body {
        sealed_parts(frame, |room| self.start(room))
    }

    /// The address, with room for so many bytes more.
    fn start(&self, room: usize) -> BytesMut {
        let mut out = BytesMut::with_capacity(self.len() + room);
        self.put(&mut out);
        out
    }

    /// As [`seal_parts`](Self::seal_parts), in memory that it shares with others.
    pub(crate) fn seal_parts_in(&self, frame: &impl Content, blocks: &mut Blocks) -> Body {
        let tail = frame.tail();
        let head = blocks.put(self.len() + frame.len() - tail.len(), |room| {
            self.put(room);
            frame.put_head(room);
        });
        Body { head, tail }
    }

    fn named(&self) -> &[NodeKey] {
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

    /// The address and the bytes of the channel frame.
    pub fn open(mut body: Bytes) -> Option<(Self, Bytes)> {
        let source = NodeKey(body.try_get_u64().ok()?);
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

/// The address of a multicast that passes nodes in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayedSpread {
    /// The node whose keys the seals are made with.
    pub voucher: NodeKey,
    /// Whose multicast it is: the voucher's, or that of a FISCO node behind it.
    pub source: NodeKey,
    /// With the source, names the multicast.
    pub id: u64,
    /// The nodes this copy is for, each named in one copy.
    pub targets: Vec<(NodeKey, Seal)>,
}

impl RelayedSpread {
    /// The body of a packet with a channel frame.
    pub fn seal(&self, frame: &(impl Content + ?Sized)) -> Bytes {
        sealed(frame, |room| self.start(room))
    }

    /// As [`seal`](Self::seal); a long frame is not copied.
    pub fn seal_parts(&self, frame: &impl Content) -> Body {
        sealed_parts(frame, |room| self.start(room))
    }

    /// The nodes that the body of a packet names, for those who only want to know that.
    pub fn targets_of(body: &[u8]) -> impl Iterator<Item = NodeKey> {
        const HEAD: usize = 8 + 8 + 8 + 2;
        let count = body.get(HEAD - 2..HEAD).map_or(0, |count| {
            usize::from(u16::from_be_bytes([count[0], count[1]]))
        });
        let targets = body.get(HEAD..).unwrap_or_default();
        let each = targets.chunks_exact(8 + Seal::LEN).take(count);
        each.filter_map(|target| Some(NodeKey(u64::from_be_bytes(*target.first_chunk()?))))
    }

    /// The bytes of the channel frame that the body of a packet carries.
    pub fn content_of(body: &[u8]) -> &[u8] {
        const HEAD: usize = 8 + 8 + 8 + 2;
        let count = Self::targets_of(body).count();
        body.get(HEAD + (8 + Seal::LEN) * count..)
            .unwrap_or_default()
    }

    /// The address, with room for so many bytes more.
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

    /// The address and the bytes of the channel frame.
    pub fn open(mut body: Bytes) -> Option<(Self, Bytes)> {
        let voucher = NodeKey(body.try_get_u64().ok()?);
        let source = NodeKey(body.try_get_u64().ok()?);
        let id = body.try_get_u64().ok()?;
        let count = usize::from(body.try_get_u16().ok()?);
        if count > MAX_TARGETS || body.len() / (8 + Seal::LEN) < count {
            return None;
        }
        let mut targets = Vec::with_capacity(count);
        for _ in 0..count {
            let target = NodeKey(body.try_get_u64().ok()?);
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

    const ENVELOPE: Envelope = Envelope {
        source: NodeKey(1),
        target: NodeKey(2),
        id: 7,
    };

    const SEAL: Seal = Seal {
        counter: 8,
        mac: [9; 16],
    };

    #[test]
    fn envelopes_round_trip() {
        let frame = frame();
        let body = ENVELOPE.seal(&frame);
        assert_eq!(
            Envelope::open(body.clone()),
            Some((ENVELOPE, frame.to_bytes()))
        );
        assert_eq!(Envelope::target_of(&body), Some(NodeKey(2)));
        assert_eq!(Envelope::target_of(&body[..23]), None);
        assert_eq!(Envelope::open(body.slice(..23)), None);
        let relayed = Relayed {
            envelope: ENVELOPE,
            seal: SEAL,
        };
        let body = relayed.seal(&frame);
        assert_eq!(body, relayed.seal(&frame.to_bytes()[..]));
        assert_eq!(Envelope::target_of(&body), Some(NodeKey(2)));
        let header = Envelope::LEN + Seal::LEN;
        assert_eq!(Relayed::open(body.slice(..header - 1)), None);
        assert_eq!(Relayed::open(body), Some((relayed, frame.to_bytes())));
    }

    #[test]
    fn spreads_round_trip() {
        let frame = frame();
        let spread = Spread {
            source: NodeKey(1),
            id: 7,
            targets: vec![NodeKey(2), NodeKey(3)],
        };
        let body = spread.seal(&frame);
        assert_eq!(Spread::open(body.slice(..33)), None);
        assert_eq!(Spread::id_of(&body), Some(7));
        assert_eq!(Spread::id_of(&body[..15]), None);
        assert_eq!(Spread::content_of(&body), frame.to_bytes());
        assert_eq!(Spread::content_of(&body[..33]), b"");
        assert_eq!(Spread::open(body), Some((spread, frame.to_bytes())));
        let spread = RelayedSpread {
            voucher: NodeKey(4),
            source: NodeKey(1),
            id: 7,
            targets: vec![(NodeKey(2), SEAL), (NodeKey(3), SEAL)],
        };
        let body = spread.seal(&frame);
        assert_eq!(RelayedSpread::open(body.slice(..89)), None);
        assert_eq!(RelayedSpread::open(body), Some((spread, frame.to_bytes())));
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

    /// Whether bytes are those of a frame's own memory.
    fn shares(tail: &Bytes, frame: &Frame) -> bool {
        frame.body.as_ptr_range().contains(&tail.as_ptr())
    }

    #[test]
    fn long_frames_are_shared_and_short_ones_copied() {
        let relayed = Relayed {
            envelope: ENVELOPE,
            seal: SEAL,
        };
        let direct = Spread {
            source: NodeKey(1),
            id: 7,
            targets: vec![NodeKey(2)],
        };
        let spread = RelayedSpread {
            voucher: NodeKey(4),
            source: NodeKey(1),
            id: 7,
            targets: vec![(NodeKey(2), SEAL)],
        };
        for len in [10, FRAGMENT, FRAGMENT + 1] {
            let frame = Frame::new(FrameType::UNICAST, Seq([b'0'; 32]), vec![1; len]);
            let parts = Body {
                head: frame.header().to_vec().into(),
                tail: frame.body.clone(),
            };
            let sealed = [
                (ENVELOPE.seal_parts(&frame), ENVELOPE.seal(&frame)),
                (relayed.seal_parts(&parts), relayed.seal(&frame)),
                (direct.seal_parts(&frame), direct.seal(&frame)),
                (spread.seal_parts(&frame), spread.seal(&frame)),
                (spread.seal_parts(&frame.body), spread.seal(&frame.body)),
            ];
            for (n, (body, whole)) in sealed.into_iter().enumerate() {
                let long = len > FRAGMENT;
                assert_eq!(body.tail.is_empty(), !long, "{n} {len}");
                assert!(!long || shares(&body.tail, &frame), "{n} {len}");
                assert_eq!([&body.head[..], &body.tail[..]].concat(), whole, "{n}");
            }
        }
    }

    #[test]
    fn a_spread_shows_whom_it_is_for_unopened() {
        let spread = RelayedSpread {
            voucher: NodeKey(4),
            source: NodeKey(1),
            id: 7,
            targets: vec![(NodeKey(2), SEAL), (NodeKey(3), SEAL)],
        };
        let body = spread.seal(&frame());
        let targets: Vec<NodeKey> = RelayedSpread::targets_of(&body).collect();
        assert_eq!(targets, [NodeKey(2), NodeKey(3)]);
        assert_eq!(RelayedSpread::content_of(&body), frame().to_bytes());
        for len in 0..body.len() {
            assert!(RelayedSpread::targets_of(&body[..len]).count() <= 2);
            RelayedSpread::content_of(&body[..len]);
        }
    }
}
