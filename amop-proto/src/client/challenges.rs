//! The challenges with which subscribers of private topics prove that they hold a key (channel-v2
//! section 9.3).

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rand::Rng;

use crate::channel::{Seq, VerifyRequest};

/// The time in which a subscriber must answer. Its node waits this long for the answer, and the
/// publisher's node asks again after the same time.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum number of challenges that wait for an answer.
const MAX_CHALLENGES: usize = 256;

/// The longest challenge that a subscriber signs, in bytes. The challenges of other SDKs have up to
/// 32 (channel-v2 section 9.4).
pub(super) const MAX_CHALLENGE_LEN: usize = 64;

/// A challenge: random bytes for a subscriber to sign, once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Challenge {
    /// The node's request.
    pub request: VerifyRequest,
    /// The bytes that the subscriber receives: 128 random bits as 32 hex digits, which subscribers
    /// of all SDKs accept (channel-v2 section 9.5).
    pub bytes: [u8; Seq::LEN],
}

/// The result of a node's request to verify a subscriber.
pub(super) enum Begun {
    /// Send this challenge.
    Challenge { seq: Seq, bytes: [u8; Seq::LEN] },
    /// A challenge for this subscriber already waits for its answer.
    UnderWay,
    /// The maximum number of challenges is reached.
    TooMany(VerifyRequest),
}

/// The challenges that wait for their signatures.
#[derive(Debug, Default)]
pub(super) struct Challenges {
    waiting: BTreeMap<Seq, (Instant, Challenge)>,
}

impl Challenges {
    /// Makes a new challenge for every request: an answer to an older one proves nothing.
    pub(super) fn begin<R: Rng>(
        &mut self,
        request: VerifyRequest,
        now: Instant,
        rng: &mut R,
    ) -> Begun {
        if self.waiting.values().any(|(_, c)| c.request == request) {
            return Begun::UnderWay;
        }
        if self.waiting.len() >= MAX_CHALLENGES {
            return Begun::TooMany(request);
        }
        let seq = Seq::random(rng);
        let bytes = Seq::random(rng).0;
        let challenge = Challenge { request, bytes };
        self.waiting.insert(seq, (now + TIMEOUT, challenge));
        Begun::Challenge { seq, bytes }
    }

    pub(super) fn take(&mut self, seq: &Seq) -> Option<Challenge> {
        self.waiting.remove(seq).map(|(_, challenge)| challenge)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.values().map(|(deadline, _)| *deadline).min()
    }

    /// Returns the request behind a challenge that got no answer in time.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<VerifyRequest> {
        let mut waiting = self.waiting.iter();
        let (seq, _) = waiting.find(|(_, (deadline, _))| *deadline <= now)?;
        let seq = *seq;
        self.take(&seq).map(|challenge| challenge.request)
    }
}
