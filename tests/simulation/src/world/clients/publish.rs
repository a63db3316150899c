//! Publishing: a message is tried over one connection after another until its outcome is known.

use std::time::Duration;

use amop_proto::{
    channel::Seq,
    client::{AttemptEnd, Attempts, MessageKind, NextAttempt, RequestOutcome},
};
use bytes::{BufMut, Bytes, BytesMut};
use rand::RngExt;

use super::{Client, World};
use crate::{
    Sabotage,
    ledger::{MessageId, Verdict},
    net::At,
    violation::Invariant,
};

/// How long a publisher waits for the outcome of a message.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A message whose outcome is open.
#[derive(Debug)]
pub(super) struct Publishing {
    pub(super) kind: MessageKind,
    pub(super) topic: usize,
    pub(super) seq: Seq,
    pub(super) payload: Bytes,
    pub(super) deadline: At,
    pub(super) attempts: Attempts,
    /// Whether a session has it.
    pub(super) active: bool,
    pub(super) retry_at: Option<At>,
    pub(super) verdict: Verdict,
}

impl World {
    /// Lets a program publish a message.
    pub(crate) fn publish(&mut self, client: usize, unicast: bool, topic: usize) -> MessageId {
        let kind = if unicast {
            MessageKind::Unicast
        } else {
            MessageKind::Multicast
        };
        let deadline = self.now + PATIENCE;
        let id = self.ledger.publish(self.now, client, kind, topic, deadline);
        let mut payload = BytesMut::new();
        payload.put_u64(id.0);
        // Mostly short; some are long enough to take a while on a slow line.
        let padding = match self.rng.random_range(0..20) {
            0 if self.config.profile.slows() => 4000,
            _ if self.does(Sabotage::HideQueue) => 4000,
            _ => self.rng.random_range(0..100),
        };
        payload.put_bytes(0, padding);
        let state = &mut self.clients[client];
        let message = Publishing {
            kind,
            topic,
            seq: Seq::random(&mut state.rng),
            payload: payload.freeze(),
            deadline,
            attempts: Attempts::default(),
            active: false,
            retry_at: None,
            verdict: Verdict::Offline,
        };
        state.publishing.insert(id.0, message);
        self.advance(client, id.0);
        self.settle(client);
        id
    }

    /// Tries a message over the next connection, or determines what to wait for.
    pub(super) fn advance(&mut self, client: usize, number: u64) {
        let (now, base) = (self.now, self.base);
        let topics = &self.topics;
        let Client {
            pool,
            links,
            publishing,
            ..
        } = &mut self.clients[client];
        let Some(message) = publishing.get_mut(&number) else {
            return;
        };
        if message.active {
            return;
        }
        message.retry_at = None;
        let end = loop {
            if message.deadline <= now {
                break Some(message.verdict);
            }
            let usable = links.iter().enumerate().filter_map(|(index, link)| {
                let link = link.as_ref().filter(|link| link.up)?;
                let usable = message.attempts.may_try(link.number);
                let session = link.session.as_ref()?;
                usable.then(|| (index, session.in_flight()))
            });
            let picked = pool.pick(usable);
            let picked = picked.and_then(|index| links[index].as_mut());
            if let Some(link) = picked {
                let Some(session) = &mut link.session else {
                    break None;
                };
                let sent = session.request_as(
                    message.seq,
                    message.kind,
                    &topics[message.topic],
                    &message.payload,
                    base + message.deadline,
                    number,
                );
                match sent {
                    Ok(()) => {
                        message.active = true;
                        self.ledger.sent(MessageId(number), link.conn);
                        break None;
                    }
                    Err(_) => message.attempts.ended(link.number, AttemptEnd::NotSent),
                }
                continue;
            }
            let is_open = |number| {
                let mut up = links.iter().flatten().filter(|link| link.up);
                up.any(|link| link.number == number)
            };
            match message.attempts.when_exhausted(is_open) {
                NextAttempt::Wait => break None,
                NextAttempt::Pause(pause) => {
                    message.retry_at = Some(now + pause);
                    break None;
                }
                NextAttempt::Finish => break Some(message.verdict),
            }
        };
        if let Some(verdict) = end {
            self.finish(client, number, verdict);
        }
    }

    pub(super) fn finish(&mut self, client: usize, number: u64, verdict: Verdict) {
        self.clients[client].publishing.remove(&number);
        self.log
            .step(self.now, format_args!("message {number}: {verdict:?}"), &[]);
        let times = if self.does(Sabotage::NoOutcome) {
            0
        } else if self.does_once(Sabotage::AnswerTwice) {
            2
        } else {
            1
        };
        for _ in 0..times {
            if let Err(text) = self.ledger.done(MessageId(number), self.now, verdict) {
                self.violated(Invariant::OneOutcome, text);
            }
        }
    }

    /// Handles the end of a request over one connection.
    pub(super) fn ended(
        &mut self,
        client: usize,
        number: u64,
        link: u64,
        outcome: &RequestOutcome,
    ) {
        let Some(message) = self.clients[client].publishing.get_mut(&number) else {
            return;
        };
        message.active = false;
        let attempt = match outcome {
            RequestOutcome::Answered(reply) => {
                let by = reply.first_chunk().map(|by| u32::from_be_bytes(*by));
                return self.finish(client, number, Verdict::Answered(by));
            }
            RequestOutcome::NoSubscriber => {
                message.verdict = Verdict::NoSubscriber;
                AttemptEnd::Refused
            }
            RequestOutcome::Unanswered => {
                message.verdict = Verdict::Unanswered;
                AttemptEnd::Refused
            }
            RequestOutcome::Disconnected | RequestOutcome::CutOff { .. } => {
                message.verdict = Verdict::Disconnected;
                AttemptEnd::Lost
            }
            RequestOutcome::SubscriberLeft => {
                return self.finish(client, number, Verdict::Unanswered);
            }
            RequestOutcome::OverLimit => return self.finish(client, number, Verdict::OverLimit),
            RequestOutcome::TimedOut | RequestOutcome::NodeTimedOut => {
                return self.finish(client, number, Verdict::TimedOut);
            }
            RequestOutcome::Undecodable
            | RequestOutcome::NoReply
            | RequestOutcome::Failed
            | RequestOutcome::Rejected { .. } => {
                return self.finish(client, number, Verdict::Rejected);
            }
        };
        message.attempts.ended(link, attempt);
        self.advance(client, number);
    }

    pub(super) fn try_all(&mut self, client: usize) {
        let waiting = self.clients[client].publishing.iter();
        let waiting: Vec<u64> = waiting
            .filter(|(_, message)| !message.active)
            .map(|(&number, _)| number)
            .collect();
        for number in waiting {
            self.advance(client, number);
        }
    }

    /// Returns the outcome that a publisher was told, if any.
    pub fn verdict(&self, id: MessageId) -> Option<Verdict> {
        self.ledger.get(id)?.done.map(|(_, verdict)| verdict)
    }
}
