//! The statements that this node makes, of itself or of a FISCO node behind it: the changes not yet
//! stated, and the signed records of earlier statements.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{bucket::TokenBucket, restated::Restated, restating::Restatement, signed::SignedBytes};
use crate::{
    node::checker::MAX_CHANGE,
    p2p::mesh::{Record, RoutingKey, SignedRecord, StatementSigner, Subject, Whole},
};

/// This many changes in a row are stated at once; after that, changes are collected for `COLLECT`
/// each time.
const BURST: u32 = 32;
const COLLECT: Duration = Duration::from_millis(50);

/// A node states itself again when it has had nothing to state for this long: so others know that
/// it is there, and that its record is not that of a dead node.
pub(super) const REFRESH: Duration = Duration::from_secs(120);

/// A signer that failed is asked again after this long.
const RETRY: Duration = Duration::from_secs(1);

/// A whole record is built outside the machine if the earlier records are this long, in bytes, and
/// a change if it has this many topics: shorter ones take less than half a millisecond.
const LONG: usize = 64 * 1024;
const MANY: usize = 512;

/// The machine builds the record itself if the result does not come within this time.
const APART: Duration = Duration::from_secs(5);

/// Changes are kept until they take more bytes than this and half of the whole record: then the
/// whole is stated again. A node that accepts changes accepts [`MAX_CHANGES`] of them.
const CHANGES: usize = 16 * 1024;

/// The bytes of changes that are kept of another node in addition to twice its whole record. Above
/// this, the whole record is asked for.
pub(super) const MAX_CHANGES: usize = 256 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Speaker {
    subject: Subject,
    key: RoutingKey,
    /// The version of the last statement; 0 before the first.
    version: u64,
    /// The number of statements so far.
    number: u64,
    topics: BTreeMap<Bytes, u32>,
    /// Topics whose counts are not as stated.
    changed: BTreeSet<Bytes>,
    neighbours_changed: bool,
    /// Whether something must be stated even without changes.
    due: bool,
    /// The last whole record and the changes since, as they were signed.
    records: SignedBytes,
    changes_len: usize,
    bucket: TokenBucket,
    refresh_at: Option<Instant>,
    /// When to try again after the signer has failed.
    retry_at: Option<Instant>,
    /// The record that is being built outside the machine. Nothing else is stated meanwhile.
    restating: Option<Restating>,
}

#[derive(Debug, Clone, Copy)]
struct Restating {
    version: u64,
    is_whole: bool,
    /// When the machine stops waiting for it.
    until: Instant,
}

/// A statement.
pub(super) enum Spoken {
    Signed(SignedRecord),
    /// The statement must be built outside the machine.
    Apart(Restatement),
}

/// When and how changes are stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    AtOnce,
    /// When it is time.
    InTime,
    /// When it is time; a long statement may be built outside the machine.
    Apart,
}

impl Speaker {
    pub(super) fn new(subject: Subject) -> Self {
        Self {
            key: subject.key(),
            subject,
            version: 0,
            number: 0,
            topics: BTreeMap::new(),
            changed: BTreeSet::new(),
            neighbours_changed: false,
            due: true,
            records: SignedBytes::default(),
            changes_len: 0,
            bucket: TokenBucket::new(BURST, COLLECT),
            refresh_at: None,
            retry_at: None,
            restating: None,
        }
    }

    pub(super) fn key(&self) -> RoutingKey {
        self.key
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn is_of(&self, subject: &Subject) -> bool {
        self.subject == *subject
    }

    /// Returns the number of statements so far.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the number of the statement that covers the current state.
    pub(super) fn next_number(&self) -> u64 {
        self.number + u64::from(self.is_pending()) + u64::from(self.restating.is_some())
    }

    /// Returns what was stated: the whole record and the changes since.
    pub(super) fn records(&self) -> &[Bytes] {
        &self.records
    }

    pub(super) fn set_topic(&mut self, topic: &Bytes, count: u32) {
        let before = match count {
            0 => self.topics.remove(topic),
            count => self.topics.insert(topic.clone(), count),
        };
        if before.unwrap_or(0) != count {
            self.changed.insert(topic.clone());
        }
    }

    pub(super) fn neighbours_changed(&mut self) {
        self.neighbours_changed = true;
    }

    /// Handles a version held by the overlay that this node does not know: the next statement has a
    /// higher one.
    pub(super) fn outbid(&mut self, version: u64) {
        if version > self.version {
            self.version = version;
            // A change of that version would change something that no node knows.
            self.forget_stated();
            self.give_up_restating();
        }
    }

    /// Ignores the record that is being built when it comes. The whole record, which includes its
    /// changes, is stated next.
    fn give_up_restating(&mut self) {
        if self.restating.take().is_some() {
            self.forget_stated();
            self.number += 1;
        }
    }

    /// Makes the next statement a whole record.
    fn forget_stated(&mut self) {
        self.records.clear();
        self.changes_len = 0;
        self.due = true;
    }

    fn is_pending(&self) -> bool {
        self.due || self.neighbours_changed || !self.changed.is_empty()
    }

    /// Returns when [`speak`](Self::speak) has something to state next, other than at once.
    pub(super) fn next(&self) -> Option<Instant> {
        if let Some(restating) = self.restating {
            return Some(restating.until);
        }
        if self.retry_at.is_some() {
            return self.retry_at;
        }
        if self.is_pending() {
            return self.bucket.next();
        }
        self.refresh_at
    }

    /// Returns whether there is something to state and it is time.
    pub(super) fn wants(&self, now: Instant) -> bool {
        if let Some(restating) = self.restating {
            return restating.until <= now;
        }
        if self.is_pending() {
            let waits = self.retry_at.or(self.bucket.next());
            return waits.is_none_or(|at| at <= now);
        }
        self.refresh_at.is_some_and(|at| at <= now)
    }

    /// States changes, if there are any and it is time. `clock` is the current version; `whole`
    /// returns the parts that only a whole record has.
    pub(super) fn speak(
        &mut self,
        now: Instant,
        clock: u64,
        when: When,
        signer: &Arc<dyn StatementSigner>,
        whole: impl FnOnce() -> (Option<Whole>, Option<Vec<RoutingKey>>),
        neighbours: impl FnOnce() -> Option<Vec<RoutingKey>>,
    ) -> Option<Spoken> {
        let at_once = when == When::AtOnce;
        if let Some(restating) = self.restating {
            if now < restating.until && !at_once {
                return None;
            }
            self.give_up_restating();
        }
        let refreshes = self.refresh_at.is_some_and(|at| at <= now);
        let waits = self.retry_at.is_some_and(|at| now < at);
        if waits || !(self.is_pending() || refreshes) {
            return None;
        }
        if at_once {
            self.bucket.take_anyway(now);
        } else if !self.bucket.take(now, 1) {
            return None;
        }
        let mut record = Record {
            subject: self.subject,
            version: clock.max(self.version + 1),
            base: 0,
            whole: None,
            neighbours: None,
            topics: Vec::new(),
        };
        let is_whole = self.is_whole_due();
        if is_whole {
            (record.whole, record.neighbours) = whole();
        } else {
            record.base = self.version;
            if self.neighbours_changed {
                record.neighbours = neighbours();
            }
        }
        if when == When::Apart && self.is_long(is_whole) {
            return Some(Spoken::Apart(self.restate(now, record, signer.clone())));
        }
        record.topics = if is_whole {
            let topics = self.topics.iter();
            topics
                .map(|(topic, &count)| (topic.clone(), count))
                .collect()
        } else {
            self.changes()
        };
        let Some(signed) = record.sign_as(self.key, &**signer) else {
            self.retry_at = Some(now + RETRY);
            return None;
        };
        self.changed.clear();
        self.neighbours_changed = false;
        self.due = false;
        self.stated(now, is_whole, signed.record().version, signed.bytes());
        Some(Spoken::Signed(signed))
    }

    /// Returns whether the next statement is a whole record.
    fn is_whole_due(&self) -> bool {
        let whole_len = self.records.first().map_or(0, Bytes::len);
        self.records.is_empty()
            || self.changed.len() > MAX_CHANGE
            || self.changes_len > CHANGES + whole_len / 2
    }

    /// Returns whether a change is long, or a whole record of which most has been stated before.
    fn is_long(&self, is_whole: bool) -> bool {
        let whole_len = self.records.first().map_or(0, Bytes::len);
        if is_whole {
            whole_len + self.changes_len > LONG
        } else {
            self.changed.len() > MANY
        }
    }

    fn changes(&self) -> Vec<(Bytes, u32)> {
        let count = |topic: &Bytes| self.topics.get(topic).copied().unwrap_or(0);
        let changed = self.changed.iter();
        changed.map(|topic| (topic.clone(), count(topic))).collect()
    }

    fn restate(
        &mut self,
        now: Instant,
        record: Record,
        signer: Arc<dyn StatementSigner>,
    ) -> Restatement {
        let changed = self.changes();
        self.changed.clear();
        self.neighbours_changed = false;
        self.due = false;
        let is_whole = record.base == 0;
        self.restating = Some(Restating {
            version: record.version,
            is_whole,
            until: now + APART,
        });
        Restatement {
            record,
            stated: if is_whole {
                self.records.to_vec()
            } else {
                Vec::new()
            },
            changed,
            signer,
        }
    }

    /// Handles a record that was built. Returns it if it is still valid.
    pub(super) fn restated(&mut self, now: Instant, restated: Restated) -> Option<Bytes> {
        let Restated { version, bytes } = restated;
        let restating = self
            .restating
            .filter(|awaited| awaited.version == version)?;
        let Some(bytes) = bytes else {
            self.give_up_restating();
            self.retry_at = Some(now + RETRY);
            return None;
        };
        self.restating = None;
        self.stated(now, restating.is_whole, version, &bytes);
        Some(bytes)
    }

    fn stated(&mut self, now: Instant, is_whole: bool, version: u64, bytes: &Bytes) {
        self.retry_at = None;
        self.version = version;
        self.number += 1;
        self.refresh_at = Some(now + REFRESH);
        if is_whole {
            self.records.clear();
            self.changes_len = 0;
        } else {
            self.changes_len += bytes.len();
        }
        self.records.push(bytes.clone());
    }
}

#[cfg(all(test, feature = "test-util"))]
mod tests {
    use super::*;
    use crate::p2p::{NodeId, mesh::SharedSecret};

    fn speaker() -> Speaker {
        Speaker::new(Subject::Node(NodeId([3; 64])))
    }

    fn topic(n: usize) -> Bytes {
        format!("a topic with a rather long name, number {n}").into()
    }

    /// Returns the next statement, built here or outside the machine, and whether it was built
    /// outside.
    fn next(speaker: &mut Speaker, now: Instant, when: When) -> (Bytes, bool) {
        let signer: Arc<dyn StatementSigner> = Arc::new(SharedSecret::new(NodeId([3; 64])));
        let whole = || {
            let (agreement, chain) = ([5; 32], signer.chain());
            (Some(Whole { agreement, chain }), Some(vec![RoutingKey(1)]))
        };
        let neighbours = || Some(vec![RoutingKey(1)]);
        match speaker.speak(now, 1000, when, &signer, whole, neighbours) {
            Some(Spoken::Signed(signed)) => (signed.bytes().clone(), false),
            Some(Spoken::Apart(restatement)) => {
                let crate::node::NodeEvent::Restated(restated) = restatement.carry_out() else {
                    unreachable!("another event");
                };
                (speaker.restated(now, restated).unwrap(), true)
            }
            None => panic!("nothing to say"),
        }
    }

    /// In steps: a few topics, then enough to make a change long, then more than a change may have.
    #[test]
    fn what_is_put_together_apart_is_what_is_put_together_here() {
        let mut now = Instant::now();
        let (mut here, mut apart) = (speaker(), speaker());
        let mut kinds = Vec::new();
        let steps = [0..10, 10..MANY + 20, 5..3 * MANY, 0..MAX_CHANGE + 1, 7..9];
        for (step, topics) in steps.into_iter().enumerate() {
            for n in topics {
                // Some topics are removed again.
                let count = (n + step) % 3;
                here.set_topic(&topic(n), count as u32);
                apart.set_topic(&topic(n), count as u32);
            }
            now += COLLECT;
            let (stated, _) = next(&mut here, now, When::InTime);
            let (same, was_apart) = next(&mut apart, now, When::Apart);
            assert_eq!(stated, same, "step {step}");
            assert_eq!(here.number(), apart.number());
            assert_eq!(here.records(), apart.records());
            kinds.push((was_apart, here.records().len() == 1));
        }
        // A change and a whole record were built outside the machine.
        assert!(
            kinds.contains(&(true, false)) && kinds.contains(&(true, true)),
            "{kinds:?}"
        );
        assert!(kinds.contains(&(false, false)), "{kinds:?}");
    }
}
