//! The node's random choices.

use std::{convert::Infallible, fmt};

use rand::{Rng, SeedableRng, TryRng, rngs::StdRng};

/// The random generator of a node. It counts its draws, so that a node can be copied: the copy
/// draws the same numbers that the node itself would have drawn.
pub(super) struct Dice {
    seed: [u8; 32],
    drawn: u64,
    rng: StdRng,
}

impl Dice {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        let rng = StdRng::from_seed(seed);
        Self {
            seed,
            drawn: 0,
            rng,
        }
    }
}

impl Clone for Dice {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.seed);
        while copy.drawn < self.drawn {
            copy.next_u64();
        }
        copy
    }
}

/// Shows nothing that predicts the next draws.
impl fmt::Debug for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dice")
            .field("drawn", &self.drawn)
            .finish_non_exhaustive()
    }
}

/// Everything is made of draws of 64 bits, so that their number gives the position in the sequence.
impl TryRng for Dice {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|drawn| drawn as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.drawn += 1;
        self.rng.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let drawn = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
