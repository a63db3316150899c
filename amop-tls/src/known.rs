//! Signatures that were found valid, so that none is checked twice: every node and SDK of an agency
//! sends the same agency certificate.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::cert::{Cert, KeyAlg};
use crate::digest::digest;

/// The number of signatures in a generation. At most two generations are remembered, with 32 bytes
/// for each signature.
const GENERATION: usize = 1024;

/// Identifies a signature by the key, the signed bytes, and the signature itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fact([u8; 32]);

impl Fact {
    pub(crate) fn new(key_alg: KeyAlg, key_bits: &[u8], cert: &Cert<'_>) -> Self {
        Self(digest(&[
            key_alg.name().as_bytes(),
            key_bits,
            cert.digest(),
        ]))
    }
}

/// The most recent valid signatures of certificates. A valid signature stays valid; dates and lists
/// may change, and are checked every time.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<Facts>);

#[derive(Debug, Default)]
struct Facts {
    latest: HashSet<Fact>,
    older: HashSet<Fact>,
}

impl Known {
    pub(crate) fn contains(&self, fact: &Fact) -> bool {
        let facts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        facts.latest.contains(fact) || facts.older.contains(fact)
    }

    pub(crate) fn insert(&self, fact: Fact) {
        let mut facts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.latest.len() >= GENERATION {
            facts.older = std::mem::take(&mut facts.latest);
        }
        facts.latest.insert(fact);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_known_and_no_more_than_two_generations() {
        let known = Known::default();
        let fact = |n: usize| Fact(digest(&[&n.to_be_bytes()]));
        for n in 0..10 * GENERATION {
            known.insert(fact(n));
            assert!(known.contains(&fact(n)));
        }
        let held = (0..10 * GENERATION).filter(|&n| known.contains(&fact(n)));
        assert_eq!(held.count(), 2 * GENERATION);
        assert!(known.contains(&fact(9 * GENERATION)));
        assert!(!known.contains(&fact(0)));
    }

    #[test]
    fn texts_do_not_run_into_each_other() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_ne!(digest(&[b""]), digest(&[]));
    }
}
