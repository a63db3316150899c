//! The signed statements of nodes about themselves.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{RoutingKey, StatementSigner, StatementVerifier, keys};
use crate::{MAX_TOPIC_LEN, p2p::NodeId};

/// The first byte of a record.
const FORMAT: u8 = 2;

/// The prefix of the signed bytes; the record up to the signature follows.
const DOMAIN: &[u8] = b"amop mesh record";

const HAS_NEIGHBOURS: u8 = 1;
const IS_STUB: u8 = 2;

/// The limit of versions. They are times in microseconds, far below this, so a node can always
/// choose a higher version than one that it hears of.
pub const MAX_VERSION: u64 = 1 << 62;

/// The maximum number of neighbours in a record. A node with more links states the first of them.
pub const MAX_NEIGHBOURS: usize = 4096;

/// The maximum length of a chain of certificates, in certificates.
pub const MAX_CHAIN: usize = 8;

/// The maximum length of a chain of certificates, in bytes.
const MAX_CHAIN_BYTES: usize = 32 * 1024;

/// The maximum length of a signature, in bytes: that of an RSA key of 16,384 bits.
const MAX_SIGNATURE: usize = 2048;

/// The maximum number of records in one packet.
const MAX_RECORDS: usize = 4096;

/// The node that a record describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An overlay node, which signs the record itself.
    Node(NodeId),
    /// A FISCO node, which cannot sign: its border node signs for it. It is linked only to that
    /// node, so no message is ever relayed through it.
    Stub {
        /// The FISCO node.
        fisco: NodeId,
        /// The border node that announces it.
        border: NodeId,
    },
}

impl Subject {
    /// Returns the node's key in routing.
    #[must_use]
    pub fn key(&self) -> RoutingKey {
        match self {
            Self::Node(node) => node.into(),
            Self::Stub { fisco, border } => RoutingKey::stub(fisco, border),
        }
    }

    /// Returns the node that signs statements about it.
    #[must_use]
    pub fn signer(&self) -> &NodeId {
        match self {
            Self::Node(node) => node,
            Self::Stub { border, .. } => border,
        }
    }

    /// Returns the node's ID.
    #[must_use]
    pub fn node(&self) -> &NodeId {
        match self {
            Self::Node(node) => node,
            Self::Stub { fisco, .. } => fisco,
        }
    }
}

/// The part that only a whole record of an overlay node has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The public half of the node's X25519 key pair.
    pub agreement: [u8; 32],
    /// The node's certificate and those that lead to the CA, in DER.
    pub chain: Vec<Bytes>,
}

/// A node's state: the whole state, or a change relative to an earlier version.
///
/// The format is: format number (1; 2), flags (1: neighbours, 2: a stub), version (8), base (8; 0:
/// whole), a length (2) and the node's ID. A stub has also a length (2) and the ID of the node that
/// announces it. The signer's ID is the full one; the ID of a stub's FISCO node is its
/// [name](NodeId::named). In a whole record that is not a stub's, the agreement key (32) and a
/// count (1) of certificates follow, each with its length (2). With flag 1 a count (2) and the keys
/// of all neighbours (8 each) follow. Then follow a count (4) and for each topic a length byte, the
/// topic, and its subscribers (4; 0 removes it), in the order of the topics' bytes. The signature
/// is at the end: algorithm (1), length (2), bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The node whose state it is.
    pub subject: Subject,
    /// The version, which rises with each change: the signer's time in microseconds since 1970.
    pub version: u64,
    /// The version to which this change applies; 0 for the whole state.
    pub base: u64,
    /// Present in a whole record, except a stub's.
    pub whole: Option<Whole>,
    /// Present in a whole record, and in a change of the neighbours; never in a stub's.
    pub neighbours: Option<Vec<RoutingKey>>,
    /// Topics and their numbers of subscribers: all, or those that changed. Each topic occurs once,
    /// in order.
    pub topics: Vec<(Bytes, u32)>,
}

/// A record, and the full ID of its signer if it is longer than the signer's name.
type WithLongId = (Record, Option<Bytes>);

impl Record {
    /// Returns the subject's key in routing.
    #[must_use]
    pub fn key(&self) -> RoutingKey {
        self.subject.key()
    }

    /// Signs the record, and returns it as it is sent. `None` if the signer cannot sign.
    #[must_use]
    pub fn sign(self, signer: &dyn StatementSigner) -> Option<SignedRecord> {
        let key = self.key();
        self.sign_as(key, signer)
    }

    /// Does the same as [`sign`](Self::sign), for a caller that knows the [`key`](Self::key).
    pub(crate) fn sign_as(
        mut self,
        key: RoutingKey,
        signer: &dyn StatementSigner,
    ) -> Option<SignedRecord> {
        self.topics.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.topics.dedup_by(|(a, _), (b, _)| a == b);
        self.topics
            .retain(|(topic, _)| topic.len() <= MAX_TOPIC_LEN);
        let mut message = BytesMut::from(DOMAIN);
        let long = signer.long_id();
        self.encode(long.as_deref(), &mut message);
        let signature = signer.sign(&message)?;
        let statement = message.len() - DOMAIN.len();
        message.put_u8(signer.algorithm());
        message.put_u16(u16::try_from(signature.len()).ok()?);
        message.put_slice(&signature);
        Some(SignedRecord {
            record: self,
            key,
            bytes: message.freeze().slice(DOMAIN.len()..),
            statement,
            algorithm: signer.algorithm(),
            long_id: long,
        })
    }

    /// Writes the part before the signature. `long` is the signer's full ID, if it is longer than
    /// its name.
    fn encode(&self, long: Option<&[u8]>, out: &mut BytesMut) {
        let stub = matches!(self.subject, Subject::Stub { .. });
        let neighbours = self.neighbours.as_ref().filter(|_| !stub);
        out.put_u8(FORMAT);
        out.put_u8(
            if neighbours.is_some() {
                HAS_NEIGHBOURS
            } else {
                0
            } | if stub { IS_STUB } else { 0 },
        );
        out.put_u64(self.version);
        out.put_u64(self.base);
        let signer = long.unwrap_or(&self.subject.signer().0);
        if let Subject::Stub { fisco, .. } = &self.subject {
            put_id(&fisco.0, out);
        }
        put_id(signer, out);
        if let Some(whole) = &self.whole {
            out.put_slice(&whole.agreement);
            out.put_u8(whole.chain.len().min(MAX_CHAIN) as u8);
            for certificate in whole.chain.iter().take(MAX_CHAIN) {
                out.put_u16(certificate.len() as u16);
                out.put_slice(certificate);
            }
        }
        if let Some(neighbours) = neighbours {
            let count = neighbours.len().min(MAX_NEIGHBOURS);
            out.put_u16(count as u16);
            for key in &neighbours[..count] {
                out.put_u64(key.0);
            }
        }
        out.put_u32(self.topics.len() as u32);
        for (topic, count) in &self.topics {
            out.put_u8(topic.len() as u8);
            out.put_slice(topic);
            out.put_u32(*count);
        }
    }

    /// Reads the part before the signature, and the signer's full ID if it is longer than its name.
    /// Returns `Some(Ok(None))` for a node with an ID of an unknown kind.
    fn decode(
        body: &mut Bytes,
        max_topics: usize,
    ) -> Option<Result<Option<WithLongId>, RecordsError>> {
        if body.try_get_u8().ok()? != FORMAT {
            return None;
        }
        let flags = body.try_get_u8().ok()?;
        let stub = flags & IS_STUB != 0;
        let has_neighbours = flags & HAS_NEIGHBOURS != 0;
        if flags & !(IS_STUB | HAS_NEIGHBOURS) != 0 || (stub && has_neighbours) {
            return None;
        }
        let version = body.try_get_u64().ok()?;
        let base = body.try_get_u64().ok()?;
        if version > MAX_VERSION || base >= version {
            return None;
        }
        let node = id(body)?;
        let border = if stub { Some(id(body)?) } else { None };
        let whole = if base == 0 && !stub {
            Some(whole(body)?)
        } else {
            None
        };
        let neighbours = if has_neighbours {
            let count = usize::from(body.try_get_u16().ok()?);
            if count > MAX_NEIGHBOURS {
                return None;
            }
            Some(keys(body, count)?)
        } else {
            None
        };
        if base == 0 && !stub && neighbours.is_none() {
            return None;
        }
        let topics = match topics(body, max_topics)? {
            Some(topics) => topics,
            None => {
                let (node, max) = (NodeId::named(&node), max_topics);
                return Some(Err(RecordsError::TooManyTopics { node, max }));
            }
        };
        let subject = match &border {
            None => NodeId::named(&node).map(Subject::Node),
            // The key of a FISCO node is not needed: its name identifies it.
            Some(border) => node[..]
                .try_into()
                .ok()
                .map(NodeId)
                .zip(NodeId::named(border))
                .map(|(fisco, border)| Subject::Stub { fisco, border }),
        };
        let signer = border.unwrap_or(node);
        let long = (signer.len() > subject.map_or(0, |subject| subject.signer().0.len()))
            .then_some(signer);
        let record = subject.map(|subject| Self {
            subject,
            version,
            base,
            whole,
            neighbours,
            topics,
        });
        Some(Ok(record.map(|record| (record, long))))
    }
}

/// A record and its signed bytes, which nodes pass on unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRecord {
    record: Record,
    /// The record's key. It is a hash, stored so that it is computed only once.
    key: RoutingKey,
    bytes: Bytes,
    /// The number of bytes that are signed.
    statement: usize,
    algorithm: u8,
    /// The signer's full ID, if it is longer than its name.
    long_id: Option<Bytes>,
}

impl SignedRecord {
    /// Returns the record.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Returns the subject's key in routing.
    #[must_use]
    pub fn key(&self) -> RoutingKey {
        self.key
    }

    /// Returns the record, and drops the signed bytes.
    #[must_use]
    pub fn into_record(self) -> Record {
        self.record
    }

    /// Copies the record into memory of its own: a slice would keep the whole packet that it
    /// arrived in.
    #[must_use]
    pub(crate) fn apart(mut self) -> Self {
        self.bytes = Bytes::copy_from_slice(&self.bytes);
        for (topic, _) in &mut self.record.topics {
            *topic = Bytes::copy_from_slice(topic);
        }
        self
    }

    /// Returns the bytes that are sent.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns whether the right node signed it. This does not say whether that node can be
    /// trusted.
    #[must_use]
    pub fn is_signed(&self, verifier: &dyn StatementVerifier) -> bool {
        // The algorithm and the length are before the signature.
        let signature = self.bytes.get(self.statement + 3..).unwrap_or_default();
        let message = [DOMAIN, &self.bytes[..self.statement]].concat();
        let name = self.record.subject.signer();
        let signer = self.long_id.as_deref().unwrap_or(&name.0);
        verifier.is_signed(self.algorithm, signer, &message, signature)
    }

    /// Reads the body of a records packet. Records are left out if the node's ID is of an unknown
    /// kind, for example shorter than 64 bytes.
    ///
    /// # Errors
    ///
    /// [`RecordsError`] if any record is malformed or has more than `max_topics` topics.
    pub fn decode_all(body: Bytes, max_topics: usize) -> Result<Vec<Self>, RecordsError> {
        let records = SignedRecords::new(body, max_topics);
        records.filter_map(Result::transpose).collect()
    }
}

/// The body of a records packet, read one record at a time, because a packet may be long, and its
/// records need several times as much memory. A record of a node with an ID of an unknown kind
/// gives `None`. After a record with too many topics reading continues; after a malformed record it
/// ends.
#[derive(Debug, Clone)]
pub struct SignedRecords {
    body: Bytes,
    max_topics: usize,
    /// The number of records that have been read.
    count: usize,
}

impl SignedRecords {
    /// Creates a reader of a body.
    #[must_use]
    pub fn new(body: Bytes, max_topics: usize) -> Self {
        Self {
            body,
            max_topics,
            count: 0,
        }
    }

    /// Returns the number of bytes that are still to be read.
    #[must_use]
    pub fn left(&self) -> usize {
        self.body.len()
    }

    /// Returns `None` if the record is malformed.
    fn read(&mut self) -> Option<Result<Option<SignedRecord>, RecordsError>> {
        let mut rest = self.body.clone();
        let record = Record::decode(&mut rest, self.max_topics)?;
        let statement = self.body.len() - rest.len();
        let algorithm = rest.try_get_u8().ok()?;
        let len = usize::from(rest.try_get_u16().ok()?);
        if len > MAX_SIGNATURE || rest.len() < len || self.count == MAX_RECORDS {
            return None;
        }
        self.count += 1;
        let bytes = self.body.split_to(statement + 3 + len);
        let signed = |(record, long_id): WithLongId| SignedRecord {
            key: record.key(),
            record,
            bytes,
            statement,
            algorithm,
            long_id,
        };
        Some(record.map(|record| record.map(signed)))
    }
}

impl Iterator for SignedRecords {
    type Item = Result<Option<SignedRecord>, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.body.has_remaining() {
            return None;
        }
        Some(self.read().unwrap_or_else(|| {
            self.body.clear();
            Err(RecordsError::Malformed)
        }))
    }
}

fn put_id(id: &[u8], out: &mut BytesMut) {
    out.put_u16(id.len() as u16);
    out.put_slice(id);
}

fn id(body: &mut Bytes) -> Option<Bytes> {
    let len = usize::from(body.try_get_u16().ok()?);
    (len <= NodeId::MAX && len <= body.len()).then(|| body.split_to(len))
}

fn whole(body: &mut Bytes) -> Option<Whole> {
    let mut agreement = [0; 32];
    body.try_copy_to_slice(&mut agreement).ok()?;
    let count = usize::from(body.try_get_u8().ok()?);
    if count > MAX_CHAIN {
        return None;
    }
    let mut chain = Vec::with_capacity(count);
    let mut sum = 0;
    for _ in 0..count {
        let len = usize::from(body.try_get_u16().ok()?);
        sum += len;
        if sum > MAX_CHAIN_BYTES || len > body.len() {
            return None;
        }
        chain.push(body.split_to(len));
    }
    Some(Whole { agreement, chain })
}

/// Reads the topics. They are in order, so that each occurs once and a part of them is a range.
/// Returns `Some(None)` if there are too many; they are skipped then.
fn topics(body: &mut Bytes, max: usize) -> Option<Option<Vec<(Bytes, u32)>>> {
    let count = body.try_get_u32().ok()? as usize;
    let mut topics: Vec<(Bytes, u32)> = Vec::new();
    let mut last: Option<Bytes> = None;
    for _ in 0..count {
        let len = usize::from(body.try_get_u8().ok()?);
        if len > MAX_TOPIC_LEN || body.remaining() < len + 4 {
            return None;
        }
        let topic = body.split_to(len);
        if last.is_some_and(|last| last >= topic) {
            return None;
        }
        let subscribers = body.get_u32();
        last = Some(topic.clone());
        if count <= max {
            topics.push((topic, subscribers));
        }
    }
    Some((count <= max).then_some(topics))
}

/// Why a records packet is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// The packet cannot be read.
    #[error("a malformed record of a node")]
    Malformed,
    /// A record has more topics than the limit.
    #[error("a record has more than {max} topics")]
    TooManyTopics {
        /// The record's node, if its ID is of a known kind.
        node: Option<NodeId>,
        /// The limit.
        max: usize,
    },
}

#[cfg(all(test, feature = "test-util"))]
mod tests;
