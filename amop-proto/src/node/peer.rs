//! The link to one other node: topic synchronisation and its timers (p2p-v2 section 6).

use std::{collections::BTreeSet, time::Instant};

use bytes::Bytes;

use super::{Limits, Notice, PeerCloseReason, PeerId, PeerIdentity, Timeouts};
use crate::p2p::{
    CountsError, PeerFrame, TopicCount, TopicList, TopicListError, decode_counts, encode_counts,
    packet, parse_topic_seq, protocol,
};

/// One connection to another node, from TLS to its end.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) identity: PeerIdentity,
    /// Whether this node dialled it.
    pub(super) dialled: bool,
    /// When the connection was made.
    pub(super) since: Instant,
    /// When a frame last came.
    pub(super) heard: Instant,
    /// When to announce the topic sequence number next.
    pub(super) announce_at: Instant,
    /// The topic sequence number whose list was fetched.
    known_seq: u32,
    /// The seq of a RequestTopics that waits for its answer, and until when.
    requested: Option<(u32, Instant)>,
    /// The seq of the next RequestTopics.
    next_seq: u32,
    kind: Kind,
    /// The version of this node's topics that was sent to it last.
    sent: u64,
    /// The version it has said it knows.
    acknowledged: u64,
}

/// Which implementation a peer is.
#[derive(Debug)]
enum Kind {
    /// Nothing came yet. It is told everything, and leaves out what it does not understand.
    Unknown,
    /// One of ours: it sends subscriber counts, and needs no requests.
    Ours,
    /// A real node, say: it gets sequence numbers and asks for the names.
    Foreign,
}

/// What a topic packet changes.
#[derive(Debug)]
pub(super) enum TopicUpdate {
    Nothing,
    /// The whole new set.
    Replace(BTreeSet<Bytes>),
    /// Counts that changed.
    Counts(Vec<TopicCount>),
    /// The peer knows a newer version of this node's topics.
    Acknowledged,
    Close(PeerCloseReason),
}

/// Frames to send and things to log.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) frames: Vec<PeerFrame>,
    pub(super) notice: Option<Notice>,
}

impl Output {
    fn ignored(&mut self, peer: PeerId, what: &'static str) -> TopicUpdate {
        self.notice = Some(Notice::BadPeerMessage { peer, what });
        TopicUpdate::Nothing
    }
}

impl Peer {
    pub(super) fn new(
        now: Instant,
        identity: PeerIdentity,
        dialled: bool,
        timeouts: &Timeouts,
    ) -> Self {
        Self {
            identity,
            dialled,
            since: now,
            heard: now,
            announce_at: now + timeouts.announce,
            known_seq: 0,
            requested: None,
            next_seq: 1,
            kind: Kind::Unknown,
            sent: 0,
            acknowledged: 0,
        }
    }

    /// What to send when the connection is up: the counts first, so that one of ours needs no
    /// request after the sequence number that follows.
    pub(super) fn greeting<'a>(
        &mut self,
        version: u64,
        topic_seq: u32,
        local: impl Iterator<Item = (&'a Bytes, u32)>,
    ) -> [PeerFrame; 2] {
        let counts = encode_counts(local.map(|(topic, count)| (&topic[..], count)));
        [self.counts(version, counts), topic_seq_frame(topic_seq)]
    }

    fn counts(&mut self, version: u64, body: Bytes) -> PeerFrame {
        self.sent = version;
        PeerFrame {
            protocol: protocol::EXTENSION,
            packet: packet::COUNTS,
            seq: version as u32,
            body,
        }
    }

    /// Whether it has not yet said that it knows this version of the node's topics. A real node
    /// never says, so nothing waits for it once it is recognised.
    pub(super) fn lags_behind(&self, version: u64) -> bool {
        !self.is_foreign() && self.acknowledged < version
    }

    /// What to send when this node's topics changed: the sequence number at once, not at the next
    /// tick, and the new counts to a node of ours. The counts come first, as in the greeting.
    pub(super) fn topics_changed(
        &mut self,
        version: u64,
        topic_seq: Option<u32>,
        changes: &[(Bytes, u32, u32)],
    ) -> Vec<PeerFrame> {
        let mut frames = Vec::new();
        if !self.is_foreign() {
            let counts = changes.iter().map(|(topic, _, now)| (&topic[..], *now));
            let body = encode_counts(counts);
            frames.push(self.counts(version, body));
        }
        if let Some(topic_seq) = topic_seq {
            frames.push(topic_seq_frame(topic_seq));
        }
        frames
    }

    /// A frame came. The first one tells which implementation the peer is: ours greet with their
    /// counts. Returns whether it has just turned out to be foreign.
    pub(super) fn heard(&mut self, now: Instant, frame: &PeerFrame) -> bool {
        self.heard = now;
        if !matches!(self.kind, Kind::Unknown) {
            return false;
        }
        let greets = (frame.protocol, frame.packet) == (protocol::EXTENSION, packet::COUNTS);
        self.kind = if greets { Kind::Ours } else { Kind::Foreign };
        !greets
    }

    /// Whether it is known not to be one of ours.
    pub(super) fn is_foreign(&self) -> bool {
        matches!(self.kind, Kind::Foreign)
    }

    fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::Ours)
    }

    /// Handles a topic or extension packet.
    pub(super) fn topic_packet<'a>(
        &mut self,
        now: Instant,
        peer: PeerId,
        frame: &PeerFrame,
        node: NodeTopics<'a, impl Iterator<Item = (&'a Bytes, u32)>>,
        output: &mut Output,
    ) -> TopicUpdate {
        let NodeTopics {
            topic_seq,
            local,
            limits,
            timeouts,
        } = node;
        match (frame.protocol, frame.packet) {
            (protocol::TOPIC, packet::TOPIC_SEQ) => {
                let Ok(seq) = parse_topic_seq(&frame.body) else {
                    return output.ignored(peer, "a topic sequence number that is none");
                };
                let waiting = self.requested.is_some_and(|(_, until)| now < until);
                if seq != self.known_seq && !self.is_ours() && !waiting {
                    let seq = self.next_seq;
                    self.next_seq = self.next_seq.wrapping_add(1);
                    self.requested = Some((seq, now + timeouts.topic_list));
                    output.frames.push(PeerFrame {
                        protocol: protocol::TOPIC,
                        packet: packet::REQUEST_TOPICS,
                        seq,
                        body: Bytes::new(),
                    });
                }
                TopicUpdate::Nothing
            }
            (protocol::TOPIC, packet::REQUEST_TOPICS) => {
                let topics = local.map(|(topic, _)| topic.clone()).collect();
                output.frames.push(PeerFrame {
                    protocol: -protocol::TOPIC,
                    packet: packet::TOPICS,
                    seq: frame.seq,
                    body: TopicList {
                        seq: topic_seq,
                        topics,
                    }
                    .encode(),
                });
                TopicUpdate::Nothing
            }
            (p, packet::TOPICS) if p == -protocol::TOPIC => {
                match self.requested {
                    Some((seq, until)) if seq == frame.seq && now < until => self.requested = None,
                    _ => return output.ignored(peer, "a topic list nobody asked for"),
                }
                match TopicList::parse(&frame.body, limits.peer_topics) {
                    Ok(list) => {
                        self.known_seq = list.seq;
                        if self.is_ours() {
                            return TopicUpdate::Nothing;
                        }
                        TopicUpdate::Replace(list.topics.into_iter().collect())
                    }
                    Err(TopicListError::TooMany { max }) => {
                        TopicUpdate::Close(PeerCloseReason::TooManyTopics { max })
                    }
                    Err(TopicListError::BadNumber) => {
                        output.ignored(peer, "a malformed topic list")
                    }
                }
            }
            (protocol::EXTENSION, packet::COUNTS) if self.is_ours() => {
                // Not more at once than may be held, with room for removals.
                match decode_counts(frame.body.clone(), limits.peer_topics.saturating_mul(2)) {
                    Ok(counts) => {
                        output.frames.push(PeerFrame {
                            protocol: -protocol::EXTENSION,
                            packet: packet::COUNTS,
                            seq: frame.seq,
                            body: Bytes::new(),
                        });
                        TopicUpdate::Counts(counts)
                    }
                    Err(CountsError::TooMany { max }) => {
                        TopicUpdate::Close(PeerCloseReason::TooManyTopics { max })
                    }
                    Err(CountsError::Truncated) => {
                        output.ignored(peer, "malformed subscriber counts")
                    }
                }
            }
            (p, packet::COUNTS) if p == -protocol::EXTENSION => {
                let behind = (self.sent as u32).wrapping_sub(frame.seq);
                let version = self.sent.saturating_sub(u64::from(behind));
                self.acknowledged = self.acknowledged.max(version);
                TopicUpdate::Acknowledged
            }
            // Unknown protocols are dropped without a word (p2p-v2 section 5).
            _ => TopicUpdate::Nothing,
        }
    }
}

/// What a peer link needs to know of its node.
#[derive(Debug)]
pub(super) struct NodeTopics<'a, I> {
    pub(super) topic_seq: u32,
    pub(super) local: I,
    pub(super) limits: &'a Limits,
    pub(super) timeouts: &'a Timeouts,
}

pub(super) fn topic_seq_frame(topic_seq: u32) -> PeerFrame {
    PeerFrame {
        protocol: protocol::TOPIC,
        packet: packet::TOPIC_SEQ,
        seq: 0,
        body: topic_seq.to_string().into(),
    }
}
