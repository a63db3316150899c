//! The queue of records to the reader. The connections do not wait for the reader: records that do
//! not fit are dropped and counted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::Local;
use tokio::sync::mpsc::{
    UnboundedReceiver, UnboundedSender, error::TryRecvError, unbounded_channel,
};

use super::{TapRecord, What};

/// The maximum size of the records that wait for the reader, in bytes. A longer record fits if it
/// waits alone.
const ROOM: usize = 1 << 20;

/// After records were dropped, new ones are taken only when the queue has shrunk to this size. So
/// one record reports many losses.
const ROOM_AGAIN: usize = ROOM / 2;

/// The traffic of a tap, in order.
///
/// A slow reader loses records: it finds a [`What::Lost`] in their place.
#[derive(Debug)]
pub struct TapRecords {
    receiver: UnboundedReceiver<WaitingRecord>,
    room: Arc<Mutex<QueueRoom>>,
    /// The record that follows the last reported loss.
    next: Option<TapRecord>,
}

#[derive(Debug, Clone)]
pub(super) struct RecordSender {
    sender: UnboundedSender<WaitingRecord>,
    room: Arc<Mutex<QueueRoom>>,
}

#[derive(Debug)]
struct WaitingRecord {
    record: TapRecord,
    takes: usize,
    /// The number of records dropped before it.
    lost: u64,
}

#[derive(Debug, Default)]
struct QueueRoom {
    /// The size of the waiting records, in bytes.
    bytes: usize,
    /// Records dropped since the last one that fitted.
    lost: u64,
    /// The queue was full and has not shrunk enough yet.
    full: bool,
}

pub(super) fn channel() -> (RecordSender, TapRecords) {
    let (sender, receiver) = unbounded_channel();
    let room = Arc::<Mutex<QueueRoom>>::default();
    let records = TapRecords {
        receiver,
        room: room.clone(),
        next: None,
    };
    (RecordSender { sender, room }, records)
}

fn lock(room: &Mutex<QueueRoom>) -> MutexGuard<'_, QueueRoom> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RecordSender {
    pub(super) fn send(&self, record: TapRecord) {
        let takes = size_of::<WaitingRecord>() + record.len();
        let mut room = lock(&self.room);
        room.full = match room.full {
            true => room.bytes > ROOM_AGAIN,
            false => room.bytes > 0 && room.bytes + takes > ROOM,
        };
        if room.full {
            room.lost += 1;
            return;
        }
        room.bytes += takes;
        let lost = std::mem::take(&mut room.lost);
        // Without a reader there is nothing to report; the bytes are passed on anyway.
        let _ = self.sender.send(WaitingRecord {
            record,
            takes,
            lost,
        });
    }
}

impl TapRecords {
    /// Returns the next record; `None` when the tap has stopped and all records were returned.
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<TapRecord> {
        if let Some(record) = self.next.take().or_else(|| self.at_hand()) {
            return Some(record);
        }
        let waiting = self.receiver.recv().await;
        self.taken(waiting)
    }

    /// Like [`recv`](Self::recv), for threads outside the runtime.
    ///
    /// # Panics
    ///
    /// If called in a task of the runtime.
    pub fn blocking_recv(&mut self) -> Option<TapRecord> {
        if let Some(record) = self.next.take().or_else(|| self.at_hand()) {
            return Some(record);
        }
        let waiting = self.receiver.blocking_recv();
        self.taken(waiting)
    }

    /// Returns what has already arrived: the next record, or a loss if no record follows it.
    fn at_hand(&mut self) -> Option<TapRecord> {
        match self.receiver.try_recv() {
            Ok(waiting) => self.taken(Some(waiting)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => self.last_loss(),
        }
    }

    fn taken(&mut self, waiting: Option<WaitingRecord>) -> Option<TapRecord> {
        let Some(waiting) = waiting else {
            return self.last_loss();
        };
        lock(&self.room).bytes -= waiting.takes;
        if waiting.lost == 0 {
            return Some(waiting.record);
        }
        self.next = Some(waiting.record);
        Some(loss(waiting.lost))
    }

    fn last_loss(&self) -> Option<TapRecord> {
        let mut room = lock(&self.room);
        // A record has arrived meanwhile and reports the loss.
        if !self.receiver.is_empty() {
            return None;
        }
        let lost = std::mem::take(&mut room.lost);
        (lost > 0).then(|| loss(lost))
    }
}

fn loss(records: u64) -> TapRecord {
    TapRecord {
        time: Local::now(),
        connection: 0,
        direction: None,
        what: What::Lost(records),
    }
}

#[cfg(test)]
mod tests;
