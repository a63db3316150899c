//! Recognises messages that arrive again, among those taken recently.
//!
//! Some SDKs publish a multicast through every node to which they are connected. Publishers and
//! nodes that lost a connection send a unicast again. In each case the copies have the same seq
//! (channel-v2 section 8). The program gets the message once.

use std::{
    collections::VecDeque,
    hash::BuildHasher,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::attempts::{MAX_CUT_OFFS, SURELY_TAKEN};
use crate::{
    TopicName,
    channel::Seq,
    hash::{HashMap, HashSet},
};

/// The maximum number of return paths remembered for one unicast that waits for its answer.
const MAX_WAITERS: usize = 16;

/// The limits of a [`DedupWindow`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowConfig {
    /// How long a message is remembered after it was answered, or after it arrived as a multicast;
    /// a multicast up to twice as long.
    pub time: Duration,
    /// The maximum number of remembered unicasts, and also of remembered multicasts; of multicasts
    /// at least half as many are remembered.
    pub messages: usize,
    /// The maximum number of bytes of remembered replies. The last reply is kept, however long it
    /// is.
    pub bytes: usize,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(60),
            messages: 65_536,
            bytes: 16 * 1024 * 1024,
        }
    }
}

/// What the window knows about a unicast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnicastArrival {
    /// It is unknown: the program may get it.
    New,
    /// The program has it and has not answered yet. The sender of this copy gets the answer, too.
    Pending,
    /// It was answered; this is the answer.
    Answered {
        /// The result.
        result: i32,
        /// The reply.
        payload: Bytes,
    },
    /// It was answered, but [`MAX_CUT_OFFS`] connections ended after the reply was sent by them: it
    /// is not sent again.
    CutOff {
        /// The reply's length in bytes.
        len: usize,
    },
}

#[derive(Debug)]
enum TakenUnicast<W> {
    Pending {
        waiters: Vec<W>,
        /// When the last further copy arrived.
        again: Option<Instant>,
    },
    Answered {
        result: i32,
        payload: Bytes,
        /// The connections by which a long reply was sent.
        sent: Vec<W>,
        /// The number of connections that may have ended because of the reply.
        cut_offs: u32,
    },
}

type TopicSeq = (TopicName, Seq);

/// The multicasts taken recently. There are many, and they have no answers, so only fingerprints of
/// topic and seq are kept, keyed with the process's own randomness. Two messages among the 65,536
/// of the default share a fingerprint once in 10^14 messages.
///
/// They are forgotten one generation at a time, so that each message costs only one lookup in each
/// of two small tables.
#[derive(Debug, Default)]
struct TakenMulticasts {
    key: foldhash::quality::RandomState,
    current: HashSet<u64>,
    /// The beginning of the current generation; `None` before the first message.
    began: Option<Instant>,
    previous: HashSet<u64>,
}

impl TakenMulticasts {
    fn fingerprint(&self, topic: &TopicName, seq: Seq) -> u64 {
        self.key.hash_one((topic.as_bytes(), seq))
    }

    /// Begins a new generation if the current one is old or full.
    fn turn(&mut self, now: Instant, config: &WindowConfig) {
        let began = *self.began.get_or_insert(now);
        if now >= began + 2 * config.time {
            self.current.clear();
        }
        if now >= began + config.time || self.current.len() >= config.messages.div_ceil(2) {
            std::mem::swap(&mut self.current, &mut self.previous);
            self.current.clear();
            self.began = Some(now);
        }
    }

    fn contains(&self, fingerprint: u64) -> bool {
        self.current.contains(&fingerprint) || self.previous.contains(&fingerprint)
    }
}

/// Messages taken recently, by topic and seq. `W` is the return path to a node.
///
/// Unicasts that wait for an answer are kept until they get it: the program limits their number.
/// Everything else is bounded by [`WindowConfig`]; the oldest entries are forgotten first.
#[derive(Debug)]
pub struct DedupWindow<W> {
    config: WindowConfig,
    multicasts: TakenMulticasts,
    unicasts: HashMap<TopicSeq, TakenUnicast<W>>,
    /// Entries that may be forgotten, oldest first.
    order: VecDeque<(Instant, TopicSeq)>,
    bytes: usize,
    pending: usize,
}

impl<W> DedupWindow<W> {
    /// Creates an empty window.
    pub fn new(config: WindowConfig) -> Self {
        Self {
            config,
            multicasts: TakenMulticasts::default(),
            unicasts: HashMap::default(),
            order: VecDeque::new(),
            bytes: 0,
            pending: 0,
        }
    }

    /// Returns whether this is the first copy of a multicast; if so, it is remembered.
    pub fn multicast(&mut self, topic: &TopicName, seq: Seq, now: Instant) -> bool {
        let multicasts = &mut self.multicasts;
        multicasts.turn(now, &self.config);
        let fingerprint = multicasts.fingerprint(topic, seq);
        !multicasts.previous.contains(&fingerprint) && multicasts.current.insert(fingerprint)
    }

    /// Returns whether a copy of a multicast is remembered.
    pub fn knows_multicast(&mut self, topic: &TopicName, seq: Seq, now: Instant) -> bool {
        self.multicasts.turn(now, &self.config);
        let fingerprint = self.multicasts.fingerprint(topic, seq);
        self.multicasts.contains(fingerprint)
    }

    /// Forgets a multicast that could not be taken, so that it can be sent again.
    pub fn forget_multicast(&mut self, topic: &TopicName, seq: Seq) {
        let fingerprint = self.multicasts.fingerprint(topic, seq);
        self.multicasts.current.remove(&fingerprint);
    }

    /// Looks up a unicast that arrived by `way`.
    pub fn unicast(&mut self, topic: &TopicName, seq: Seq, way: &W, now: Instant) -> UnicastArrival
    where
        W: Clone + PartialEq,
    {
        self.expire(now);
        match self.unicasts.get_mut(&(topic.clone(), seq)) {
            None => UnicastArrival::New,
            Some(TakenUnicast::Pending { waiters, again }) => {
                *again = Some(now);
                if waiters.len() < MAX_WAITERS && !waiters.contains(way) {
                    waiters.push(way.clone());
                }
                UnicastArrival::Pending
            }
            Some(TakenUnicast::Answered {
                result,
                payload,
                sent,
                cut_offs,
            }) => {
                if *cut_offs >= MAX_CUT_OFFS {
                    let len = payload.len();
                    return UnicastArrival::CutOff { len };
                }
                if payload.len() > SURELY_TAKEN && sent.len() < MAX_WAITERS && !sent.contains(way) {
                    sent.push(way.clone());
                }
                UnicastArrival::Answered {
                    result: *result,
                    payload: payload.clone(),
                }
            }
        }
    }

    /// Records that the program got a unicast by `way`, which was [`UnicastArrival::New`].
    pub fn taken(&mut self, topic: &TopicName, seq: Seq, way: W) {
        let key = (topic.clone(), seq);
        let waiters = vec![way];
        if self
            .unicasts
            .insert(
                key,
                TakenUnicast::Pending {
                    waiters,
                    again: None,
                },
            )
            .is_none()
        {
            self.pending += 1;
        }
    }

    /// Returns when the last further copy of a unicast arrived that waits for its answer; `None` if there
    /// was none. From then on, its sender waits anew.
    pub fn last_copy(&self, topic: &TopicName, seq: Seq) -> Option<Instant> {
        match self.unicasts.get(&(topic.clone(), seq)) {
            Some(TakenUnicast::Pending { again, .. }) => *again,
            _ => None,
        }
    }

    /// Records that a unicast was answered. Returns the return paths for the answer.
    pub fn answered(
        &mut self,
        topic: &TopicName,
        seq: Seq,
        (result, payload): (i32, Bytes),
        now: Instant,
    ) -> Vec<W>
    where
        W: Clone,
    {
        let waiters = self.refused(topic, seq);
        let key = (topic.clone(), seq);
        self.bytes += payload.len();
        let sent = if payload.len() > SURELY_TAKEN {
            waiters.clone()
        } else {
            Vec::new()
        };
        let answered = TakenUnicast::Answered {
            result,
            payload,
            sent,
            cut_offs: 0,
        };
        self.unicasts.insert(key.clone(), answered);
        self.remember(key, now);
        waiters
    }

    /// Records that a unicast was given back: it is unknown from here on. Returns the return paths
    /// for the refusal.
    pub fn refused(&mut self, topic: &TopicName, seq: Seq) -> Vec<W> {
        let key = (topic.clone(), seq);
        if !matches!(self.unicasts.get(&key), Some(TakenUnicast::Pending { .. })) {
            return Vec::new();
        }
        self.pending -= 1;
        match self.unicasts.remove(&key) {
            Some(TakenUnicast::Pending { waiters, .. }) => waiters,
            _ => Vec::new(),
        }
    }

    /// Forgets a return path that no longer exists. Unicasts that wait for their answers lose it.
    /// Replies that were sent by it and are longer than `suspect` bytes may be the reason for its
    /// end; see [`ClientSession::suspect_above`](super::ClientSession::suspect_above).
    pub fn forget_way(&mut self, way: &W, suspect: Option<usize>)
    where
        W: PartialEq,
    {
        for entry in self.unicasts.values_mut() {
            let (ways, cut_offs) = match entry {
                TakenUnicast::Pending { waiters, .. } => (waiters, None),
                TakenUnicast::Answered {
                    payload,
                    sent,
                    cut_offs,
                    ..
                } => {
                    let is_suspect = suspect.is_some_and(|longest| payload.len() > longest);
                    (sent, is_suspect.then_some(cut_offs))
                }
            };
            let before = ways.len();
            ways.retain(|other| other != way);
            if let Some(cut_offs) = cut_offs
                && ways.len() < before
            {
                *cut_offs += 1;
            }
        }
    }

    /// Returns whether a unicast waits for an answer that could still be sent.
    pub fn is_wanted(&self, topic: &TopicName, seq: Seq) -> bool {
        let key = (topic.clone(), seq);
        matches!(self.unicasts.get(&key), Some(TakenUnicast::Pending { waiters, .. }) if !waiters.is_empty())
    }

    /// Returns the number of unicasts that wait for their answers.
    pub fn pending(&self) -> usize {
        self.pending
    }

    fn expire(&mut self, now: Instant) {
        while let Some((at, _)) = self.order.front()
            && *at + self.config.time <= now
        {
            self.forget_oldest();
        }
    }

    fn remember(&mut self, key: TopicSeq, now: Instant) {
        self.order.push_back((now, key));
        let Self { config, .. } = self;
        let (messages, bytes) = (config.messages.max(1), config.bytes);
        while self.order.len() > messages || (self.bytes > bytes && self.order.len() > 1) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front()
            && let Some(TakenUnicast::Answered { payload, .. }) = self.unicasts.remove(&key)
        {
            self.bytes -= payload.len();
        }
    }
}
