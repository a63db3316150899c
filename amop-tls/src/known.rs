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
mod tests;
