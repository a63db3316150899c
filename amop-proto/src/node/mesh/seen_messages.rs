//! The messages of other nodes that came recently, so that none is taken twice.

use std::{
    collections::{VecDeque, hash_map::Entry},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    bucket::TokenBucket,
    memory::{MAX, REMEMBERED_FOR, SLACK},
    seen_multicasts::SeenMulticasts,
};
use crate::{
    hash::HashMap,
    node::{digest::FrameDigest, sooner},
    p2p::{Body, mesh::RoutingKey},
};

/// The bytes of answers that are kept.
const MAX_BYTES: usize = 64 << 20;

/// The rate at which each source is given answers again: a burst, and then 8 MiB a second. Each
/// answer costs one token, and one more for this many bytes.
const REPEAT_BYTES: usize = 256;
const REPEAT_BURST: u32 = 128 * 1024;
const REPEAT_RATE: TokenBucket = TokenBucket::new(REPEAT_BURST, Duration::from_nanos(30_500));

/// Messages by the node that sent them into the overlay, the destination here that they are for,
/// and their id. When there are too many, the source with the most loses its oldest ones.
#[derive(Debug, Clone, Default)]
pub(in crate::node) struct SeenMessages {
    /// The sources; each has messages.
    sources: HashMap<RoutingKey, SourceMessages>,
    multicasts: SeenMulticasts,
    /// The messages of all sources.
    count: usize,
    /// The bytes of the answers of all sources.
    bytes: usize,
    /// The earliest time at which something must be forgotten.
    due: Option<Instant>,
}

/// The messages of one source.
#[derive(Debug, Clone)]
struct SourceMessages {
    /// The messages, each with its answer if there is one.
    seen: HashMap<(RoutingKey, u64), Option<GivenAnswer>>,
    /// The oldest first.
    order: VecDeque<(Instant, RoutingKey, u64)>,
    /// The bytes of the answers.
    bytes: usize,
    /// Limits how many answers it is given again.
    again: TokenBucket,
}

impl Default for SourceMessages {
    fn default() -> Self {
        Self {
            seen: HashMap::default(),
            order: VecDeque::new(),
            bytes: 0,
            again: REPEAT_RATE,
        }
    }
}

/// An answer that is kept in case it gets lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::node) struct GivenAnswer {
    /// The body, encoded as for a neighbour.
    pub(in crate::node) body: Body,
    /// The hash of the channel frame in it.
    pub(in crate::node) digest: FrameDigest,
}

impl GivenAnswer {
    /// Returns a copy to be kept. Up to this length copying bytes is cheaper than sharing them.
    pub(in crate::node) fn to_keep(&self) -> Self {
        const COPIED: usize = 1024;
        let Body { head, tail } = &self.body;
        let head = match head.len() {
            0..=COPIED => Bytes::copy_from_slice(head),
            _ => head.clone(),
        };
        let tail = tail.clone();
        Self {
            body: Body { head, tail },
            digest: self.digest,
        }
    }
}

/// The number of messages and the bytes of answers that were forgotten.
#[derive(Debug, Default)]
struct Forgotten {
    count: usize,
    bytes: usize,
}

impl SourceMessages {
    /// Forgets old messages.
    fn forget(&mut self, now: Instant) -> Forgotten {
        let mut forgotten = Forgotten::default();
        while let Some(&(at, ..)) = self.order.front()
            && at + REMEMBERED_FOR <= now
        {
            self.forget_oldest(&mut forgotten);
        }
        forgotten
    }

    fn forget_oldest(&mut self, forgotten: &mut Forgotten) {
        let Some((_, target, id)) = self.order.pop_front() else {
            return;
        };
        forgotten.count += 1;
        if let Some(Some(answer)) = self.seen.remove(&(target, id)) {
            self.bytes -= answer.body.len();
            forgotten.bytes += answer.body.len();
        }
    }
}

/// Whether a message came before, and what was answered.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::node) enum SeenStatus {
    /// It is new, and remembered from now on.
    New,
    /// It is in progress, or needs no answer, or its answer is no longer kept or was given too
    /// often.
    Before,
    /// It was answered with this.
    Answered(GivenAnswer),
}

impl SeenMessages {
    /// The bit that marks the id of a multicast that is not numbered by the node that sent it into
    /// the overlay.
    pub(in crate::node) const NAME: u64 = SeenMulticasts::NAME;

    /// Notes a multicast that came through the node or border node `by`. Returns whether it is new;
    /// it is remembered from now on.
    pub(in crate::node) fn see_multicast(
        &mut self,
        now: Instant,
        source: RoutingKey,
        target: RoutingKey,
        id: u64,
        by: RoutingKey,
    ) -> bool {
        self.multicasts.see(now, (source, target), id, by)
    }

    /// Notes a unicast that came.
    pub(in crate::node) fn see(
        &mut self,
        now: Instant,
        source: RoutingKey,
        target: RoutingKey,
        id: u64,
    ) -> SeenStatus {
        let full = self.count >= MAX;
        let held = self.sources.entry(source).or_default();
        let forgotten = held.forget(now);
        match held.seen.entry((target, id)) {
            Entry::Vacant(place) => place.insert(None),
            Entry::Occupied(seen) => {
                let tokens = |answer: &GivenAnswer| {
                    let tokens = 1 + answer.body.len() / REPEAT_BYTES;
                    u32::try_from(tokens).map_or(REPEAT_BURST, |tokens| tokens.min(REPEAT_BURST))
                };
                let again = |answer: &&GivenAnswer| held.again.take(now, tokens(answer));
                let answer = seen.get().as_ref().filter(again).cloned();
                self.count_out(&forgotten);
                return answer.map_or(SeenStatus::Before, SeenStatus::Answered);
            }
        };
        held.order.push_back((now, target, id));
        self.count += 1;
        self.count_out(&forgotten);
        if self.due.is_none() {
            self.due = Some(now + (REMEMBERED_FOR + SLACK));
        }
        if full {
            self.make_room();
        }
        SeenStatus::New
    }

    /// Keeps the answer to a unicast.
    pub(in crate::node) fn answered(
        &mut self,
        source: RoutingKey,
        target: RoutingKey,
        id: u64,
        answer: GivenAnswer,
    ) {
        if let Some(source) = self.sources.get_mut(&source)
            && let Some(held) = source.seen.get_mut(&(target, id))
        {
            let added = answer.body.len();
            let gone = held.replace(answer).map_or(0, |old| old.body.len());
            self.bytes = self.bytes + added - gone;
            source.bytes = source.bytes + added - gone;
        }
        // The answer itself may be dropped: it is then too long to be kept with all others.
        while self.bytes > MAX_BYTES {
            self.make_room();
        }
    }

    fn count_out(&mut self, forgotten: &Forgotten) {
        self.count -= forgotten.count;
        self.bytes -= forgotten.bytes;
    }

    /// Forgets what is old.
    pub(in crate::node) fn forget(&mut self, now: Instant) {
        self.multicasts.forget(now);
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        let mut forgotten = Forgotten::default();
        let mut oldest = None;
        self.sources.retain(|_, source| {
            let of_one = source.forget(now);
            forgotten.count += of_one.count;
            forgotten.bytes += of_one.bytes;
            let first = source.order.front().map(|&(at, ..)| at);
            oldest = sooner(oldest, first);
            first.is_some()
        });
        self.count_out(&forgotten);
        self.due = oldest.map(|at| at + (REMEMBERED_FOR + SLACK));
    }

    /// Forgets some messages of the source that has the most: several at once, so that the source
    /// is not searched for at each message.
    fn make_room(&mut self) {
        let bytes = self.bytes > MAX_BYTES;
        let most = |source: &SourceMessages| {
            if bytes {
                source.bytes
            } else {
                source.order.len()
            }
        };
        // Of equal ones, the lowest is taken, so that the result is reproducible.
        let sources = self.sources.iter_mut();
        let most = sources.max_by_key(|(key, source)| (most(source), std::cmp::Reverse(**key)));
        let Some((&key, source)) = most else {
            return;
        };
        let mut forgotten = Forgotten::default();
        for _ in 0..source.order.len() / 64 + 1 {
            source.forget_oldest(&mut forgotten);
        }
        if source.order.is_empty() {
            self.sources.remove(&key);
        }
        self.count_out(&forgotten);
    }

    /// Returns when [`forget`](Self::forget) is worth calling next.
    pub(in crate::node) fn next_forget(&self) -> Option<Instant> {
        sooner(self.due, self.multicasts.next_forget())
    }
}

#[cfg(test)]
mod tests;
