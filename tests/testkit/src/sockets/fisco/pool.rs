//! The order in which a FISCO node handles the frames of one session.

use std::collections::VecDeque;

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

/// The number of later frames that may be handled before a frame.
const PASSES: u8 = 2;

/// Threads that take frames in turn, each at its own pace: any frame may be overtaken by the two
/// behind it.
///
/// How long a thread takes does not depend on the clock, so that a busy test machine changes
/// nothing. A sender that puts other frames or a pause between two frames has these two handled in
/// order.
#[derive(Debug)]
pub struct Pool<T> {
    rng: StdRng,
    held: VecDeque<(T, u8)>,
}

impl<T> Pool<T> {
    /// Creates idle threads.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            held: VecDeque::new(),
        }
    }

    /// Adds a frame that has arrived. Returns the frames that are handled now, in this order.
    pub fn put(&mut self, frame: T) -> Vec<T> {
        let mut now = Vec::new();
        let mut late = None;
        match self.rng.random_range(0..=PASSES) {
            0 => now.push(frame),
            passes => late = Some((frame, passes)),
        }
        for (_, passes) in &mut self.held {
            *passes -= 1;
        }
        let (over, held) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(_, passes)| *passes == 0);
        self.held = held;
        let over: VecDeque<(T, u8)> = over;
        now.extend(over.into_iter().map(|(frame, _)| frame));
        self.held.extend(late);
        now
    }

    /// Tells the pool that nothing has arrived for a while. Returns the frames that are handled
    /// then.
    pub fn rest(&mut self) -> Vec<T> {
        let mut now: Vec<T> = self.held.drain(..).map(|(frame, _)| frame).collect();
        now.shuffle(&mut self.rng);
        now
    }

    /// Returns whether a thread is busy.
    pub fn is_busy(&self) -> bool {
        !self.held.is_empty()
    }
}
