//! A records packet during its check.

use super::records::{CheckedRecord, CheckedRecords, RecordsFault};
use crate::{
    node::{NodeEvent, PeerId},
    p2p::{
        PeerFrame,
        mesh::{RecordsError, SignedRecord, SignedRecords},
    },
};

/// The number of records after which a part is handed over,
pub(super) const RECORDS: usize = 256;

/// or the number of bytes. A part is longer if one node states much.
const BYTES: usize = 1024 * 1024;

/// Records of one node stay together up to this many times those limits.
const TOGETHER: usize = 4;

/// A packet of records that is checked one record at a time. Checked records are handed over in
/// parts, so that a long packet is never in memory as a whole after it is read.
#[derive(Debug)]
pub struct RecordsCheck {
    peer: PeerId,
    seq: u32,
    records: SignedRecords,
    /// A record that has been read and belongs to the next part.
    held: Option<SignedRecord>,
    part: CheckedRecords,
    /// The bytes that the records of the part take.
    bytes: usize,
    /// The limits of a part: records and bytes.
    most: (usize, usize),
    state: CheckState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CheckState {
    Checking,
    /// A part is ready.
    Full,
    /// The last part is ready.
    Over,
}

impl RecordsCheck {
    pub(super) fn new(peer: PeerId, frame: &PeerFrame, max_topics: usize) -> Self {
        Self {
            peer,
            seq: frame.seq,
            records: SignedRecords::new(frame.body.clone(), max_topics),
            held: None,
            part: part(frame.seq),
            bytes: 0,
            most: (RECORDS, BYTES),
            state: CheckState::Checking,
        }
    }

    /// Creates a check whose result is not divided into parts.
    pub(super) fn whole(frame: &PeerFrame, max_topics: usize) -> Self {
        Self {
            most: (usize::MAX, usize::MAX),
            ..Self::new(PeerId(0), frame, max_topics)
        }
    }

    /// Returns whether a part is ready, and if so whether it is the last one.
    pub fn ready(&self) -> Option<bool> {
        match self.state {
            CheckState::Checking => None,
            CheckState::Full => Some(false),
            CheckState::Over => Some(true),
        }
    }

    /// Returns whether the check has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == CheckState::Over
    }

    /// Takes the part that is [`ready`](Self::ready), as an event for the machine.
    pub fn take_event(&mut self) -> NodeEvent {
        NodeEvent::PeerRecords(self.peer, self.take())
    }

    pub(super) fn take(&mut self) -> CheckedRecords {
        self.bytes = 0;
        let mut taken = std::mem::replace(&mut self.part, part(self.seq));
        taken.last = self.state == CheckState::Over;
        if self.state == CheckState::Full {
            self.state = CheckState::Checking;
        }
        taken
    }

    pub(super) fn work(&self) -> usize {
        self.part.work
    }

    /// Reads and checks one more record. Returns how many bytes were read.
    pub(super) fn step(
        &mut self,
        check: impl FnOnce(SignedRecord, &mut CheckedRecords) -> Result<(), RecordsFault>,
    ) -> usize {
        if self.state != CheckState::Checking {
            return 0;
        }
        let before = self.records.left();
        if let Err(fault) = self.next(check) {
            self.part.fault = Some(fault);
            self.part.records.clear();
            self.state = CheckState::Over;
        }
        before - self.records.left()
    }

    fn next(
        &mut self,
        check: impl FnOnce(SignedRecord, &mut CheckedRecords) -> Result<(), RecordsFault>,
    ) -> Result<(), RecordsFault> {
        let signed = match self.held.take() {
            Some(held) => held,
            None => match self.records.next() {
                Some(Ok(Some(signed))) => signed,
                // The record is of a kind of node that is unknown here.
                Some(Ok(None)) => return Ok(()),
                Some(Err(RecordsError::TooManyTopics { node, .. })) => {
                    self.part.too_long.extend(node);
                    return Ok(());
                }
                Some(Err(malformed)) => return Err(malformed.into()),
                None => {
                    self.state = CheckState::Over;
                    return Ok(());
                }
            },
        };
        if self.is_full_for(&signed) {
            self.held = Some(signed);
            self.state = CheckState::Full;
            return Ok(());
        }
        let before = self.part.records.len();
        check(signed, &mut self.part)?;
        let taken = self.part.records[before..].iter();
        let size = |record: &CheckedRecord| record.weight() + record.signed().bytes().len();
        self.bytes += taken.map(size).sum::<usize>();
        Ok(())
    }

    fn is_full_for(&self, signed: &SignedRecord) -> bool {
        let (records, bytes) = self.most;
        let part = &self.part;
        let count = part.records.len() + part.refused.len() + part.too_long.len();
        if count < records && self.bytes < bytes {
            return false;
        }
        let together = part
            .records
            .last()
            .is_some_and(|last| last.key() == signed.key());
        !together
            || count >= records.saturating_mul(TOGETHER)
            || self.bytes >= bytes.saturating_mul(TOGETHER)
    }
}

fn part(seq: u32) -> CheckedRecords {
    CheckedRecords {
        seq,
        records: Vec::new(),
        refused: Vec::new(),
        too_long: Vec::new(),
        fault: None,
        last: true,
        work: 0,
    }
}
