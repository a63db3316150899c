//! The content of a peer's frame, read before the node gets it: topic lists of FISCO nodes are
//! texts, and messages that are proven with a hash are hashed.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{digest::FrameDigest, held, mesh::SeenMessages};
use crate::{
    MAX_TOPIC_LEN,
    channel::{Frame, FrameType, PROTOCOL_MAX_FRAME},
    hash::HashSet,
    p2p::{
        NodeId, PeerFrame, TopicList, TopicListError,
        mesh::{
            MulticastHeader, RelayedMulticastHeader, RelayedUnicastHeader, RoutingKey, Subject,
            UnicastHeader, packet as mesh_packet,
        },
        packet, protocol,
    },
};

/// A frame of a peer whose long parts have been read. [`Checker::event`](super::Checker::event)
/// makes it from a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerInput {
    pub(super) frame: PeerFrame,
    pub(super) digest: FrameDigest,
    /// The topics of a FISCO node, if the frame brings them.
    pub(super) topics: Option<Result<ReadList, TopicListError>>,
}

/// A topic list that has been read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ReadList {
    pub(super) seq: u32,
    /// The topics that can be addressed.
    pub(super) topics: BTreeSet<Bytes>,
}

impl From<PeerFrame> for PeerInput {
    /// Reads nothing. A topic list in it is then not understood, and a long message is hashed where
    /// the hash is needed.
    fn from(frame: PeerFrame) -> Self {
        Self {
            frame,
            digest: FrameDigest::UNKNOWN,
            topics: None,
        }
    }
}

/// The destinations at this node: messages for them are proven with a hash; messages that only pass
/// are not.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends {
    keys: HashSet<RoutingKey>,
    stubs: bool,
}

impl Ends {
    /// Collects this node and the FISCO nodes that take part through it.
    pub(super) fn new<'a>(node: &NodeId, transit: impl IntoIterator<Item = &'a NodeId>) -> Self {
        let mut keys: HashSet<RoutingKey> = HashSet::default();
        keys.insert(RoutingKey::from(node));
        let of_node = keys.len();
        keys.extend(transit.into_iter().map(|&fisco| {
            let border = *node;
            Subject::Stub { fisco, border }.key()
        }));
        let stubs = keys.len() > of_node;
        Self { keys, stubs }
    }

    fn has(&self, key: RoutingKey) -> bool {
        self.keys.contains(&key)
    }
}

impl PeerInput {
    /// Returns whether [`read`](Self::read) has something to read.
    pub(super) fn is_long(frame: &PeerFrame) -> bool {
        Self::is_list(frame) || frame.body.len() > super::digest::SHORT
    }

    /// Returns whether the frame is a topic list.
    pub(super) fn is_list(frame: &PeerFrame) -> bool {
        (frame.protocol, frame.packet) == (-protocol::TOPIC, packet::TOPICS)
    }

    /// Returns whether the frame brings records.
    pub(super) fn is_records(frame: &PeerFrame) -> bool {
        (frame.protocol, frame.packet) == (protocol::EXTENSION, mesh_packet::RECORDS)
    }

    /// Reads a frame; of a topic list, it accepts up to `max_topics` topics.
    pub(super) fn read(frame: PeerFrame, max_topics: usize, ends: &Ends) -> Self {
        if Self::is_list(&frame) {
            let topics = Some(ReadList::read(&frame.body, max_topics));
            return Self {
                topics,
                ..frame.into()
            };
        }
        let digest = Self::digest(&frame, ends);
        Self {
            digest,
            ..frame.into()
        }
    }

    fn digest(frame: &PeerFrame, ends: &Ends) -> FrameDigest {
        let body = &frame.body;
        let unknown = FrameDigest::UNKNOWN;
        match (frame.protocol.unsigned_abs() as i32, frame.packet) {
            (protocol::EXTENSION, mesh_packet::RELAYED_UNICAST | mesh_packet::RELAYED_ANSWER)
                if UnicastHeader::target_of(body).is_some_and(|target| ends.has(target)) =>
            {
                unknown.with_long(RelayedUnicastHeader::content_of(body))
            }
            (protocol::EXTENSION, mesh_packet::RELAYED_MULTICAST)
                if RelayedMulticastHeader::targets_of(body).any(|target| ends.has(target)) =>
            {
                let content = RelayedMulticastHeader::content_of(body);
                unknown.with_long(content).with_long_body_in(content)
            }
            (protocol::EXTENSION, mesh_packet::MULTICAST) if body.len() > super::digest::SHORT => {
                let content = MulticastHeader::content_of(body);
                let digest = unknown.with_long_body_in(content);
                let id = MulticastHeader::id_of(body);
                // This multicast is named by its content; the name must be checked.
                if id.is_some_and(|id| id & SeenMessages::NAME != 0) {
                    digest.with_long(content)
                } else {
                    digest
                }
            }
            // The overlay names a FISCO node's multicast by its hash, and carries its unicasts and
            // answers.
            (protocol::AMOP, _) if body.len() > super::digest::SHORT => {
                match Frame::from_bytes(body.clone(), PROTOCOL_MAX_FRAME) {
                    Ok(frame) if frame.kind == FrameType::MULTICAST => {
                        unknown.with_long(&frame).with_long_body(&frame.body)
                    }
                    Ok(frame) if ends.stubs => unknown.with_long(&frame),
                    _ => unknown,
                }
            }
            _ => unknown,
        }
    }
}

impl ReadList {
    fn read(body: &Bytes, max_topics: usize) -> Result<Self, TopicListError> {
        held::reads_text();
        let list = TopicList::parse(body, max_topics)?;
        // A longer topic cannot be addressed. Topics are copied, because a slice would keep the
        // whole packet in memory.
        let topics = list.topics.into_iter();
        let topics = topics
            .filter(|topic| topic.len() <= MAX_TOPIC_LEN)
            .map(|topic| Bytes::copy_from_slice(&topic))
            .collect();
        let seq = list.seq;
        Ok(Self { seq, topics })
    }
}
