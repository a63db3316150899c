//! Heartbeat answers held back until the peers know what the session subscribed to.
//!
//! 0x32 has no response, so our client sends a heartbeat behind it and takes its answer as the sign
//! that the node has the topics. This node means more by it: every connected node of ours has them
//! too. Real nodes never say what they know, so nothing waits for them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::SessionId;
use crate::channel::Frame;

/// Java SDKs drop a node whose heartbeat stays unanswered for 10 s (channel-v2 section 5.3); a peer
/// that takes longer than this is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// More answers than this are never held back at once.
const MAX_HELD: usize = 4096;

/// The answers held back, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Barriers {
    held: VecDeque<Held>,
}

#[derive(Debug, Clone)]
struct Held {
    until: Instant,
    session: SessionId,
    /// The version of the node's topics that the peers must know.
    version: u64,
    answer: Frame,
}

impl Barriers {
    pub(super) fn push(&mut self, now: Instant, session: SessionId, version: u64, answer: Frame) {
        if self.held.len() >= MAX_HELD
            && let Some(oldest) = self.held.front_mut()
        {
            oldest.until = now;
        }
        self.held.push_back(Held {
            until: now + PATIENCE,
            session,
            version,
            answer,
        });
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.held.front().map(|held| held.until)
    }

    /// Takes the answers whose version is known, and those that have waited long enough.
    pub(super) fn release(
        &mut self,
        now: Instant,
        known: impl Fn(u64) -> bool,
    ) -> Vec<(SessionId, Frame)> {
        let mut released = Vec::new();
        self.held.retain(|held| {
            let release = held.until <= now || known(held.version);
            if release {
                released.push((held.session, held.answer.clone()));
            }
            !release
        });
        released
    }
}
