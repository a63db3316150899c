//! States what is new of this node and of the FISCO nodes behind it.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    Mesh,
    claims::SHOWN_AT_ONCE,
    output::MeshOutput,
    restated::Restated,
    speaker::{Spoken, When},
};
use crate::p2p::mesh::{RoutingKey, Whole};

/// The pause between two reports of topic counts.
const BACKLOG_PAUSE: Duration = Duration::from_millis(1);
/// In a backlog longer than this, more are reported at once, so that it does not grow for ever.
const LONG_BACKLOG: usize = 1 << 19;

impl Mesh {
    /// States what is new, if it is time.
    #[inline]
    pub(in crate::node) fn speak(&mut self, now: Instant) {
        if self.touched.0 || self.due.0.is_some_and(|due| due <= now) {
            self.speak_now(now);
        }
    }

    pub(super) fn speak_now(&mut self, now: Instant) {
        if self.own.wants(now) && !self.links.is_empty() {
            self.speak_of_own(now, When::Apart);
        }
        if self.stubs.values().any(|stub| stub.speaker.wants(now)) {
            let keys: Vec<RoutingKey> = self.stubs.keys().copied().collect();
            for key in keys {
                if self.speak_of(now, key, false) {
                    self.outputs.push_back(MeshOutput::Stubs);
                }
            }
        }
        if !self.backlog.is_empty() && self.backlog_at.is_none_or(|at| at <= now) {
            let behind = self.backlog.len().saturating_sub(LONG_BACKLOG);
            let shown = SHOWN_AT_ONCE.max(behind / 16);
            let shown = self.backlog.drain(..shown.min(self.backlog.len()));
            self.outputs
                .extend(shown.map(|(key, topic, count)| MeshOutput::Topic(key, topic, count)));
            self.backlog_at = (!self.backlog.is_empty()).then(|| now + BACKLOG_PAUSE);
        }
        self.due.0 = self.find_due();
        self.touched.0 = false;
    }

    pub(super) fn speak_of_own(&mut self, now: Instant, when: When) {
        let clock = self.clock();
        let neighbours = self.neighbours();
        let (pairs, signer) = (&self.pairs, &self.signer);
        let whole = || {
            let agreement = pairs.public();
            let chain = signer.chain();
            (Some(Whole { agreement, chain }), Some(neighbours.clone()))
        };
        let changed = || Some(neighbours.clone());
        match self.own.speak(now, clock, when, signer, whole, changed) {
            Some(Spoken::Signed(signed)) => self.flood_own(signed.bytes(), self.own.number()),
            Some(Spoken::Apart(restatement)) => {
                let restatement = Box::new(restatement);
                self.outputs.push_back(MeshOutput::Restate(restatement));
            }
            None => {}
        }
    }

    /// Handles a statement of this node that was built outside the machine.
    pub(in crate::node) fn restated(&mut self, now: Instant, restated: Restated) {
        self.touched.0 = true;
        if let Some(record) = self.own.restated(now, restated) {
            self.flood_own(&record, self.own.number());
        }
    }

    /// Records changes of this node's own subscriber counts.
    pub(in crate::node) fn topics_changed(&mut self, changes: &[(Bytes, u32)]) {
        self.touched.0 = true;
        for (topic, count) in changes {
            self.own.set_topic(topic, *count);
        }
    }
}
