//! What this node states, of itself or of a FISCO node behind it: which changes are there to be stated,
//! and the signed records that say what was.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{bucket::Bucket, signed::Signed};
use crate::{
    node::checker::MAX_CHANGE,
    p2p::mesh::{NodeKey, Record, SignedRecord, Signer, Subject, Whole},
};

/// Changes are stated at once, this many times; then they are collected for so long each time.
const BURST: u32 = 32;
const COLLECT: Duration = Duration::from_millis(50);

/// A node states itself anew when it has had nothing to say for this long: so others know that it is
/// there, and that what they hold is not a dead node's.
pub(super) const REFRESH: Duration = Duration::from_secs(120);

/// A signer that failed is asked again after this long.
const RETRY: Duration = Duration::from_secs(1);

/// Changes are kept until they take more bytes than this and half of the whole record: then the whole
/// is stated anew. Who accepts changes accepts [`MAX_CHANGES`] of them.
const CHANGES: usize = 16 * 1024;

/// Bytes of changes that are kept of another node beside twice its whole record. Another node that
/// goes on with changes beyond that is asked for the whole.
pub(super) const MAX_CHANGES: usize = 256 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Speaker {
    subject: Subject,
    key: NodeKey,
    /// The version of the last statement; 0 before the first.
    version: u64,
    /// Counts the statements.
    number: u64,
    topics: BTreeMap<Bytes, u32>,
    /// Topics whose counts are not as stated.
    changed: BTreeSet<Bytes>,
    neighbours_changed: bool,
    /// Something must be stated, changed or not.
    due: bool,
    /// The last whole record and the changes since, as they were signed.
    records: Signed,
    changes_len: usize,
    bucket: Bucket,
    refresh_at: Option<Instant>,
    /// The signer has failed.
    retry_at: Option<Instant>,
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
            records: Signed::default(),
            changes_len: 0,
            bucket: Bucket::new(BURST, COLLECT),
            refresh_at: None,
            retry_at: None,
        }
    }

    pub(super) fn key(&self) -> NodeKey {
        self.key
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn is_of(&self, subject: &Subject) -> bool {
        self.subject == *subject
    }

    /// How many statements there have been.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The number of the statement that says all that is so now.
    pub(super) fn next_number(&self) -> u64 {
        self.number + u64::from(self.is_pending())
    }

    /// What was stated: the whole record and the changes since.
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

    /// The network holds a version that this node does not know of: what is stated next is higher.
    pub(super) fn outbid(&mut self, version: u64) {
        if version > self.version {
            self.version = version;
            // A change of that version would be a change of something that nobody knows.
            self.records.clear();
            self.due = true;
        }
    }

    fn is_pending(&self) -> bool {
        self.due || self.neighbours_changed || !self.changed.is_empty()
    }

    /// When [`speak`](Self::speak) has something to say next, other than at once.
    pub(super) fn next(&self) -> Option<Instant> {
        if self.retry_at.is_some() {
            return self.retry_at;
        }
        if self.is_pending() {
            return self.bucket.next();
        }
        self.refresh_at
    }

    /// Whether there is something to say and it is time.
    pub(super) fn wants(&self, now: Instant) -> bool {
        if self.is_pending() {
            let waits = self.retry_at.or(self.bucket.next());
            return waits.is_none_or(|at| at <= now);
        }
        self.refresh_at.is_some_and(|at| at <= now)
    }

    /// States what has changed, if there is anything and it is time; `at_once` if it cannot wait.
    /// `clock` is the version for now, `whole` what only a whole record has.
    pub(super) fn speak(
        &mut self,
        now: Instant,
        clock: u64,
        at_once: bool,
        signer: &dyn Signer,
        whole: impl FnOnce() -> (Option<Whole>, Option<Vec<NodeKey>>),
        neighbours: impl FnOnce() -> Option<Vec<NodeKey>>,
    ) -> Option<SignedRecord> {
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
        let whole_len = self.records.first().map_or(0, Bytes::len);
        let is_whole = self.records.is_empty()
            || self.changed.len() > MAX_CHANGE
            || self.changes_len > CHANGES + whole_len / 2;
        let mut record = Record {
            subject: self.subject,
            version: clock.max(self.version + 1),
            base: 0,
            whole: None,
            neighbours: None,
            topics: Vec::new(),
        };
        if is_whole {
            (record.whole, record.neighbours) = whole();
            let topics = self.topics.iter();
            record.topics = topics
                .map(|(topic, &count)| (topic.clone(), count))
                .collect();
        } else {
            record.base = self.version;
            if self.neighbours_changed {
                record.neighbours = neighbours();
            }
            let count = |topic: &Bytes| self.topics.get(topic).copied().unwrap_or(0);
            let changed = self.changed.iter();
            record.topics = changed.map(|topic| (topic.clone(), count(topic))).collect();
        }
        let Some(signed) = record.sign_as(self.key, signer) else {
            self.retry_at = Some(now + RETRY);
            return None;
        };
        self.stated(now, is_whole, &signed);
        Some(signed)
    }

    fn stated(&mut self, now: Instant, is_whole: bool, signed: &SignedRecord) {
        self.retry_at = None;
        self.version = signed.record().version;
        self.number += 1;
        self.changed.clear();
        self.neighbours_changed = false;
        self.due = false;
        self.refresh_at = Some(now + REFRESH);
        if is_whole {
            self.records.clear();
            self.changes_len = 0;
        } else {
            self.changes_len += signed.bytes().len();
        }
        self.records.push(signed.bytes().clone());
    }
}
