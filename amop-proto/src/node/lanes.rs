//! Whose turn it is on the link to another node.
//!
//! What a node says about the network goes first. Messages take turns by who sent them: first
//! agencies, then the keys of each, then the sessions or nodes of each key, then the flows of a sender. Turns are deficit round robin in bytes,
//! and a sender that has been quiet and has something short is next (as in FQ-CoDel, RFC 8290): it waits for what
//! is being written and for others like it, however much the rest have queued. The messages of one flow keep their order.

use std::{collections::VecDeque, hash::Hash};

use super::{PeerId, SessionId};
use crate::{
    channel::{HEADER_LEN, topic_end},
    hash::HashMap,
    p2p::{Cutting, FRAGMENT, MAX_OPEN, PeerMessage, mesh::NodeKey},
};

/// What one sender may send in one turn, in bytes.
const TURN: isize = FRAGMENT as isize;

/// Whoever was quiet need not wait for his turn with a message up to this length, in bytes.
const SHORT: usize = 16 * 1024;

/// A writer is given about this many bytes at once.
const BATCH: usize = 128 * 1024;

/// After so many bytes of a node's own packets in one batch messages get their turn, too.
const CONTROL: usize = 256 * 1024;

/// Whose turn a frame takes on the link to another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// What nodes say to each other about themselves: it goes first.
    Control,
    /// Messages.
    Messages {
        /// Who this node got it from.
        from: Sender,
        /// Tells the flows of one sender apart. Each keeps its order.
        flow: u64,
    },
}

/// Who a node got a message from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sender {
    /// A session of its own.
    Session(SessionId),
    /// A neighbour.
    Peer(PeerId),
    /// Another node of the network, whichever neighbour brought it.
    Node(NodeKey),
}

/// Flows of one sender. Messages that a neighbour brings are told apart by what it says of them, so that
/// there must not be as many as it likes.
const FLOWS: u64 = 1024;

/// Whose a sender is: all of an agency have one turn among others, and within it all of one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Group {
    /// Names the agency.
    pub agency: u64,
    /// Names the key.
    pub key: u64,
}

impl Lane {
    /// The lane of what a session sends.
    pub fn session(session: SessionId) -> Self {
        Self::Messages {
            from: Sender::Session(session),
            flow: 0,
        }
    }

    /// The lane of what came from a neighbour, by who sent it into the network and by its topic: which
    /// session it came from is not known here, and what one session sends on one topic keeps its order.
    /// `frame` is the channel frame.
    pub fn relayed(from: PeerId, source: NodeKey, frame: &[u8]) -> Self {
        Self::Messages {
            from: Sender::Peer(from),
            flow: (source.0 ^ topic_hash(frame)) % FLOWS,
        }
    }

    /// The lane of what another node sent.
    pub fn node(source: NodeKey) -> Self {
        Self::Messages {
            from: Sender::Node(source),
            flow: 0,
        }
    }

    /// The lane of what a neighbour that is no overlay node sent.
    pub fn peer(peer: PeerId) -> Self {
        Self::Messages {
            from: Sender::Peer(peer),
            flow: 0,
        }
    }
}

/// FNV-1a of the topic of a channel frame; 0 if there is none.
fn topic_hash(frame: &[u8]) -> u64 {
    let body = frame.get(HEADER_LEN..).unwrap_or_default();
    let topic = topic_end(body).map_or(&[][..], |end| &body[1..end]);
    topic.iter().fold(0, |hash, &byte| {
        (hash ^ 0xcbf2_9ce4_8422_2325 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What is to be written next to another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Whose turn it took.
    pub lane: Lane,
    /// A whole frame, or a fragment of one.
    pub message: PeerMessage,
    /// How much of the length of what was queued this is, in bytes. Of all pieces of a frame together it
    /// is the frame's own length, without what cutting adds.
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

/// What waits to be written to another node.
#[derive(Debug, Default)]
pub struct LinkQueue {
    control: Flow,
    /// Messages in the order they came, while there are few.
    ready: VecDeque<Piece>,
    ready_len: usize,
    /// Those behind them.
    waiting: Rounds<u64, ByKey>,
    cuts: Cuts,
}

/// What the cutting of frames needs to know.
#[derive(Debug, Default)]
struct Cuts {
    /// The node at the other end puts fragments together.
    allowed: bool,
    /// Names the next frame.
    next: u32,
    open: usize,
}

impl LinkQueue {
    /// The node at the other end puts fragments together: long frames are cut from now on.
    pub fn allow_fragments(&mut self) {
        self.cuts.allowed = true;
    }

    /// Queues a frame, where every sender is one of its own agency.
    pub fn push(&mut self, lane: Lane, message: PeerMessage) {
        self.push_of(lane, message, |sender| {
            let agency = match sender {
                Sender::Session(SessionId(number)) => number.rotate_left(2),
                Sender::Peer(PeerId(number)) => number.rotate_left(2) ^ 1,
                Sender::Node(NodeKey(number)) => number.rotate_left(2) ^ 2,
            };
            Group { agency, key: 0 }
        });
    }

    /// Queues a frame. `group` says whose a sender is; it is asked only where others wait.
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
        // The order of coming does for a batch. A frame that is written whole is no longer than one.
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

    /// Nothing waits, and nothing may for long: gives memory back.
    pub fn rest(&mut self) {
        self.ready.shrink_to(0);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.control.is_empty() && self.ready.is_empty() && self.waiting.is_empty()
    }

    /// Takes what is to be written next, about 128 KiB of it, or one frame that is longer and cannot be
    /// cut; nothing if nothing waits.
    pub fn take(&mut self) -> VecDeque<Piece> {
        self.take_into(VecDeque::new())
    }

    /// As [`take`](Self::take), with the memory of an empty queue: for owners that take again and again.
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
        // What waits has its turn in every batch, whatever there is of control packets.
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

/// Something pieces come from. It says that it has none only if it is empty.
trait Source {
    fn next(&mut self, cuts: &mut Cuts) -> Option<Piece>;
}

/// Messages that keep their order.
#[derive(Debug, Default)]
struct Flow {
    /// The one before those that wait, of which a part has left.
    cut: Option<(Lane, Cutting)>,
    waiting: VecDeque<(Lane, PeerMessage)>,
}

impl Flow {
    fn is_empty(&self) -> bool {
        self.cut.is_none() && self.waiting.is_empty()
    }
}

impl Source for Flow {
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
    turns: HashMap<K, Turn<S>>,
    /// Those that were quiet before and have something short; they are first.
    fresh: VecDeque<K>,
    /// The others, and those that were fresh and are empty: nobody is fresh twice in one round.
    round: VecDeque<K>,
}

#[derive(Debug)]
struct Turn<S> {
    source: S,
    /// What may still be sent before the next turn, in bytes; less than nothing after a long frame.
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

impl<K: Copy + Eq + Hash, S: Source + Default> Rounds<K, S> {
    /// Whether nobody has anything to send, nor had in this round.
    fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// A source. If it had nothing its turn comes before that of others, if what it has now is short.
    fn of(&mut self, key: K, short: bool) -> &mut S {
        let turn = self.turns.entry(key).or_insert_with(|| {
            let list = if short {
                &mut self.fresh
            } else {
                &mut self.round
            };
            list.push_back(key);
            Turn {
                source: S::default(),
                credit: TURN,
            }
        });
        &mut turn.source
    }
}

impl<K: Copy + Eq + Hash, S: Source + Default> Source for Rounds<K, S> {
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
