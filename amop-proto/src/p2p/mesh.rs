//! What nodes of this project say to each other: packets of the extension protocol.
//!
//! Carried in ordinary P2P frames under [`EXTENSION`](super::protocol::EXTENSION), which real nodes
//! ignore. It serves the link-state protocol and the routing of [`node`](crate::node). All integers are big-endian.
//!
//! | packet | body |
//! | --- | --- |
//! | hello | version (1 byte) |
//! | known | for each node whose record is known: key (8), version (8) |
//! | records | records, see [`Record`] |
//! | taken | empty; the frame's seq is that of the records frame it answers |
//! | ask | keys (8 each) of nodes whose whole record is wanted |
//! | unicast | source (8), target (8), id (8), channel frame |
//! | answer | as unicast |
//! | multicast | source (8), id (8), count (2), targets (8 each), channel frame |
//!
//! In the last three the P2P frame's seq says how many more links the message may cross, so that a
//! node in between passes the body on as it is.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::NodeId;
use crate::{MAX_TOPIC_LEN, channel::Frame};

/// A node in routing: the first eight bytes of its ID, which is a random point of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeKey(pub u64);

impl From<&NodeId> for NodeKey {
    fn from(id: &NodeId) -> Self {
        let mut key = [0; 8];
        key.copy_from_slice(&id.0[..8]);
        Self(u64::from_be_bytes(key))
    }
}

impl NodeKey {
    /// The name of this node, a real one, behind a node of this project that announces it.
    #[must_use]
    pub fn behind(self, border: NodeKey) -> Self {
        // Any mixing in which the two do not play the same part.
        Self(self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32) ^ border.0)
    }
}

/// Packet types of the extension protocol.
pub mod packet {
    /// The first frame, by which both sides know each other; later a sign of life.
    pub const HELLO: u16 = 1;
    /// What the sender knows of whom.
    pub const KNOWN: u16 = 2;
    /// States and changes of nodes.
    pub const RECORDS: u16 = 3;
    /// Acknowledges records.
    pub const TAKEN: u16 = 4;
    /// Asks for whole states.
    pub const ASK: u16 = 5;
    /// A unicast for one node.
    pub const UNICAST: u16 = 6;
    /// Its answer.
    pub const ANSWER: u16 = 7;
    /// A multicast for several nodes.
    pub const MULTICAST: u16 = 8;
}

/// The version of the extension.
pub const VERSION: u8 = 1;

/// A node's state, whole or as a change of an earlier version.
///
/// Key (8), version (8), base (8; 0: whole), flags (1); with flag 1 the node's ID (64); with flag 2
/// a count (2) and its neighbours' keys (8 each), all of them; then a count (4) and for each topic a
/// length byte, the topic, and its subscribers (4; 0 removes it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose state it is.
    pub key: NodeKey,
    /// Rises with each change.
    pub version: u64,
    /// The version this is a change of; 0 for the whole state.
    pub base: u64,
    /// Given with the whole state.
    pub node: Option<NodeId>,
    /// Given with the whole state and when they changed.
    pub neighbours: Option<Vec<NodeKey>>,
    /// Topics and their subscribers: all, or those that changed.
    pub topics: Vec<(Bytes, u32)>,
}

/// Versions start at a time in microseconds; none comes near this, so a node can always go on from
/// one it is told.
pub const MAX_VERSION: u64 = 1 << 62;

const HAS_NODE: u8 = 1;
const HAS_NEIGHBOURS: u8 = 2;

impl Record {
    /// Appends the record to `out`.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u64(self.key.0);
        out.put_u64(self.version);
        out.put_u64(self.base);
        let node = if self.node.is_some() { HAS_NODE } else { 0 };
        let neighbours = if self.neighbours.is_some() {
            HAS_NEIGHBOURS
        } else {
            0
        };
        out.put_u8(node | neighbours);
        if let Some(node) = &self.node {
            out.put_slice(&node.0);
        }
        if let Some(neighbours) = &self.neighbours {
            // A node has far fewer connections than that.
            let count = u16::try_from(neighbours.len()).unwrap_or(u16::MAX);
            out.put_u16(count);
            for key in &neighbours[..usize::from(count)] {
                out.put_u64(key.0);
            }
        }
        let topics = || {
            self.topics
                .iter()
                .filter(|(topic, _)| topic.len() <= MAX_TOPIC_LEN)
        };
        out.put_u32(topics().count() as u32);
        for (topic, count) in topics() {
            out.put_u8(topic.len() as u8);
            out.put_slice(topic);
            out.put_u32(*count);
        }
    }

    fn decode(body: &mut Bytes, max_topics: usize) -> Option<Result<Self, RecordsError>> {
        let key = NodeKey(body.try_get_u64().ok()?);
        let version = body.try_get_u64().ok()?;
        let base = body.try_get_u64().ok()?;
        if version > MAX_VERSION || base >= version {
            return None;
        }
        let flags = body.try_get_u8().ok()?;
        let node = if flags & HAS_NODE == 0 {
            None
        } else {
            let mut node = NodeId([0; 64]);
            body.try_copy_to_slice(&mut node.0).ok()?;
            Some(node)
        };
        let neighbours = if flags & HAS_NEIGHBOURS == 0 {
            None
        } else {
            let count = usize::from(body.try_get_u16().ok()?);
            Some(keys(body, count)?)
        };
        let count = body.try_get_u32().ok()? as usize;
        if count > max_topics {
            return Some(Err(RecordsError::TooManyTopics {
                key,
                max: max_topics,
            }));
        }
        let mut topics = Vec::new();
        for _ in 0..count {
            let len = usize::from(body.try_get_u8().ok()?);
            if len > MAX_TOPIC_LEN || body.remaining() < len + 4 {
                return None;
            }
            let topic = body.split_to(len);
            topics.push((topic, body.get_u32()));
        }
        let whole = node.is_some() && neighbours.is_some();
        (base != 0 || whole).then_some(Ok(Self {
            key,
            version,
            base,
            node,
            neighbours,
            topics,
        }))
    }

    /// Reads the body of a records packet.
    ///
    /// # Errors
    ///
    /// [`RecordsError`] if any of it is malformed or a record has more topics than `max_topics`.
    pub fn decode_all(mut body: Bytes, max_topics: usize) -> Result<Vec<Self>, RecordsError> {
        let mut records = Vec::new();
        while body.has_remaining() {
            let record = Self::decode(&mut body, max_topics).ok_or(RecordsError::Malformed)??;
            records.push(record);
        }
        Ok(records)
    }
}

/// Why a records packet is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// It cannot be read.
    #[error("malformed records of nodes")]
    Malformed,
    /// One record has more topics than are taken.
    #[error("a record of more than {max} topics")]
    TooManyTopics {
        /// Whose.
        key: NodeKey,
        /// The limit in force.
        max: usize,
    },
}

fn keys(body: &mut Bytes, count: usize) -> Option<Vec<NodeKey>> {
    if body.remaining() / 8 < count {
        return None;
    }
    Some((0..count).map(|_| NodeKey(body.get_u64())).collect())
}

/// Writes the body of an ask packet.
pub fn encode_keys(keys: impl IntoIterator<Item = NodeKey>) -> Bytes {
    let mut out = BytesMut::new();
    for key in keys {
        out.put_u64(key.0);
    }
    out.freeze()
}

/// Reads the body of an ask packet.
pub fn decode_keys(mut body: Bytes) -> Option<Vec<NodeKey>> {
    let count = body.len() / 8;
    let whole = body.len().is_multiple_of(8);
    keys(&mut body, count).filter(|_| whole)
}

/// Writes the body of a known packet.
pub fn encode_known(known: impl IntoIterator<Item = (NodeKey, u64)>) -> Bytes {
    let mut out = BytesMut::new();
    for (key, version) in known {
        out.put_u64(key.0);
        out.put_u64(version);
    }
    out.freeze()
}

/// Reads the body of a known packet.
pub fn decode_known(mut body: Bytes) -> Option<Vec<(NodeKey, u64)>> {
    if !body.len().is_multiple_of(16) {
        return None;
    }
    let count = body.len() / 16;
    Some(
        (0..count)
            .map(|_| (NodeKey(body.get_u64()), body.get_u64()))
            .collect(),
    )
}

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

const ENVELOPE: usize = 8 + 8 + 8;

impl Envelope {
    /// The body of a packet with a channel frame.
    pub fn seal(&self, frame: &Frame) -> Bytes {
        let mut out = BytesMut::with_capacity(ENVELOPE + frame.wire_len());
        out.put_u64(self.source.0);
        out.put_u64(self.target.0);
        out.put_u64(self.id);
        frame.encode(&mut out);
        out.freeze()
    }

    /// Where the body of a packet goes, for a node in between.
    pub fn target_of(body: &[u8]) -> Option<NodeKey> {
        let (envelope, _) = body.split_at_checked(ENVELOPE)?;
        let target = envelope[8..].first_chunk()?;
        Some(NodeKey(u64::from_be_bytes(*target)))
    }

    /// The address and the bytes of the channel frame.
    pub fn open(mut body: Bytes) -> Option<(Self, Bytes)> {
        let envelope = Self {
            source: NodeKey(body.try_get_u64().ok()?),
            target: NodeKey(body.try_get_u64().ok()?),
            id: body.try_get_u64().ok()?,
        };
        Some((envelope, body))
    }
}

/// A channel frame, taken apart or as bytes: what a multicast's packet carries.
#[expect(clippy::len_without_is_empty, reason = "a frame is never empty")]
pub trait Content {
    /// Its length in bytes.
    fn len(&self) -> usize;
    /// Appends its bytes.
    fn put(&self, out: &mut BytesMut);
}

impl Content for Frame {
    fn len(&self) -> usize {
        self.wire_len()
    }

    fn put(&self, out: &mut BytesMut) {
        self.encode(out);
    }
}

impl Content for [u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn put(&self, out: &mut BytesMut) {
        out.put_slice(self);
    }
}

/// The address of a multicast on its way through the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// Who sent it into the network.
    pub source: NodeKey,
    /// With the source, names the multicast.
    pub id: u64,
    /// The nodes this copy is for, each named in exactly one copy; none: the receiver alone.
    pub targets: Vec<NodeKey>,
}

impl Spread {
    /// The body of a packet with a channel frame.
    pub fn seal(&self, frame: &(impl Content + ?Sized)) -> Bytes {
        let count = u16::try_from(self.targets.len()).unwrap_or(u16::MAX);
        let len = 8 + 8 + 2 + 8 * usize::from(count) + frame.len();
        let mut out = BytesMut::with_capacity(len);
        out.put_u64(self.source.0);
        out.put_u64(self.id);
        out.put_u16(count);
        for target in &self.targets[..usize::from(count)] {
            out.put_u64(target.0);
        }
        frame.put(&mut out);
        out.freeze()
    }

    /// The address and the bytes of the channel frame.
    pub fn open(mut body: Bytes) -> Option<(Self, Bytes)> {
        let source = NodeKey(body.try_get_u64().ok()?);
        let id = body.try_get_u64().ok()?;
        let count = usize::from(body.try_get_u16().ok()?);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{FrameType, Seq};

    fn record() -> Record {
        Record {
            key: NodeKey(1),
            version: 9,
            base: 0,
            node: Some(NodeId([3; 64])),
            neighbours: Some(vec![NodeKey(2), NodeKey(u64::MAX)]),
            topics: vec![(Bytes::from_static(b"hello"), 3), (Bytes::new(), 0)],
        }
    }

    #[test]
    fn records_round_trip_and_no_cut_passes() {
        let delta = Record {
            base: 8,
            node: None,
            neighbours: None,
            ..record()
        };
        let mut out = BytesMut::new();
        record().encode(&mut out);
        let first = out.len();
        delta.encode(&mut out);
        let body = out.freeze();
        assert_eq!(
            Record::decode_all(body.clone(), 2),
            Ok(vec![record(), delta])
        );
        let (key, max) = (NodeKey(1), 1);
        assert_eq!(
            Record::decode_all(body.clone(), max),
            Err(RecordsError::TooManyTopics { key, max })
        );
        for end in 1..body.len() {
            let cut = Record::decode_all(body.slice(..end), 2);
            assert_eq!(cut.is_ok(), end == first, "cut at {end}");
        }
    }

    #[test]
    fn a_whole_record_without_its_node_is_refused() {
        let mut out = BytesMut::new();
        Record {
            node: None,
            ..record()
        }
        .encode(&mut out);
        let refused = Record::decode_all(out.freeze(), 2);
        assert_eq!(refused, Err(RecordsError::Malformed));
    }

    #[test]
    fn versions_that_leave_no_room_or_go_back_are_refused() {
        for (version, base, good) in [
            (MAX_VERSION, 0, true),
            (MAX_VERSION + 1, 0, false),
            (u64::MAX, 0, false),
            (0, 0, false),
            (9, 8, true),
            (9, 9, false),
            (9, 10, false),
        ] {
            let mut out = BytesMut::new();
            Record {
                version,
                base,
                ..record()
            }
            .encode(&mut out);
            let read = Record::decode_all(out.freeze(), 2);
            assert_eq!(read.is_ok(), good, "{version} of {base}");
        }
    }

    #[test]
    fn envelopes_and_spreads_round_trip() {
        let frame = Frame::new(FrameType::UNICAST, Seq([b'0'; 32]), "\x02tpayload");
        let envelope = Envelope {
            source: NodeKey(1),
            target: NodeKey(2),
            id: 7,
        };
        let body = envelope.seal(&frame);
        assert_eq!(
            Envelope::open(body.clone()),
            Some((envelope, frame.to_bytes()))
        );
        assert_eq!(Envelope::target_of(&body), Some(NodeKey(2)));
        assert_eq!(Envelope::target_of(&body[..23]), None);
        assert_eq!(Envelope::open(body.slice(..23)), None);
        let spread = Spread {
            source: NodeKey(1),
            id: 7,
            targets: vec![NodeKey(2), NodeKey(3)],
        };
        let body = spread.seal(&b"frame"[..]);
        assert_eq!(
            Spread::open(body.clone()),
            Some((spread, Bytes::from_static(b"frame")))
        );
        assert_eq!(Spread::open(body.slice(..33)), None);
    }
}
