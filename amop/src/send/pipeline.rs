//! The state that a pipelining publisher shares with the connections: the outcome of its messages.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use amop_proto::{
    TopicName,
    channel::{PrivateName, Seq},
    log::with_causes,
};
use bytes::Bytes;
use tokio::sync::{Notify, futures::Notified};

use super::{in_flight::InFlightCounter, outcome::failure};
use crate::{FlushError, PublishError, report::ClientCounters};

/// The number of messages of which a failure is remembered. The copies of a message fail at about
/// the same time as the message.
const REMEMBERED: usize = 16 * 1024;

/// The messages of one publisher that no node has confirmed yet.
#[derive(Debug)]
pub(crate) struct Pipeline {
    topic: TopicName,
    timeout: Duration,
    publishing: Arc<InFlightCounter>,
    counters: Arc<ClientCounters>,
    /// The number of messages that wait, here or at a connection.
    unconfirmed: AtomicUsize,
    bytes: AtomicUsize,
    /// The number of copies of messages that wait.
    copies: AtomicUsize,
    /// Whether `lost` holds something.
    has_lost: AtomicBool,
    trouble: Mutex<Trouble>,
    /// Notified when one of these changes.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Trouble {
    /// Messages to be sent again.
    lost: Vec<Lost>,
    /// The number of messages that failed since the last flush.
    failed: usize,
    /// The numbers of the last of them: a message and its copies fail together.
    failures: BTreeSet<u64>,
    first: Option<PublishError>,
    /// How many connections may have ended because of each message or a copy of it.
    cut_offs: BTreeMap<u64, u32>,
    /// The publisher is dropped: nothing is sent again.
    abandoned: bool,
}

/// A message that is to be sent again.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) number: u64,
    pub(crate) seq: Seq,
    pub(crate) payload: Bytes,
    pub(crate) again: Again,
    pub(crate) copy: bool,
}

/// Where a message that was lost may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// To any connection, because its own was lost.
    Anywhere,
    /// To another node, because its node reached no subscriber.
    Elsewhere,
}

/// A message on a connection.
#[derive(Debug)]
pub(crate) struct Pipelined {
    pub(crate) pipeline: Arc<Pipeline>,
    /// Its number among the publisher's messages.
    pub(crate) number: u64,
    pub(crate) seq: Seq,
    /// Kept until a node has the message.
    pub(crate) payload: Bytes,
    /// Whether it is a copy of a message that is sent over another connection, too.
    pub(crate) copy: bool,
}

impl Pipelined {
    /// Records that the message was not confirmed and must be sent again.
    pub(crate) fn lost(self, again: Again) {
        let Self {
            pipeline,
            number,
            seq,
            payload,
            copy,
        } = self;
        let mut trouble = pipeline.lock();
        if trouble.abandoned {
            drop(trouble);
            tracing::debug!(%seq, "a message of a publisher that was dropped may be lost");
            if !copy {
                pipeline.counters.lost.one();
            }
            return pipeline.settled_one(copy, payload.len());
        }
        trouble.lost.push(Lost {
            number,
            seq,
            payload,
            again,
            copy,
        });
        pipeline.has_lost.store(true, Ordering::Release);
        drop(trouble);
        pipeline.changed.notify_waiters();
    }
}

impl Pipeline {
    pub(crate) fn new(
        topic: TopicName,
        timeout: Duration,
        publishing: Arc<InFlightCounter>,
        counters: Arc<ClientCounters>,
    ) -> Self {
        Self {
            topic,
            timeout,
            publishing,
            counters,
            unconfirmed: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            copies: AtomicUsize::new(0),
            has_lost: AtomicBool::new(false),
            trouble: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn topic(&self) -> &TopicName {
        &self.topic
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Resolves at the next change, once enabled or polled.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Records that a connection has taken a message or a copy.
    pub(crate) fn sent(&self, bytes: usize, copy: bool) {
        self.publishing.add();
        let count = match copy {
            false => &self.unconfirmed,
            true => &self.copies,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Records that nodes have taken `messages` messages.
    pub(crate) fn confirmed(&self, messages: usize, bytes: usize) {
        self.counters.confirmed.add(messages as u64);
        self.settled(messages, bytes);
    }

    /// Records that `messages` messages are settled: confirmed or failed.
    pub(crate) fn settled(&self, messages: usize, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.unconfirmed.fetch_sub(messages, Ordering::Release);
        self.publishing.remove(messages);
        self.changed.notify_waiters();
    }

    /// Records that one message, or a copy of one, is settled.
    pub(crate) fn settled_one(&self, copy: bool, bytes: usize) {
        if !copy {
            return self.settled(1, bytes);
        }
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.copies.fetch_sub(1, Ordering::Release);
        self.publishing.remove(1);
        self.changed.notify_waiters();
    }

    /// Records that one message, or a copy of one, failed.
    pub(crate) fn failed(&self, number: u64, (copy, bytes): (bool, usize), error: PublishError) {
        let mut trouble = self.lock();
        if trouble.abandoned {
            let error = with_causes(&error);
            tracing::debug!("a message of a publisher that was dropped failed: {error}");
        }
        if trouble.failures.insert(number) {
            trouble.failed += 1;
            failure(&self.counters, &error).one();
        }
        if trouble.failures.len() > REMEMBERED {
            trouble.failures.pop_first();
        }
        trouble.first.get_or_insert(error);
        drop(trouble);
        self.settled_one(copy, bytes);
    }

    /// Records that a connection may have ended because of a message or a copy of it. Returns the
    /// number of such connections.
    pub(crate) fn cut_off(&self, number: u64) -> u32 {
        let mut trouble = self.lock();
        let cut_offs = trouble.cut_offs.entry(number).or_default();
        *cut_offs += 1;
        let count = *cut_offs;
        if trouble.cut_offs.len() > REMEMBERED {
            trouble.cut_offs.pop_first();
        }
        count
    }

    /// Returns how many connections may have ended because of a message or a copy of it.
    pub(crate) fn cut_offs(&self, number: u64) -> u32 {
        self.lock().cut_offs.get(&number).copied().unwrap_or(0)
    }

    pub(crate) fn unconfirmed(&self) -> usize {
        self.unconfirmed.load(Ordering::Acquire)
    }

    /// Returns whether no message and no copy waits.
    pub(crate) fn is_settled(&self) -> bool {
        self.unconfirmed() == 0 && self.copies.load(Ordering::Acquire) == 0
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn has_lost(&self) -> bool {
        self.has_lost.load(Ordering::Acquire)
    }

    /// Takes the messages that are to be sent again, in the order in which they were sent. They
    /// still count as unconfirmed.
    pub(crate) fn take_lost(&self) -> Vec<Lost> {
        let mut trouble = self.lock();
        self.has_lost.store(false, Ordering::Release);
        let mut lost = std::mem::take(&mut trouble.lost);
        drop(trouble);
        lost.sort_unstable_by_key(|lost| lost.number);
        lost
    }

    /// Takes the failures since the last call.
    pub(crate) fn take_failures(&self) -> Result<(), FlushError> {
        let mut trouble = self.lock();
        let failed = std::mem::take(&mut trouble.failed);
        trouble.failures.clear();
        trouble.cut_offs.clear();
        match trouble.first.take() {
            None => Ok(()),
            Some(first) => Err(FlushError {
                topic: PrivateName::shown(&self.topic).to_owned(),
                failed,
                first,
            }),
        }
    }

    /// Ends the pipeline: lost messages and `others` are not sent again.
    pub(crate) fn abandon(&self, others: impl IntoIterator<Item = Lost>) {
        let mut trouble = self.lock();
        trouble.abandoned = true;
        let lost = std::mem::take(&mut trouble.lost);
        drop(trouble);
        let (copies, lost): (Vec<Lost>, Vec<Lost>) =
            lost.into_iter().chain(others).partition(|lost| lost.copy);
        for copy in copies {
            self.settled_one(true, copy.payload.len());
        }
        let lengths = lost.into_iter().map(|lost| lost.payload.len());
        let (messages, bytes) = lengths.fold((0, 0), |(n, bytes), len| (n + 1, bytes + len));
        if messages > 0 {
            let topic = PrivateName::shown(&self.topic);
            tracing::warn!(
                topic,
                messages,
                "a publisher was dropped before it was flushed: messages may be lost"
            );
            self.counters.lost.add(messages as u64);
            self.settled(messages, bytes);
        }
    }
}

/// Collects confirmed messages of one pipeline in a row, to report them all at once.
#[derive(Debug, Default)]
pub(crate) struct Confirmed {
    pipeline: Option<Arc<Pipeline>>,
    messages: usize,
    bytes: usize,
    /// The number of messages of other pipelines before.
    others: usize,
}

impl Confirmed {
    pub(crate) fn add(&mut self, message: Pipelined) {
        if message.copy {
            message.pipeline.settled_one(true, message.payload.len());
            self.others += 1;
            return;
        }
        let same = |pipeline: &Arc<Pipeline>| Arc::ptr_eq(pipeline, &message.pipeline);
        if !self.pipeline.as_ref().is_some_and(same) {
            self.tell();
            self.pipeline = Some(message.pipeline);
        }
        self.messages += 1;
        self.bytes += message.payload.len();
    }

    fn tell(&mut self) {
        if let Some(pipeline) = self.pipeline.take() {
            let messages = std::mem::take(&mut self.messages);
            pipeline.confirmed(messages, std::mem::take(&mut self.bytes));
            self.others += messages;
        }
    }

    /// Reports to the last pipeline. Returns the number of all messages.
    pub(crate) fn finish(mut self) -> usize {
        self.tell();
        self.others
    }
}
