//! The link to one other node: topic synchronisation and its timers (p2p-v2 section 6).

use std::{
    collections::BTreeSet,
    ops::Bound,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    PeerCloseReason, PeerIdentity, Timeouts, after,
    mesh::{Bucket, extension},
    peer_input::PeerInput,
};
use crate::p2p::{
    PeerFrame, TopicListError,
    mesh::{self, common_version, encode_hello},
    packet, parse_topic_seq, protocol,
};

/// A FISCO node may have so much of topic lists at once, and then 4 MiB a second: so many bytes are one
/// token, and each question is one.
const LIST_BYTES: usize = 16 * 1024;
const ANSWERS: Bucket = Bucket::new(4096, Duration::from_millis(4));

/// Its own list is asked for as often as it changes, until that is half a million topics, and then for
/// 10,000 a second: so many are one token, and each list is one. It tells its number again and again.
const LIST_TOPICS: usize = 128;
const QUESTIONS: Bucket = Bucket::new(4096, Duration::from_micros(12_800));

/// A list is asked for unasked no more often than this.
const ASK_PAUSE: Duration = Duration::from_secs(1);

/// One connection to another node, from TLS to its end.
#[derive(Debug, Clone)]
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
    /// When its list may be asked for again without its having told of a change.
    ask_at: Instant,
    /// How often its list may be asked for, and how many topics that had last.
    questions: (Bucket, usize),
    /// How often it may ask for this node's list, and how long that was last.
    answers: (Bucket, usize),
    /// The topics it may ask for, if it takes part in the network of ours.
    pub(super) told: BTreeSet<Bytes>,
    kind: Kind,
}

/// Which implementation a peer is.
#[derive(Debug, Clone)]
enum Kind {
    /// Nothing came yet. It is told everything, and leaves out what it does not understand.
    Unknown,
    /// One of ours: it speaks this version of the extension, and needs no topic lists.
    Ours(u8),
    /// A real node, say: it gets sequence numbers and asks for the names.
    Foreign,
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
pub(super) struct Output {
    pub(super) frames: Vec<PeerFrame>,
    /// Something was ignored.
    pub(super) ignored: Option<&'static str>,
    /// It asks for this node's list, with this seq.
    pub(super) question: Option<u32>,
    /// A question was not answered, because there were too many.
    pub(super) asks_too_much: bool,
}

impl Output {
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
            kind: Kind::Unknown,
        }
    }

    /// What to send when the connection is up: first what tells a node of ours that this is one.
    pub(super) fn greeting(topic_seq: u32) -> [PeerFrame; 2] {
        [hello(), topic_seq_frame(topic_seq)]
    }

    /// What to send from time to time, and when to do so next.
    pub(super) fn sign_of_life(
        &mut self,
        now: Instant,
        topic_seq: u32,
        timeouts: &Timeouts,
    ) -> PeerFrame {
        if self.is_ours() {
            self.announce_at = after(now, timeouts.link_ping);
            hello()
        } else {
            self.announce_at = after(now, timeouts.announce);
            topic_seq_frame(topic_seq)
        }
    }

    /// When it has been silent for too long.
    pub(super) fn idle_at(&self, timeouts: &Timeouts) -> Instant {
        let patience = match self.kind {
            Kind::Ours(_) => timeouts.link_idle,
            Kind::Foreign => timeouts.peer_idle,
            // One of ours greets at once, a real node tells its topic number within its interval. A
            // connection of which only this end ever heard must not keep that node's next one out.
            Kind::Unknown => timeouts
                .announce
                .saturating_add(timeouts.link_idle)
                .min(timeouts.peer_idle),
        };
        after(self.heard, patience)
    }

    /// When something is to be done about it next: to show a sign of life, or to give it up.
    pub(super) fn due_at(&self, timeouts: &Timeouts) -> Instant {
        self.announce_at.min(self.idle_at(timeouts))
    }

    /// A frame came. The first one tells which implementation the peer is: ours say hello. Returns
    /// whether that has just become known.
    pub(super) fn heard(&mut self, now: Instant, frame: &PeerFrame, timeouts: &Timeouts) -> bool {
        self.heard = now;
        if !matches!(self.kind, Kind::Unknown) {
            return false;
        }
        let greets = (frame.protocol, frame.packet) == (protocol::EXTENSION, mesh::packet::HELLO);
        let version = greets.then(|| common_version(&frame.body)).flatten();
        match version {
            Some(version) => self.recognise(now, version, timeouts),
            // One that speaks no version of ours is as good as a FISCO node.
            None => self.kind = Kind::Foreign,
        }
        true
    }

    /// It is none of ours: something else came first than a greeting. Returns whether that has just
    /// become known.
    pub(super) fn heard_no_greeting(&mut self, now: Instant) -> bool {
        self.heard = now;
        let unknown = self.is_unknown();
        if unknown {
            self.kind = Kind::Foreign;
        }
        unknown
    }

    /// It is one of ours, and this version is spoken with it.
    pub(super) fn recognise(&mut self, now: Instant, version: u8, timeouts: &Timeouts) {
        self.kind = Kind::Ours(version);
        self.announce_at = after(now, timeouts.link_ping);
    }

    /// Whether nothing has come yet, so that it may be one of ours or not.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.kind, Kind::Unknown)
    }

    /// Whether it is known not to be one of ours.
    pub(super) fn is_foreign(&self) -> bool {
        matches!(self.kind, Kind::Foreign)
    }

    pub(super) fn is_ours(&self) -> bool {
        self.version().is_some()
    }

    /// The version of the extension that is spoken with it, if it is one of ours.
    pub(super) fn version(&self) -> Option<u8> {
        match self.kind {
            Kind::Ours(version) => Some(version),
            Kind::Unknown | Kind::Foreign => None,
        }
    }

    /// It was sent this node's list, which is so long.
    pub(super) fn was_told(&mut self, len: usize) {
        self.answers.1 = len;
    }

    /// The topics it may ask for behind one in byte order, or all, if it takes part.
    pub(super) fn told_after(&self, after: Option<&Bytes>) -> impl Iterator<Item = &Bytes> {
        let start = match after {
            Some(after) => Bound::Excluded(after),
            None => Bound::Unbounded,
        };
        self.told.range::<Bytes, _>((start, Bound::Unbounded))
    }

    /// The question for its list, if it is a FISCO node and has not been asked for it in the last second.
    pub(super) fn ask(&mut self, now: Instant, timeouts: &Timeouts) -> Option<PeerFrame> {
        if !self.is_foreign() || now < self.ask_at || self.is_asked(now) || !self.may_ask(now) {
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

    /// Whether it is time to ask for its list.
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
        output: &mut Output,
    ) -> TopicUpdate {
        let frame = &input.frame;
        match (frame.protocol, frame.packet) {
            (protocol::TOPIC, packet::TOPIC_SEQ) => {
                let Ok(seq) = parse_topic_seq(&frame.body) else {
                    return output.ignored("a topic sequence number that is none");
                };
                let wanted = seq != self.known_seq && !self.is_ours() && !self.is_asked(now);
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
                    _ => return output.ignored("a topic list nobody asked for"),
                }
                // Whoever runs the machine has to have it read.
                match input.topics.unwrap_or(Err(TopicListError::BadNumber)) {
                    Ok(list) => {
                        self.known_seq = list.seq;
                        self.questions.1 = list.topics.len();
                        if self.is_ours() {
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
            // Unknown protocols are dropped without a word (p2p-v2 section 5).
            _ => TopicUpdate::Nothing,
        }
    }
}

/// What something costs that is so long: never more than a bucket holds.
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
