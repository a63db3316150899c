//! The unicasts that the program has and has not answered.

use std::{
    collections::BTreeMap,
    hash::BuildHasher,
    time::{Duration, Instant},
};

use crate::{
    hash::HashMap,
    ws::{AmopRequest, WsSeq},
};

/// How long a node waits for a subscriber (ws-v3 section 10.3).
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How far the time between two copies of a unicast may be from [`ANSWER_WITHIN`]: the first may
/// have been under way for longer than the second, or the other way round.
const UNDER_WAY: Duration = Duration::from_secs(5);

/// What an arriving unicast is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    New {
        /// The first copy of the same message.
        repeats: Option<WsSeq>,
    },
    SeqInUse,
    TooMany,
}

/// How an answer is to be handled.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Send,
    Late,
    Unknown,
}

#[derive(Debug)]
struct Open {
    at: Instant,
    number: u64,
    print: u64,
}

/// Each is kept until it is answered, or until no second copy of it is expected any more.
#[derive(Debug)]
pub(super) struct Deliveries {
    limit: usize,
    hasher: foldhash::quality::RandomState,
    by_seq: HashMap<WsSeq, Open>,
    /// The last one with each content.
    by_print: HashMap<u64, WsSeq>,
    /// By age.
    order: BTreeMap<(Instant, u64), WsSeq>,
    count: u64,
}

impl Deliveries {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            hasher: foldhash::quality::RandomState::default(),
            by_seq: HashMap::default(),
            by_print: HashMap::default(),
            order: BTreeMap::new(),
            count: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_seq.len()
    }

    /// Returns whether the program could still answer a unicast with this seq.
    pub(super) fn contains(&mut self, now: Instant, seq: &WsSeq) -> bool {
        self.expire(now);
        self.by_seq.contains_key(seq)
    }

    pub(super) fn arrive(&mut self, now: Instant, seq: &WsSeq, request: &AmopRequest) -> Arrived {
        self.expire(now);
        if self.by_seq.contains_key(seq) {
            return Arrived::SeqInUse;
        }
        if self.by_seq.len() >= self.limit {
            return Arrived::TooMany;
        }
        let print = self.hasher.hash_one((&request.topic, &request.data));
        let earlier = self.by_print.get(&print);
        let earlier = earlier.and_then(|seq| Some((seq, self.by_seq.get(seq)?.at)));
        let repeats = earlier.filter(|&(_, at)| now >= at + (ANSWER_WITHIN - UNDER_WAY));
        let repeats = repeats.map(|(seq, _)| seq.clone());
        let open = Open {
            at: now,
            number: self.count,
            print,
        };
        self.order.insert((now, self.count), seq.clone());
        self.count += 1;
        self.by_print.insert(print, seq.clone());
        self.by_seq.insert(seq.clone(), open);
        Arrived::New { repeats }
    }

    /// Forgets a unicast, because it is answered.
    pub(super) fn answer(&mut self, now: Instant, seq: &WsSeq) -> Answer {
        self.expire(now);
        match self.forget(seq) {
            None => Answer::Unknown,
            Some(at) if now >= at + ANSWER_WITHIN => Answer::Late,
            Some(_) => Answer::Send,
        }
    }

    fn forget(&mut self, seq: &WsSeq) -> Option<Instant> {
        let Open { at, number, print } = self.by_seq.remove(seq)?;
        self.order.remove(&(at, number));
        if self.by_print.get(&print) == Some(seq) {
            self.by_print.remove(&print);
        }
        Some(at)
    }

    fn expire(&mut self, now: Instant) {
        while let Some((&(at, _), seq)) = self.order.first_key_value()
            && at + ANSWER_WITHIN + UNDER_WAY <= now
        {
            let seq = seq.clone();
            self.forget(&seq);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.limit);
    }
}
