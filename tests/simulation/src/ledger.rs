//! Every published message, the programs that it reached, and the outcome that its publisher was
//! told.

use std::time::Duration;

use amop_proto::{
    channel::{Frame, split_topic},
    client::MessageKind,
};

use crate::net::{At, ConnId};

/// Names a published message: its number, counted over all publishers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId(pub(crate) u64);

/// The outcome that a publisher's program was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The answer of a subscriber, which names itself. A multicast is answered by the node.
    Answered(Option<u32>),
    /// Result 100.
    NoSubscriber,
    /// Result 104.
    Unanswered,
    /// Result 103.
    OverLimit,
    /// A subscriber's own refusal.
    Rejected,
    /// The deadline passed.
    TimedOut,
    /// The connection was lost and no other was there in time.
    Disconnected,
    /// There was no connection in time.
    Offline,
    /// The publisher left.
    Left,
}

/// A message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) publisher: usize,
    pub(crate) kind: MessageKind,
    pub(crate) topic: usize,
    pub(crate) sent: At,
    deadline: At,
    /// The connections that it was sent over.
    pub(crate) over: Vec<ConnId>,
    /// The clients whose programs got it, and when.
    pub(crate) got: Vec<(usize, At)>,
    pub(crate) done: Option<(At, Verdict)>,
}

/// Outcomes may come this much later than the deadline.
const SLACK: Duration = Duration::from_secs(1);

/// All messages, by number.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    messages: Vec<Message>,
}

impl Ledger {
    pub(crate) fn publish(
        &mut self,
        now: At,
        publisher: usize,
        kind: MessageKind,
        topic: usize,
        deadline: At,
    ) -> MessageId {
        self.messages.push(Message {
            publisher,
            kind,
            topic,
            sent: now,
            deadline,
            over: Vec::new(),
            got: Vec::new(),
            done: None,
        });
        MessageId(self.messages.len() as u64 - 1)
    }

    pub(crate) fn get(&self, id: MessageId) -> Option<&Message> {
        self.messages.get(usize::try_from(id.0).ok()?)
    }

    pub(crate) fn messages(&self) -> impl Iterator<Item = (MessageId, &Message)> {
        let messages = self.messages.iter().enumerate();
        messages.map(|(number, message)| (MessageId(number as u64), message))
    }

    /// Records that it was sent over a connection.
    pub(crate) fn sent(&mut self, id: MessageId, over: ConnId) {
        if let Some(message) = self.messages.get_mut(id.0 as usize) {
            message.over.push(over);
        }
    }

    /// Records that a client's program got it.
    pub(crate) fn delivered(
        &mut self,
        id: MessageId,
        client: usize,
        now: At,
    ) -> Result<(), String> {
        let Some(message) = self.messages.get_mut(id.0 as usize) else {
            return Err(format!(
                "client {client} got message {}, which was never published",
                id.0
            ));
        };
        let before = message.got.iter().find(|(other, _)| *other == client);
        let twice = before.map(|(_, at)| {
            format!(
                "client {client} got message {} ({:?}) at {at:?} and again",
                id.0, message.kind
            )
        });
        message.got.push((client, now));
        twice.map_or(Ok(()), Err)
    }

    /// Records that its publisher knows its outcome.
    pub(crate) fn done(&mut self, id: MessageId, now: At, verdict: Verdict) -> Result<(), String> {
        let Some(message) = self.messages.get_mut(id.0 as usize) else {
            return Err(format!(
                "an outcome for message {}, which was never published",
                id.0
            ));
        };
        if let Some((_, before)) = message.done {
            return Err(format!(
                "message {} ended with {before:?} and then {verdict:?}",
                id.0
            ));
        }
        message.done = Some((now, verdict));
        if now > message.deadline + SLACK {
            return Err(format!("message {} ended after its deadline", id.0));
        }
        Ok(())
    }
}

/// Returns the number that a payload begins with.
pub(crate) fn number_in(payload: &[u8]) -> Option<u64> {
    payload
        .first_chunk()
        .map(|bytes| u64::from_be_bytes(*bytes))
}

/// Returns the number of the message in a frame.
pub(crate) fn number_of(frame: &Frame) -> Option<u64> {
    number_in(&split_topic(&frame.body).ok()?.payload)
}
