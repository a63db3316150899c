//! The keys this node shares with others, and which of their messages have come.

use std::fmt;

use crate::{
    hash::HashMap,
    p2p::{
        NodeId,
        mesh::{Agreement, NodeKey, PairKey, Seal, Statement},
    },
};

/// Counters begin anew at every multiple of this, in microseconds: some 67 s. Versions of records are
/// times, too, so that who knows a recent record of a node knows below which counters its messages are
/// old ones.
const ERA: u64 = 1 << 26;

/// Messages that overtake each other by fewer than this are all taken.
const WINDOW: u64 = 8192;

/// Keys of more nodes than this are not kept; they cost 50 microseconds to make again.
const MAX: usize = 20_000;

#[derive(Debug, Clone)]
pub(super) struct Pairs {
    agreement: Agreement,
    pairs: HashMap<NodeKey, Pair>,
}

#[derive(Debug, Clone)]
struct Pair {
    /// What the other node's record states.
    theirs: [u8; 32],
    /// `None` if that is good for no key.
    key: Option<PairKey>,
    /// The last counter used.
    sent: u64,
    taken: Option<Taken>,
}

impl Pairs {
    pub(super) fn new(agreement: Agreement) -> Self {
        Self {
            agreement,
            pairs: HashMap::default(),
        }
    }

    pub(super) fn public(&self) -> [u8; 32] {
        self.agreement.public()
    }

    fn pair(&mut self, other: NodeKey, id: &NodeId, theirs: &[u8; 32]) -> &mut Pair {
        let fits = self
            .pairs
            .get(&other)
            .is_some_and(|pair| pair.theirs == *theirs);
        if !fits {
            if self.pairs.len() >= MAX {
                self.pairs.clear();
            }
            let key = self.agreement.with(id, theirs);
            let pair = Pair {
                theirs: *theirs,
                key,
                sent: 0,
                taken: None,
            };
            self.pairs.insert(other, pair);
        }
        self.pairs
            .get_mut(&other)
            .unwrap_or_else(|| unreachable!("it was put there"))
    }

    /// Seals a message for another node. `clock` is the version a statement of this node would have
    /// now.
    pub(super) fn seal(
        &mut self,
        clock: u64,
        (other, id, theirs): (NodeKey, &NodeId, &[u8; 32]),
        statement: &Statement,
    ) -> Option<Seal> {
        let pair = self.pair(other, id, theirs);
        let key = pair.key.as_ref()?;
        pair.sent = (pair.sent + 1).max(clock - clock % ERA);
        Some(key.seal(statement, pair.sent))
    }

    /// Whether a seal of another node is good and has not come before. `version` is that of its latest
    /// record.
    pub(super) fn open(
        &mut self,
        version: u64,
        (other, id, theirs): (NodeKey, &NodeId, &[u8; 32]),
        statement: &Statement,
        seal: &Seal,
    ) -> bool {
        let pair = self.pair(other, id, theirs);
        let Some(key) = &pair.key else {
            return false;
        };
        // The counter counts only once the seal is known to be good.
        if !key.is_sealed(statement, seal) {
            return false;
        }
        // What was sent before that record may still be on its way, but not for longer than an era.
        let least = (version - version % ERA).saturating_sub(ERA);
        let taken = pair.taken.get_or_insert_with(|| Taken::new(least));
        taken.take(seal.counter)
    }

    pub(super) fn forget(&mut self, other: NodeKey) {
        self.pairs.remove(&other);
    }
}

/// Which counters of one node have come: the latest of this era, and of the one before, since messages
/// may take different ways.
#[derive(Debug, Clone)]
struct Taken {
    /// Lower ones are old.
    least: u64,
    now: Window,
    before: Option<Window>,
}

impl Taken {
    fn new(least: u64) -> Self {
        Self {
            least,
            now: Window::new(least),
            before: None,
        }
    }

    fn take(&mut self, counter: u64) -> bool {
        if counter < self.least {
            return false;
        }
        if counter >= self.now.end.saturating_add(WINDOW) {
            let before = std::mem::replace(&mut self.now, Window::new(counter));
            // Those between the two come late, if they come. None of them has come.
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
struct Window {
    first: u64,
    /// One more than the highest that came.
    end: u64,
    bits: Box<[u64]>,
}

/// The words that say something: mostly they are few of the many.
impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.bits.iter().enumerate();
        let words: Vec<_> = words.filter(|&(_, &word)| word != 0).collect();
        f.debug_struct("Window")
            .field("first", &self.first)
            .field("end", &self.end)
            .field("bits", &words)
            .finish()
    }
}

impl Window {
    fn new(first: u64) -> Self {
        Self {
            first,
            end: first,
            bits: vec![0; (WINDOW / 64) as usize].into(),
        }
    }

    /// Lower ones cannot be told.
    fn start(&self) -> u64 {
        self.first.max(self.end.saturating_sub(WINDOW))
    }

    /// Whether a counter from the start on is new. It is not far beyond the end.
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
mod tests {
    use super::*;

    #[test]
    fn each_counter_is_taken_once_in_any_order() {
        let mut taken = Taken::new(100);
        for start in [100, ERA, 2 * ERA, 9 * ERA + 5] {
            for hundred in 0..200 {
                for counter in (0..100).rev().map(|n| start + 100 * hundred + n) {
                    assert!(taken.take(counter), "{counter}");
                    assert!(!taken.take(counter), "{counter}");
                }
            }
            // Those of the window are known, those before it are taken for old.
            for counter in start..start + 20_000 {
                assert!(!taken.take(counter), "{counter}");
            }
        }
    }

    #[test]
    fn what_was_overtaken_by_the_next_era_is_taken() {
        let mut taken = Taken::new(0);
        assert!(taken.take(ERA) && taken.take(ERA + 2));
        assert!(taken.take(2 * ERA));
        assert!(taken.take(ERA + 1));
        assert!(!taken.take(ERA + 1) && !taken.take(ERA + 2) && !taken.take(2 * ERA));
        // So is the last of an era.
        assert!(taken.take(ERA + 3) && !taken.take(ERA + 3));
        assert!(taken.take(3 * ERA));
        assert!(!taken.take(ERA + 1) && !taken.take(ERA + 4));
    }

    #[test]
    fn the_first_that_comes_may_have_overtaken_others() {
        let mut taken = Taken::new(0);
        let first = 5 * ERA + 100_000;
        assert!(taken.take(first));
        for counter in first - 100..first + 100 {
            assert_eq!(taken.take(counter), counter != first, "{counter}");
            assert!(!taken.take(counter));
        }
        for counter in first + 100..first + 3 * WINDOW {
            assert!(taken.take(counter));
        }
        assert!((first - 200..first + 100).all(|counter| !taken.take(counter)));
    }

    #[test]
    fn what_is_older_than_the_record_is_refused() {
        let mut taken = Taken::new(5 * ERA);
        assert!(!taken.take(5 * ERA - 1));
        assert!(taken.take(5 * ERA));
    }
}
