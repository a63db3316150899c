//! The order in which frames are written to the link to another node.
//!
//! Packets about the network go first. Messages take turns by their origin: first agencies, then
//! the keys of each, then the sessions or nodes of each key, then the flows of each sender. Turns
//! are deficit round robin in bytes, and a sender that was quiet and has something short is next
//! (as in FQ-CoDel, RFC 8290): it waits only for the batch that is being written and for other such
//! senders, however much the rest have queued. The messages of one flow keep their order.

use std::{collections::VecDeque, hash::Hash};

use super::{PeerId, SessionId};
use crate::{
    channel::{HEADER_LEN, topic_end},
    hash::HashMap,
    p2p::{Cutting, FRAGMENT, MAX_OPEN, PeerMessage, mesh::RoutingKey},
};

/// The amount that one sender may send in one turn, in bytes.
const TURN: isize = FRAGMENT as isize;

/// The length up to which a message of a quiet sender goes before the others, in bytes.
const SHORT: usize = 16 * 1024;

/// About how many bytes a writer gets at once.
const BATCH: usize = 128 * 1024;

/// After this many bytes of control packets in one batch, messages get their turn as well.
const CONTROL: usize = 256 * 1024;

/// The lane in which a frame takes its turn on the link to another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Packets in which nodes tell about themselves and the network: they go first.
    Control,
    /// Messages.
    Messages {
        /// The sender that this node got the message from.
        from: Sender,
        /// Tells the flows of one sender apart. Each flow keeps its order.
        flow: u64,
    },
}

/// The sender that a node got a message from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sender {
    /// A session of this node.
    Session(SessionId),
    /// A neighbour.
    Peer(PeerId),
    /// Another overlay node, through any neighbour.
    Node(RoutingKey),
}

/// The number of flows of one sender. A neighbour's messages are put into flows by what it writes
/// into them, so the number of flows must have a limit.
const FLOWS: u64 = 1024;

/// The group that a sender belongs to: all senders of an agency share one turn, and within it all
/// senders of one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Group {
    /// A number for the agency.
    pub agency: u64,
    /// A number for the key.
    pub key: u64,
}

impl Lane {
    /// Returns the lane of a session's messages.
    pub fn session(session: SessionId) -> Self {
        Self::Messages {
            from: Sender::Session(session),
            flow: 0,
        }
    }

    /// Returns the lane of a message that a neighbour relayed, by its source and its topic: this
    /// node does not know which session sent it, and the messages of one session on one topic must
    /// keep their order. `frame` is the channel frame.
    pub fn relayed(from: PeerId, source: RoutingKey, frame: &[u8]) -> Self {
        Self::Messages {
            from: Sender::Peer(from),
            flow: (source.0 ^ topic_hash(frame)) % FLOWS,
        }
    }

    /// Returns the lane of another node's messages.
    pub fn node(source: RoutingKey) -> Self {
        Self::Messages {
            from: Sender::Node(source),
            flow: 0,
        }
    }

    /// Returns the lane of the messages of a peer that is not an overlay node.
    pub fn peer(peer: PeerId) -> Self {
        Self::Messages {
            from: Sender::Peer(peer),
            flow: 0,
        }
    }
}

/// Returns the FNV-1a hash of the topic of a channel frame; 0 if it has no topic.
fn topic_hash(frame: &[u8]) -> u64 {
    let body = frame.get(HEADER_LEN..).unwrap_or_default();
    let topic = topic_end(body).map_or(&[][..], |end| &body[1..end]);
    topic.iter().fold(0, |hash, &byte| {
        (hash ^ 0xcbf2_9ce4_8422_2325 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The next thing to write to another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The lane whose turn it took.
    pub lane: Lane,
    /// A whole frame, or a fragment of one.
    pub message: PeerMessage,
    /// How many bytes of the queued length this piece is. For all pieces of a frame together this
    /// is the frame's own length, without the bytes that cutting adds.
    pub counts: usize,
}

impl Piece {
    fn whole(lane: Lane, message: PeerMessage) -> Self {
        let counts = message.wire_len();
        Self {
            lane,
            message,
            counts,
        }
    }
}

/// The messages of an agency: its certificate keys take turns, then their senders, then flows.
type ByKey = Rounds<u64, Rounds<Sender, Rounds<u64, Flow>>>;

/// The frames that wait to be written to another node.
#[derive(Debug, Default)]
pub struct LinkQueue {
    control: Flow,
    /// Messages in the order they came, while there are few.
    ready: VecDeque<Piece>,
    ready_len: usize,
    /// The messages behind those in `ready`.
    waiting: Rounds<u64, ByKey>,
    cuts: Cuts,
}

/// The state that cutting frames needs.
#[derive(Debug, Default)]
struct Cuts {
    /// Whether the node at the other end reassembles fragments.
    allowed: bool,
    /// The number of the next frame that is cut.
    next: u32,
    open: usize,
}

impl LinkQueue {
    /// Allows cutting long frames, because the node at the other end reassembles fragments.
    pub fn allow_fragments(&mut self) {
        self.cuts.allowed = true;
    }

    /// Queues a frame; every sender counts as an agency of its own.
    pub fn push(&mut self, lane: Lane, message: PeerMessage) {
        self.push_of(lane, message, |sender| {
            let agency = match sender {
                Sender::Session(SessionId(number)) => number.rotate_left(2),
                Sender::Peer(PeerId(number)) => number.rotate_left(2) ^ 1,
                Sender::Node(RoutingKey(number)) => number.rotate_left(2) ^ 2,
            };
            Group { agency, key: 0 }
        });
    }

    /// Queues a frame. `group` returns the group of a sender; it is called only if other frames
    /// wait.
    pub fn push_of(
        &mut self,
        lane: Lane,
        message: PeerMessage,
        group: impl FnOnce(Sender) -> Group,
    ) {
        let Lane::Messages { from, flow } = lane else {
            return self.control.waiting.push_back((lane, message));
        };
        let len = message.wire_len();
        // One batch is written in the order of arrival. A frame that is not cut is no longer than
        // one batch.
        if self.waiting.is_empty()
            && self.ready_len + len <= BATCH
            && message.body_len() <= FRAGMENT
        {
            self.ready_len += len;
            return self.ready.push_back(Piece::whole(lane, message));
        }
        let short = len <= SHORT;
        let Group { agency, key } = group(from);
        let senders = self.waiting.of(agency, short).of(key, short);
        let flows = senders.of(from, short);
        flows.of(flow, short).waiting.push_back((lane, message));
    }

    /// Gives memory back when nothing waits and probably nothing will for a long time.
    pub fn rest(&mut self) {
        self.ready.shrink_to(0);
    }

    /// Makes room for about this many frames that can be written at once.
    pub fn expect(&mut self, frames: usize) {
        self.ready.reserve(frames);
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.control.is_empty() && self.ready.is_empty() && self.waiting.is_empty()
    }

    /// Takes the next frames to write: about 128 KiB, or one frame that is longer and cannot be
    /// cut; nothing if nothing waits.
    pub fn take(&mut self) -> VecDeque<Piece> {
        self.take_into(VecDeque::new())
    }

    /// Like [`take`](Self::take), but reuses the memory of `batch`: for callers that take often.
    pub fn take_into(&mut self, mut batch: VecDeque<Piece>) -> VecDeque<Piece> {
        self.ready_len = 0;
        batch.clear();
        let mut len = 0;
        while len < CONTROL
            && let Some(piece) = self.control.next(&mut self.cuts)
        {
            len += piece.counts;
            batch.push_back(piece);
        }
        if batch.is_empty() {
            std::mem::swap(&mut batch, &mut self.ready);
        } else {
            batch.append(&mut self.ready);
        }
        if self.waiting.is_empty() {
            return batch;
        }
        len = batch.iter().map(|piece| piece.counts).sum();
        // Waiting messages have their turn in every batch, however many control packets there are.
        loop {
            let Some(piece) = self.waiting.next(&mut self.cuts) else {
                return batch;
            };
            len += piece.counts;
            batch.push_back(piece);
            if len >= BATCH {
                return batch;
            }
        }
    }
}

/// A source of pieces. It returns `None` only if it is empty.
trait PieceSource {
    fn next(&mut self, cuts: &mut Cuts) -> Option<Piece>;
}

/// Messages that keep their order.
#[derive(Debug, Default)]
struct Flow {
    /// A frame that has been sent in part; it comes before those that wait.
    cut: Option<(Lane, Cutting)>,
    waiting: VecDeque<(Lane, PeerMessage)>,
}

impl Flow {
    fn is_empty(&self) -> bool {
        self.cut.is_none() && self.waiting.is_empty()
    }
}

impl PieceSource for Flow {
    fn next(&mut self, cuts: &mut Cuts) -> Option<Piece> {
        if self.cut.is_none() {
            let (lane, message) = self.waiting.pop_front()?;
            if !cuts.allowed || message.body_len() <= FRAGMENT || cuts.open >= MAX_OPEN {
                return Some(Piece::whole(lane, message));
            }
            self.cut = Some((lane, Cutting::new(cuts.next, message)));
            cuts.next = cuts.next.wrapping_add(1);
            cuts.open += 1;
        }
        let (lane, cutting) = self.cut.as_mut()?;
        let lane = *lane;
        let (message, counts, last) = cutting.next();
        if last {
            self.cut = None;
            cuts.open -= 1;
        }
        Some(Piece {
            lane,
            message,
            counts,
        })
    }
}

/// Sources that take turns.
#[derive(Debug)]
struct Rounds<K, S> {
    turns: HashMap<K, LaneTurn<S>>,
    /// Sources that were quiet before and have something short; they are first.
    fresh: VecDeque<K>,
    /// The other sources, and those that were fresh and are now empty: a source is fresh only once
    /// in a round.
    round: VecDeque<K>,
}

#[derive(Debug)]
struct LaneTurn<S> {
    source: S,
    /// The bytes that may still be sent before the next turn; negative after a long frame.
    credit: isize,
}

impl<K, S> Default for Rounds<K, S> {
    fn default() -> Self {
        Self {
            turns: HashMap::default(),
            fresh: VecDeque::new(),
            round: VecDeque::new(),
        }
    }
}

impl<K: Copy + Eq + Hash, S: PieceSource + Default> Rounds<K, S> {
    /// Returns whether no source has anything to send or had anything in this round.
    fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Returns a source. A new source comes before the others if its first frame is short.
    fn of(&mut self, key: K, short: bool) -> &mut S {
        let turn = self.turns.entry(key).or_insert_with(|| {
            let list = if short {
                &mut self.fresh
            } else {
                &mut self.round
            };
            list.push_back(key);
            LaneTurn {
                source: S::default(),
                credit: TURN,
            }
        });
        &mut turn.source
    }
}

impl<K: Copy + Eq + Hash, S: PieceSource + Default> PieceSource for Rounds<K, S> {
    fn next(&mut self, cuts: &mut Cuts) -> Option<Piece> {
        loop {
            let fresh = !self.fresh.is_empty();
            let list = if fresh {
                &mut self.fresh
            } else {
                &mut self.round
            };
            let &key = list.front()?;
            let Some(turn) = self.turns.get_mut(&key) else {
                list.pop_front();
                continue;
            };
            if turn.credit <= 0 {
                turn.credit += TURN;
                list.pop_front();
                self.round.push_back(key);
                continue;
            }
            if let Some(piece) = turn.source.next(cuts) {
                turn.credit -= piece.counts as isize;
                return Some(piece);
            }
            list.pop_front();
            if fresh && !self.round.is_empty() {
                self.round.push_back(key);
            } else {
                self.turns.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
