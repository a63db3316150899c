//! The messages of overlay nodes to each other: packets of the extension protocol.
//!
//! They are sent in ordinary P2P frames under [`EXTENSION`](super::protocol::EXTENSION), which
//! FISCO nodes ignore, and serve the link-state protocol and the routing of [`node`](crate::node).
//! All integers are big-endian. `docs/mesh-protocol.md` describes the whole protocol.
//!
//! | packet | body |
//! | --- | --- |
//! | hello | lowest version spoken (1), highest (1); further bytes are ignored |
//! | known | for each node whose record is known: key (8), version (8) |
//! | records | records, see [`Record`] |
//! | taken | empty; the frame's seq is that of the records frame it answers |
//! | ask | keys (8 each) of nodes whose whole record is requested |
//! | unicast | source (8), target (8), id (8), channel frame |
//! | answer | as unicast |
//! | multicast | source (8), id (8), count (2), targets (8 each), channel frame |
//! | relayed unicast | source (8), target (8), id (8), counter (8), MAC (16), channel frame |
//! | relayed answer | as relayed unicast |
//! | relayed multicast | voucher (8), source (8), id (8), count (2), for each target: key (8), counter (8), MAC (16); channel frame |
//! | confirmed | runs of numbers of multicasts that have arrived: first (4), count (4) each |
//!
//! The three kinds of message that are not relayed cross one link. They need no MAC, because TLS
//! identifies the node at the other end. Relayed messages carry a MAC for each target; the last
//! byte of the P2P frame's seq says how many more links they may cross. In a multicast, the other
//! three bytes are its number on its link, from version 3 on: see [`Numbered`].

mod agreement;
mod content;
mod multicast_header;
mod proof;
mod record;
mod unicast_header;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

pub use self::{
    agreement::{Agreement, MacPurpose, PairKey, Statement},
    content::{FrameContent, content_digest},
    multicast_header::{MAX_TARGETS, MulticastHeader, RelayedMulticastHeader},
    proof::{Identified, IdentityRefusal, StatementSigner, StatementVerifier},
    record::{
        MAX_CHAIN, MAX_NEIGHBOURS, MAX_VERSION, Record, RecordsError, SignedRecord, SignedRecords,
        Subject, Whole,
    },
    unicast_header::{RelayedUnicastHeader, Seal, UnicastHeader},
};
#[cfg(feature = "test-util")]
pub use proof::SharedSecret;

use super::NodeId;

/// The key of a node in routing: the first eight bytes of the SHA-256 of its ID, so that the length
/// of the ID does not matter, and similar IDs have different keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoutingKey(pub u64);

impl From<&NodeId> for RoutingKey {
    fn from(id: &NodeId) -> Self {
        Self::first_of(&Sha256::digest(id.0))
    }
}

impl RoutingKey {
    /// Returns the key of a FISCO node behind the border node that announces it. Finding IDs that
    /// give another node's key takes about 2^64 hashes, and a record is refused if its key is
    /// already used for another ID.
    #[must_use]
    pub fn stub(fisco: &NodeId, border: &NodeId) -> Self {
        let digest = Sha256::new()
            .chain_update(b"amop mesh stub")
            .chain_update(fisco.0)
            .chain_update(border.0)
            .finalize();
        Self::first_of(&digest)
    }

    fn first_of(digest: &[u8]) -> Self {
        let first = digest.iter().take(8);
        Self(first.fold(0, |key, &byte| key << 8 | u64::from(byte)))
    }
}

/// Packet types of the extension protocol.
pub mod packet {
    /// The first frame, in which both sides introduce themselves; later a sign of life.
    pub const HELLO: u16 = 1;
    /// The versions of the records that the sender knows.
    pub const KNOWN: u16 = 2;
    /// Whole states and changes of nodes.
    pub const RECORDS: u16 = 3;
    /// Acknowledges records.
    pub const TAKEN: u16 = 4;
    /// Requests whole states.
    pub const ASK: u16 = 5;
    /// A unicast for the neighbour, or a FISCO node behind it.
    pub const UNICAST: u16 = 6;
    /// The answer to a unicast that was not relayed.
    pub const ANSWER: u16 = 7;
    /// A multicast for the neighbour, or FISCO nodes behind it.
    pub const MULTICAST: u16 = 8;
    /// A unicast for a node further away.
    pub const RELAYED_UNICAST: u16 = 9;
    /// An answer for a node further away.
    pub const RELAYED_ANSWER: u16 = 10;
    /// A multicast for several nodes, some of them further away.
    pub const RELAYED_MULTICAST: u16 = 11;
    /// Confirms multicasts, so that their sender need not keep them any more.
    pub const CONFIRMED: u16 = 12;
    /// A part of a long frame: see [`FragmentAssembler`](crate::p2p::FragmentAssembler).
    pub const FRAGMENT: u16 = 20;
}

/// The highest version of the extension that this node speaks.
pub const VERSION: u8 = 3;

/// The version from which on multicasts are numbered and confirmed.
pub const CONFIRMS: u8 = 3;

/// The lowest version of the extension that this node speaks. Version 1 had no proofs and is not
/// supported.
pub const MIN_VERSION: u8 = 2;

/// Writes the body of a hello packet.
#[must_use]
pub fn encode_hello() -> Bytes {
    Bytes::from_static(&[MIN_VERSION, VERSION])
}

/// Returns the highest version of the extension that this node and the sender of a hello packet
/// both speak; `None` if they share no version. A body of one byte means only that version.
#[must_use]
pub fn common_version(hello: &[u8]) -> Option<u8> {
    let (&lowest, &highest) = (hello.first()?, hello.get(1).or(hello.first())?);
    let version = highest.min(VERSION);
    (version >= lowest.max(MIN_VERSION)).then_some(version)
}

/// The content of the seq of a multicast's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// The multicast's number on this link, below [`NUMBERS`](Self::NUMBERS); 0 if it is not to be
    /// confirmed.
    pub number: u32,
    /// How many more links it may cross.
    pub hops_left: u32,
}

impl Numbered {
    /// The upper limit of numbers: after the last number below it, they start again at 1.
    pub const NUMBERS: u32 = 1 << 24;

    /// Returns the seq of a frame.
    #[must_use]
    pub fn seq(self) -> u32 {
        self.number << 8 | self.hops_left.min(0xff)
    }

    /// Reads the seq of a frame.
    #[must_use]
    pub fn of(seq: u32) -> Self {
        Self {
            number: seq >> 8,
            hops_left: seq & 0xff,
        }
    }

    /// Returns the number after this one.
    #[must_use]
    pub fn after(number: u32) -> u32 {
        match number + 1 {
            Self::NUMBERS => 1,
            next => next,
        }
    }

    /// Returns how many numbers `number` is after `first`.
    #[must_use]
    pub fn behind(first: u32, number: u32) -> u32 {
        if number >= first {
            number - first
        } else {
            number + (Self::NUMBERS - 1) - first
        }
    }
}

/// Writes the body of a confirmed packet. Each run is its first number and its length.
#[must_use]
pub fn encode_confirmed(runs: &[(u32, u32)]) -> Bytes {
    let mut out = BytesMut::with_capacity(8 * runs.len());
    for &(first, count) in runs {
        out.put_u32(first);
        out.put_u32(count);
    }
    out.freeze()
}

/// Reads the body of a confirmed packet; returns `None` if it is malformed or has more than `max`
/// numbers.
#[must_use]
pub fn decode_confirmed(mut body: Bytes, max: u32) -> Option<Vec<(u32, u32)>> {
    if !body.len().is_multiple_of(8) || body.len() / 8 > max as usize {
        return None;
    }
    let mut runs = Vec::with_capacity(body.len() / 8);
    let mut numbers = 0_u32;
    while body.has_remaining() {
        let (first, count) = (body.get_u32(), body.get_u32());
        numbers = numbers.checked_add(count)?;
        if count == 0 || numbers > max || first == 0 || first >= Numbered::NUMBERS {
            return None;
        }
        runs.push((first, count));
    }
    Some(runs)
}

fn keys(body: &mut Bytes, count: usize) -> Option<Vec<RoutingKey>> {
    if body.remaining() / 8 < count {
        return None;
    }
    Some((0..count).map(|_| RoutingKey(body.get_u64())).collect())
}

/// Writes the body of an ask packet.
pub fn encode_keys(keys: impl IntoIterator<Item = RoutingKey>) -> Bytes {
    let mut out = BytesMut::new();
    for key in keys {
        out.put_u64(key.0);
    }
    out.freeze()
}

/// Reads the body of an ask packet; returns `None` if it is malformed or has more than `max` keys.
pub fn decode_keys(mut body: Bytes, max: usize) -> Option<Vec<RoutingKey>> {
    let count = body.len() / 8;
    let whole = body.len().is_multiple_of(8) && count <= max;
    whole.then(|| keys(&mut body, count)).flatten()
}

/// Writes the body of a known packet.
pub fn encode_known(known: impl IntoIterator<Item = (RoutingKey, u64)>) -> Bytes {
    let mut out = BytesMut::new();
    for (key, version) in known {
        out.put_u64(key.0);
        out.put_u64(version);
    }
    out.freeze()
}

/// Reads the body of a known packet; returns `None` if it is malformed or has more than `max`
/// nodes.
pub fn decode_known(mut body: Bytes, max: usize) -> Option<Vec<(RoutingKey, u64)>> {
    let count = body.len() / 16;
    if !body.len().is_multiple_of(16) || count > max {
        return None;
    }
    Some(
        (0..count)
            .map(|_| (RoutingKey(body.get_u64()), body.get_u64()))
            .collect(),
    )
}

#[cfg(test)]
mod tests;
