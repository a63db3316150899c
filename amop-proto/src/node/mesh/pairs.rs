//! The keys this node shares with others, and which of their messages have come.

use std::{collections::BTreeMap, fmt};

use crate::{
    hash::HashMap,
    p2p::{
        NodeId,
        mesh::{Agreement, PairKey, RoutingKey, Seal, Statement},
    },
};

/// Counters start again at every multiple of this, in microseconds: some 67 s. Versions of records
/// are times as well, so a node that knows a recent record of another node knows below which
/// counter that node's messages are old.
const ERA: u64 = 1 << 26;

/// Messages that overtake each other by fewer than this are all accepted.
const WINDOW: u64 = 8192;

/// The counter of an honest node never comes near this, because counters are times. A counter up to
/// this value can be added to without overflow.
const MAX_COUNTER: u64 = 1 << 62;

/// What a seal proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) enum SealProof {
    /// The message was sent by its voucher, and has not come before.
    New,
    /// The message was sent by its voucher, and has come before or is too old to tell.
    Before,
    /// The seal proves nothing.
    None,
}

#[derive(Debug, Clone)]
pub(super) struct Pairs {
    agreement: Agreement,
    pairs: HashMap<RoutingKey, NodePair>,
    /// Pairs of forgotten nodes, by the order in which they were forgotten. They are kept because a
    /// relay that stored a node's messages could otherwise have them accepted again.
    forgotten: BTreeMap<u64, RoutingKey>,
    /// The number of nodes forgotten so far.
    count: u64,
    /// The number of pairs of forgotten nodes that are kept.
    max: usize,
}

#[derive(Debug, Clone)]
struct NodePair {
    /// The agreement key in the other node's record.
    theirs: [u8; 32],
    /// `None` if no key can be derived from it.
    key: Option<PairKey>,
    /// The last counter used.
    sent: u64,
    taken: Option<TakenCounters>,
    /// Its place in `Pairs::forgotten`, if the node was forgotten.
    forgotten: Option<u64>,
}

impl Pairs {
    /// Creates an empty table. `nodes` is the number of nodes that may be known.
    pub(super) fn new(agreement: Agreement, nodes: usize) -> Self {
        Self {
            agreement,
            pairs: HashMap::default(),
            forgotten: BTreeMap::new(),
            count: 0,
            max: nodes.max(16),
        }
    }

    pub(super) fn public(&self) -> [u8; 32] {
        self.agreement.public()
    }

    fn pair(&mut self, other: RoutingKey, id: &NodeId, theirs: &[u8; 32]) -> &mut NodePair {
        let fits = self
            .pairs
            .get(&other)
            .is_some_and(|pair| pair.theirs == *theirs);
        if !fits {
            let key = self.agreement.with(id, theirs);
            let pair = NodePair {
                theirs: *theirs,
                key,
                sent: 0,
                taken: None,
                forgotten: None,
            };
            if let Some(before) = self.pairs.insert(other, pair)
                && let Some(place) = before.forgotten
            {
                self.forgotten.remove(&place);
            }
        }
        let pair = self.pairs.get_mut(&other);
        let pair = pair.unwrap_or_else(|| unreachable!("it was put there"));
        if let Some(place) = pair.forgotten.take() {
            self.forgotten.remove(&place);
        }
        pair
    }

    /// Seals a message for another node. `clock` is the version that a statement of this node would
    /// have now.
    pub(super) fn seal(
        &mut self,
        clock: u64,
        (other, id, theirs): (RoutingKey, &NodeId, &[u8; 32]),
        statement: &Statement,
    ) -> Option<Seal> {
        let pair = self.pair(other, id, theirs);
        let key = pair.key.as_ref()?;
        pair.sent = (pair.sent + 1).max(clock - clock % ERA);
        Some(key.seal(statement, pair.sent))
    }

    /// Returns what a seal of another node proves. `version` is that of its latest record. An
    /// honest node's counter never exceeds `latest`.
    pub(super) fn open(
        &mut self,
        (version, latest): (u64, u64),
        (other, id, theirs): (RoutingKey, &NodeId, &[u8; 32]),
        statement: &Statement,
        seal: &Seal,
    ) -> SealProof {
        let pair = self.pair(other, id, theirs);
        let Some(key) = &pair.key else {
            return SealProof::None;
        };
        // The counter counts only once the seal is known to be good.
        if seal.counter > latest.min(MAX_COUNTER) || !key.is_sealed(statement, seal) {
            return SealProof::None;
        }
        // Messages sent before that record may still be on their way, but not for longer than an
        // era.
        let least = (version - version % ERA).saturating_sub(ERA);
        let taken = pair.taken.get_or_insert_with(|| TakenCounters::new(least));
        if taken.take(seal.counter) {
            SealProof::New
        } else {
            SealProof::Before
        }
    }

    /// Forgets a node. The counters that came from it are kept, so that its messages are not
    /// accepted again when it returns.
    pub(super) fn forget(&mut self, other: RoutingKey) {
        let Some(pair) = self.pairs.get_mut(&other) else {
            return;
        };
        if pair.taken.is_none() {
            self.pairs.remove(&other);
            return;
        }
        if pair.forgotten.is_none() {
            self.count += 1;
            pair.forgotten = Some(self.count);
            self.forgotten.insert(self.count, other);
        }
        if self.forgotten.len() > self.max
            && let Some((_, oldest)) = self.forgotten.pop_first()
        {
            self.pairs.remove(&oldest);
        }
    }
}

/// Which counters of one node have come: the latest of this era and of the one before, because
/// messages may take different paths.
#[derive(Debug, Clone)]
struct TakenCounters {
    /// Lower counters are old.
    least: u64,
    now: CounterWindow,
    before: Option<CounterWindow>,
}

impl TakenCounters {
    fn new(least: u64) -> Self {
        Self {
            least,
            now: CounterWindow::new(least),
            before: None,
        }
    }

    fn take(&mut self, counter: u64) -> bool {
        if counter < self.least || counter > MAX_COUNTER {
            return false;
        }
        if counter >= self.now.end.saturating_add(WINDOW) {
            let before = std::mem::replace(&mut self.now, CounterWindow::new(counter));
            // Counters between the two windows are accepted late. None of them has come yet.
            self.now.first = counter
                .saturating_sub(WINDOW - 1)
                .max(counter - counter % ERA);
            self.least = before.start();
            self.before = Some(before);
        }
        if counter >= self.now.first {
            return counter >= self.now.start() && self.now.take(counter);
        }
        let before = self.before.as_mut();
        before.is_some_and(|before| {
            let known = before.start()..before.end.saturating_add(WINDOW);
            known.contains(&counter) && before.take(counter)
        })
    }
}

/// A bit for each of the last counters.
#[derive(Clone)]
struct CounterWindow {
    first: u64,
    /// One more than the highest counter that came.
    end: u64,
    bits: Box<[u64]>,
}

/// Shows only the words that have bits set, usually a few.
impl fmt::Debug for CounterWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.bits.iter().enumerate();
        let words: Vec<_> = words.filter(|&(_, &word)| word != 0).collect();
        f.debug_struct("CounterWindow")
            .field("first", &self.first)
            .field("end", &self.end)
            .field("bits", &words)
            .finish()
    }
}

impl CounterWindow {
    fn new(first: u64) -> Self {
        Self {
            first,
            end: first,
            bits: vec![0; (WINDOW / 64) as usize].into(),
        }
    }

    /// Returns the lowest counter that can be checked.
    fn start(&self) -> u64 {
        self.first.max(self.end.saturating_sub(WINDOW))
    }

    /// Returns whether a counter is new. It must not be below the start or far beyond the end.
    fn take(&mut self, counter: u64) -> bool {
        while self.end <= counter {
            let end = self.end;
            *self.word(end) &= !(1 << (end % 64));
            self.end += 1;
        }
        let bit = 1 << (counter % 64);
        let word = self.word(counter);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    fn word(&mut self, counter: u64) -> &mut u64 {
        &mut self.bits[(counter % WINDOW / 64) as usize]
    }
}

#[cfg(test)]
mod tests;
