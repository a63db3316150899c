//! The numbers of a node's packets.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use sha2::{Digest, Sha256};

/// The numbers of one node's packets, shared by all its connections: FISCO nodes match a response
/// by its number alone, over all connections (gateway-v3 section 3). Clones share the counter.
///
/// Unicasts have numbers that do not follow from each other or from those of other packets: any node
/// sees some of them, and could forge a response to the next unicast otherwise.
///
/// ```
/// // The key comes from the generator of random numbers of the operating system.
/// let key = [7; 32];
/// let seqs = amop_proto::gateway::PacketSeqs::starting_at(2, key);
/// assert_eq!((seqs.clone().next(), seqs.next()), (2, 3));
/// assert_ne!(seqs.next_unicast(), 4);
/// ```
#[derive(Clone)]
pub struct PacketSeqs(Arc<Shared>);

struct Shared {
    counter: AtomicU32,
    key: [u8; 32],
}

impl PacketSeqs {
    /// Creates a counter, and a key for the numbers of unicasts, which must be secret and random.
    /// FISCO nodes start at 2. Another key in each run also keeps responses to an earlier run of the
    /// node from being taken for responses to this one.
    #[must_use]
    pub fn starting_at(first: u32, key: [u8; 32]) -> Self {
        Self(Arc::new(Shared {
            counter: first.into(),
            key,
        }))
    }

    /// Returns the next number. Heartbeats have 0, so no other packet does.
    #[must_use]
    pub fn next(&self) -> u32 {
        match self.count() {
            0 => self.count(),
            seq => seq,
        }
    }

    /// Returns the next number of a unicast. None is returned twice before the counter has gone
    /// through all its values. It may be that of another packet, which is harmless: only unicasts
    /// are responded to.
    #[must_use]
    pub fn next_unicast(&self) -> u32 {
        match permuted(&self.0.key, self.count()) {
            // The next value is permuted to another number.
            0 => permuted(&self.0.key, self.count()),
            seq => seq,
        }
    }

    fn count(&self) -> u32 {
        self.0.counter.fetch_add(1, Ordering::Relaxed)
    }
}

/// Does not show the key.
impl fmt::Debug for PacketSeqs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counter = &self.0.counter;
        f.debug_struct("PacketSeqs")
            .field("counter", counter)
            .finish_non_exhaustive()
    }
}

/// Permutes 32 bits by a key: a Feistel network. Four rounds already make a pseudorandom permutation
/// of long blocks; more are needed where halves are as short as here.
fn permuted(key: &[u8; 32], value: u32) -> u32 {
    const ROUNDS: u8 = 8;
    let [a, b, c, d] = value.to_be_bytes();
    let mut left = u16::from_be_bytes([a, b]);
    let mut right = u16::from_be_bytes([c, d]);
    for round in 0..ROUNDS {
        (left, right) = (right, left ^ scrambled(key, round, right));
    }
    u32::from(left) << 16 | u32::from(right)
}

/// The function of a round. The input has a fixed length and the output is cut, so that the hash
/// needs no more than the key before the input.
fn scrambled(key: &[u8; 32], round: u8, half: u16) -> u16 {
    let hash = Sha256::new().chain_update(key).chain_update([round]);
    let hash = hash.chain_update(half.to_be_bytes()).finalize();
    u16::from_be_bytes([hash[0], hash[1]])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_of_unicasts_differ_and_do_not_follow_from_each_other() {
        let seqs = PacketSeqs::starting_at(2, [1; 32]);
        let drawn: Vec<u32> = (0..5000).map(|_| seqs.next_unicast()).collect();
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
        let steps: HashSet<u32> = drawn.windows(2).map(|w| w[1].wrapping_sub(w[0])).collect();
        assert!(steps.len() > 4990, "{}", steps.len());
        // They lie in the whole range.
        for part in 0..16 {
            let count = drawn.iter().filter(|&&seq| seq >> 28 == part).count();
            assert!((200..430).contains(&count), "{count}");
        }
    }

    #[test]
    fn numbers_of_unicasts_follow_from_the_key() {
        let draw = |key| PacketSeqs::starting_at(2, [key; 32]).next_unicast();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn no_packet_but_a_heartbeat_has_number_0() {
        let seqs = PacketSeqs::starting_at(0, [1; 32]);
        assert_eq!(seqs.next(), 1);
    }

    #[test]
    fn the_key_is_not_shown() {
        let shown = format!("{:?}", PacketSeqs::starting_at(2, [211; 32]));
        assert!(shown.contains('2') && !shown.contains("211"), "{shown}");
    }
}
