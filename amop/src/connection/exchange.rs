//! One attempt at publishing: a message goes out over one connection, its answer comes back.

use std::{future::Future, pin::pin, time::Duration};

use amop_proto::{
    TopicName,
    channel::{PrivateName, Seq},
    client::{Attempt, CloseReason, Kind, Outcome, Refused, RefusedWhy},
};
use bytes::Bytes;
use tokio::{
    sync::{AcquireError, SemaphorePermit, oneshot},
    time::{Instant, timeout_at},
};

use super::{Connection, SEND_BUFFER, wire_len};
use crate::PublishError;

/// A message to be published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: Kind,
    pub(crate) seq: Seq,
    pub(crate) topic: &'a TopicName,
    pub(crate) payload: &'a [u8],
    pub(crate) deadline: Instant,
    /// The time allowed for everything, for errors.
    pub(crate) timeout: Duration,
}

/// How an attempt failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Another connection may do better.
    Retry(Attempt, PublishError),
    /// No other connection would.
    Final(PublishError),
}

impl Connection {
    /// Sends a message and waits for its answer.
    pub(crate) async fn exchange(&self, message: Message<'_>) -> Result<Bytes, Failed> {
        let context = Context {
            connection: self,
            message,
        };
        let Message { topic, payload, .. } = message;
        let len = wire_len(topic, payload);
        if len > self.0.max_frame {
            return Err(context.too_large(len));
        }
        let charge = len.min(SEND_BUFFER);
        // Mostly there is room, and no timer is needed.
        let _in_flight = match self.0.in_flight.try_acquire() {
            Ok(permit) => permit,
            Err(_) => context.permit(self.0.in_flight.acquire()).await?,
        };
        let room = match self.0.room.try_acquire_many(charge as u32) {
            Ok(permits) => permits,
            Err(_) => {
                context
                    .permit(self.0.room.acquire_many(charge as u32))
                    .await?
            }
        };

        let (sender, receiver) = oneshot::channel();
        let Message { seq, kind, .. } = message;
        let deadline = message.deadline.into_std();
        let sent = self.update(|state| {
            state
                .session
                .request_as(seq, kind, topic, payload, deadline, sender)?;
            // Given back by the driver when the bytes are written.
            room.forget();
            state.charged += charge;
            Ok(())
        });
        sent.map_err(|refused: Refused<_>| match refused.why {
            RefusedWhy::TooLong { len, .. } => context.too_large(len),
            RefusedWhy::InFlight { .. } | RefusedWhy::SeqInUse => context.congested(),
            RefusedWhy::NotReady | RefusedWhy::Closed => context.gone(Attempt::NotSent),
        })?;
        let mut waiting = Waiting {
            connection: self,
            seq: Some(seq),
        };
        let outcome = receiver.await;
        waiting.seq = None;
        // The sender is dropped without a word only when the state itself is.
        context.result(outcome.unwrap_or(Outcome::Disconnected))
    }
}

/// Forgets a request whose future is dropped before its answer came.
struct Waiting<'a> {
    connection: &'a Connection,
    seq: Option<Seq>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(seq) = self.seq {
            self.connection.lock().session.cancel(&seq);
        }
    }
}

/// What every error of a publish names.
struct Context<'a> {
    connection: &'a Connection,
    message: Message<'a>,
}

impl Context<'_> {
    fn topic(&self) -> String {
        PrivateName::shown(self.message.topic).to_owned()
    }

    fn endpoint(&self) -> String {
        self.connection.endpoint().to_owned()
    }

    async fn permit<'s>(
        &self,
        acquire: impl Future<Output = Result<SemaphorePermit<'s>, AcquireError>>,
    ) -> Result<SemaphorePermit<'s>, Failed> {
        match timeout_at(self.message.deadline, pin!(acquire)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(self.gone(Attempt::NotSent)),
            Err(_) => Err(self.congested()),
        }
    }

    fn too_large(&self, len: usize) -> Failed {
        Failed::Final(PublishError::TooLarge {
            topic: self.topic(),
            len,
            max: self.connection.0.max_frame,
        })
    }

    fn congested(&self) -> Failed {
        Failed::Final(PublishError::Congested {
            topic: self.topic(),
            endpoint: self.endpoint(),
            after: self.message.timeout,
        })
    }

    fn gone(&self, attempt: Attempt) -> Failed {
        let error = PublishError::Disconnected {
            topic: self.topic(),
            endpoint: self.endpoint(),
            reason: self.connection.close_reason().unwrap_or(CloseReason::Local),
        };
        Failed::Retry(attempt, error)
    }

    fn result(&self, outcome: Outcome) -> Result<Bytes, Failed> {
        // Names are made for errors only: this is the way of every message.
        if let Outcome::Answered(payload) = outcome {
            return Ok(payload);
        }
        let (topic, endpoint) = (self.topic(), self.endpoint());
        Err(match outcome {
            Outcome::Answered(payload) => return Ok(payload),
            Outcome::NoSubscriber => {
                let error = PublishError::NoSubscriber { topic, endpoint };
                Failed::Retry(Attempt::Turned, error)
            }
            Outcome::Unanswered => {
                let error = PublishError::Unanswered { topic, endpoint };
                Failed::Retry(Attempt::Turned, error)
            }
            Outcome::NodeTimedOut => Failed::Final(PublishError::NodeTimeout { topic, endpoint }),
            Outcome::OverLimit => Failed::Final(PublishError::OverLimit { topic, endpoint }),
            Outcome::Undecodable => Failed::Final(PublishError::Undecodable { topic, endpoint }),
            Outcome::Rejected { code, payload } => Failed::Final(PublishError::Rejected {
                topic,
                endpoint,
                code,
                payload,
            }),
            Outcome::TimedOut => Failed::Final(PublishError::Timeout {
                topic,
                endpoint,
                after: self.message.timeout,
            }),
            Outcome::Disconnected => self.gone(Attempt::Lost),
        })
    }
}
