//! The link to one other node: topic synchronisation and its timers (p2p-v2 section 6).

use std::{
    collections::BTreeSet,
    ops::Bound,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    PeerCloseReason, PeerIdentity, Timeouts, after,
    mesh::{TokenBucket, extension},
    peer_input::PeerInput,
};
use crate::p2p::{
    PeerFrame, TopicListError,
    mesh::{self, common_version, encode_hello},
    packet, parse_topic_seq, protocol,
};

/// The rate at which a FISCO node gets topic lists: a burst, and then 4 MiB a second. Each question
/// costs one token, and one more for this many bytes.
const LIST_BYTES: usize = 16 * 1024;
const ANSWERS: TokenBucket = TokenBucket::new(4096, Duration::from_millis(4));

/// The rate at which a peer's list is asked for: at each change, up to half a million topics, and
/// then 10,000 topics a second. Each question costs one token, and one more for this many topics.
/// The peer announces its sequence number repeatedly, so a missed change is fetched later.
const LIST_TOPICS: usize = 128;
const QUESTIONS: TokenBucket = TokenBucket::new(4096, Duration::from_micros(12_800));

/// The shortest time between two requests for a list that the peer has not announced.
const ASK_PAUSE: Duration = Duration::from_secs(1);

/// One connection to another node, from TLS to its end.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) identity: PeerIdentity,
    /// Whether this node dialled the peer.
    pub(super) dialled: bool,
    /// When the connection was made.
    pub(super) since: Instant,
    /// When the last frame came.
    pub(super) heard: Instant,
    /// When to announce the topic sequence number next.
    pub(super) announce_at: Instant,
    /// The topic sequence number whose list was fetched.
    known_seq: u32,
    /// The seq of a RequestTopics that waits for its answer, and until when.
    requested: Option<(u32, Instant)>,
    /// The seq of the next RequestTopics.
    next_seq: u32,
    /// When its list may be asked for again without an announced change.
    ask_at: Instant,
    /// Limits how often the peer's list is asked for, with the number of topics in the last one.
    questions: (TokenBucket, usize),
    /// Limits how often the peer may ask for this node's list, with the length of the last one.
    answers: (TokenBucket, usize),
    /// The topics it may ask for, if it is a FISCO node that takes part in the overlay.
    pub(super) told: BTreeSet<Bytes>,
    kind: PeerKind,
}

/// Which implementation a peer is.
#[derive(Debug, Clone)]
enum PeerKind {
    /// Nothing has come yet. The peer is sent the packets of both kinds, and ignores those it does
    /// not understand.
    Unknown,
    /// An overlay node: it speaks this version of the extension, and needs no topic lists.
    Overlay(u8),
    /// Another node, usually a FISCO node: it gets sequence numbers and asks for the names.
    Fisco,
}

/// What a topic packet changes.
#[derive(Debug)]
pub(super) enum TopicUpdate {
    Nothing,
    /// The whole new set.
    Replace(BTreeSet<Bytes>),
    Close(PeerCloseReason),
}

/// Frames to send and things to log.
#[derive(Debug, Default)]
pub(super) struct PeerOutput {
    pub(super) frames: Vec<PeerFrame>,
    /// What was ignored.
    pub(super) ignored: Option<&'static str>,
    /// The peer asks for this node's list, with this seq.
    pub(super) question: Option<u32>,
    /// A question was not answered, because there were too many.
    pub(super) asks_too_much: bool,
}

impl PeerOutput {
    fn ignored(&mut self, what: &'static str) -> TopicUpdate {
        self.ignored = Some(what);
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
            announce_at: after(now, timeouts.announce),
            known_seq: 0,
            requested: None,
            next_seq: 1,
            ask_at: now,
            questions: (QUESTIONS, 0),
            answers: (ANSWERS, 0),
            told: BTreeSet::new(),
            kind: PeerKind::Unknown,
        }
    }

    /// Returns the frames to send when the connection is up. The first one tells an overlay node
    /// that this is one as well.
    pub(super) fn greeting(topic_seq: u32) -> [PeerFrame; 2] {
        [hello(), topic_seq_frame(topic_seq)]
    }

    /// Returns the next keepalive frame, and sets when the following one is due.
    pub(super) fn sign_of_life(
        &mut self,
        now: Instant,
        topic_seq: u32,
        timeouts: &Timeouts,
    ) -> PeerFrame {
        if self.is_overlay() {
            self.announce_at = after(now, timeouts.link_ping);
            hello()
        } else {
            self.announce_at = after(now, timeouts.announce);
            topic_seq_frame(topic_seq)
        }
    }

    /// Returns when the peer counts as silent for too long.
    pub(super) fn idle_at(&self, timeouts: &Timeouts) -> Instant {
        let patience = match self.kind {
            PeerKind::Overlay(_) => timeouts.link_idle,
            PeerKind::Fisco => timeouts.peer_idle,
            // An overlay node greets at once; a FISCO node announces its topic number within its
            // interval. A connection that only this end knows of must not keep out that node's next
            // connection.
            PeerKind::Unknown => timeouts
                .announce
                .saturating_add(timeouts.link_idle)
                .min(timeouts.peer_idle),
        };
        after(self.heard, patience)
    }

    /// Returns when something must be done about the peer: send a keepalive, or close it.
    pub(super) fn due_at(&self, timeouts: &Timeouts) -> Instant {
        self.announce_at.min(self.idle_at(timeouts))
    }

    /// Records that a frame came. The first frame shows which implementation the peer is: overlay
    /// nodes say hello. Returns whether this has just become known.
    pub(super) fn heard(&mut self, now: Instant, frame: &PeerFrame, timeouts: &Timeouts) -> bool {
        self.heard = now;
        if !matches!(self.kind, PeerKind::Unknown) {
            return false;
        }
        let greets = (frame.protocol, frame.packet) == (protocol::EXTENSION, mesh::packet::HELLO);
        let version = greets.then(|| common_version(&frame.body)).flatten();
        match version {
            Some(version) => self.recognise(now, version, timeouts),
            // A node that shares no version of the extension is treated as a FISCO node.
            None => self.kind = PeerKind::Fisco,
        }
        true
    }

    /// Records that another frame came before a greeting, so that the peer is not an overlay node.
    /// Returns whether this has just become known.
    pub(super) fn heard_no_greeting(&mut self, now: Instant) -> bool {
        self.heard = now;
        let unknown = self.is_unknown();
        if unknown {
            self.kind = PeerKind::Fisco;
        }
        unknown
    }

    /// Records that the peer is an overlay node, and which version is spoken with it.
    pub(super) fn recognise(&mut self, now: Instant, version: u8, timeouts: &Timeouts) {
        self.kind = PeerKind::Overlay(version);
        self.announce_at = after(now, timeouts.link_ping);
    }

    /// Returns whether nothing has come yet, so that the kind of node is unknown.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.kind, PeerKind::Unknown)
    }

    /// Returns whether the peer is known not to be an overlay node.
    pub(super) fn is_fisco(&self) -> bool {
        matches!(self.kind, PeerKind::Fisco)
    }

    pub(super) fn is_overlay(&self) -> bool {
        self.version().is_some()
    }

    /// Returns the version of the extension that is spoken with the peer, if it is an overlay node.
    pub(super) fn version(&self) -> Option<u8> {
        match self.kind {
            PeerKind::Overlay(version) => Some(version),
            PeerKind::Unknown | PeerKind::Fisco => None,
        }
    }

    /// Records that the peer was sent this node's list, of `len` bytes.
    pub(super) fn was_told(&mut self, len: usize) {
        self.answers.1 = len;
    }

    /// Returns the topics that a participating FISCO node may ask for, in byte order: those after
    /// `after`, or all.
    pub(super) fn told_after(&self, after: Option<&Bytes>) -> impl Iterator<Item = &Bytes> {
        let start = match after {
            Some(after) => Bound::Excluded(after),
            None => Bound::Unbounded,
        };
        self.told.range::<Bytes, _>((start, Bound::Unbounded))
    }

    /// Returns a request for the peer's list, if the peer is a FISCO node that was not asked in the
    /// last second.
    pub(super) fn ask(&mut self, now: Instant, timeouts: &Timeouts) -> Option<PeerFrame> {
        if !self.is_fisco() || now < self.ask_at || self.is_asked(now) || !self.may_ask(now) {
            return None;
        }
        self.ask_at = after(now, ASK_PAUSE);
        Some(self.request(now, timeouts))
    }

    fn is_asked(&self, now: Instant) -> bool {
        self.requested.is_some_and(|(_, until)| now < until)
    }

    fn request(&mut self, now: Instant, timeouts: &Timeouts) -> PeerFrame {
        let seq = self.next_seq;
        self.next_seq = self.next_seq.wrapping_add(1);
        self.requested = Some((seq, after(now, timeouts.topic_list)));
        PeerFrame {
            protocol: protocol::TOPIC,
            packet: packet::REQUEST_TOPICS,
            seq,
            body: Bytes::new(),
        }
    }

    /// Returns whether the list may be asked for now.
    fn may_ask(&mut self, now: Instant) -> bool {
        let (questions, topics) = &mut self.questions;
        questions.take(now, tokens(*topics / LIST_TOPICS))
    }

    /// Handles a topic packet.
    pub(super) fn topic_packet(
        &mut self,
        now: Instant,
        input: PeerInput,
        timeouts: &Timeouts,
        output: &mut PeerOutput,
    ) -> TopicUpdate {
        let frame = &input.frame;
        match (frame.protocol, frame.packet) {
            (protocol::TOPIC, packet::TOPIC_SEQ) => {
                let Ok(seq) = parse_topic_seq(&frame.body) else {
                    return output.ignored("a malformed topic sequence number");
                };
                let wanted = seq != self.known_seq && !self.is_overlay() && !self.is_asked(now);
                if wanted && self.may_ask(now) {
                    output.frames.push(self.request(now, timeouts));
                }
                TopicUpdate::Nothing
            }
            (protocol::TOPIC, packet::REQUEST_TOPICS) => {
                let (answers, len) = &mut self.answers;
                if !answers.take(now, tokens(*len / LIST_BYTES)) {
                    output.asks_too_much = true;
                    return TopicUpdate::Nothing;
                }
                output.question = Some(frame.seq);
                TopicUpdate::Nothing
            }
            (p, packet::TOPICS) if p == -protocol::TOPIC => {
                match self.requested {
                    Some((seq, until)) if seq == frame.seq && now < until => self.requested = None,
                    _ => return output.ignored("a topic list that this node did not ask for"),
                }
                // The caller of the machine must have the list read first.
                match input.topics.unwrap_or(Err(TopicListError::BadNumber)) {
                    Ok(list) => {
                        self.known_seq = list.seq;
                        self.questions.1 = list.topics.len();
                        if self.is_overlay() {
                            return TopicUpdate::Nothing;
                        }
                        TopicUpdate::Replace(list.topics)
                    }
                    Err(TopicListError::TooMany { max }) => {
                        TopicUpdate::Close(PeerCloseReason::TooManyTopics { max })
                    }
                    Err(TopicListError::BadNumber) => output.ignored("a malformed topic list"),
                }
            }
            // Unknown protocols are silently dropped (p2p-v2 section 5).
            _ => TopicUpdate::Nothing,
        }
    }
}

/// Returns the tokens for something of this length: never more than a bucket holds.
fn tokens(len: usize) -> u32 {
    1 + len.min(4000) as u32
}

pub(super) fn topic_seq_frame(topic_seq: u32) -> PeerFrame {
    PeerFrame {
        protocol: protocol::TOPIC,
        packet: packet::TOPIC_SEQ,
        seq: 0,
        body: topic_seq.to_string().into(),
    }
}

fn hello() -> PeerFrame {
    extension(mesh::packet::HELLO, 0, encode_hello())
}
