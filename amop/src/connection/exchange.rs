//! Publishing: a message goes out, its answer comes back.

use std::{future::Future, pin::pin, time::Duration};

use amop_proto::{
    TopicName,
    channel::Seq,
    client::{CloseReason, Kind, Outcome, Refused, RefusedWhy},
};
use bytes::Bytes;
use tokio::{
    sync::{AcquireError, SemaphorePermit, oneshot},
    time::{Instant, timeout_at},
};

use super::{Connection, SEND_BUFFER, wire_len};
use crate::PublishError;

/// The answer to a message.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) seq: Seq,
    pub(crate) payload: Bytes,
}

impl Connection {
    /// Sends a message and waits for its answer.
    pub(crate) async fn exchange(
        &self,
        kind: Kind,
        topic: &TopicName,
        payload: &[u8],
        timeout: Duration,
    ) -> Result<Answer, PublishError> {
        let deadline = Instant::now() + timeout;
        let context = Context {
            connection: self,
            topic,
            timeout,
        };
        let len = wire_len(topic, payload);
        if len > self.0.max_frame {
            return Err(context.too_large(len));
        }
        let charge = len.min(SEND_BUFFER);
        let in_flight = self.0.in_flight.acquire();
        let _in_flight = context.permit(deadline, in_flight).await?;
        let room = self.0.room.acquire_many(charge as u32);
        let room = context.permit(deadline, room).await?;

        let (sender, receiver) = oneshot::channel();
        let seq = self.update(|state| {
            let seq = state
                .session
                .request(kind, topic, payload, deadline.into_std(), sender)?;
            // Given back by the driver when the bytes are written.
            room.forget();
            state.charged += charge;
            Ok(seq)
        });
        let seq = seq.map_err(|refused: Refused<_>| match refused.why {
            RefusedWhy::TooLong { len, .. } => context.too_large(len),
            RefusedWhy::InFlight { .. } => context.congested(),
            RefusedWhy::NotReady | RefusedWhy::Closed => context.disconnected(),
        })?;
        let mut waiting = Waiting {
            connection: self,
            seq: Some(seq),
        };
        let outcome = receiver.await;
        waiting.seq = None;
        // The sender is dropped without a word only when the state itself is.
        let payload = context.result(outcome.unwrap_or(Outcome::Disconnected))?;
        Ok(Answer { seq, payload })
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
    topic: &'a TopicName,
    timeout: Duration,
}

impl Context<'_> {
    fn topic(&self) -> String {
        self.topic.to_string()
    }

    fn endpoint(&self) -> String {
        self.connection.endpoint().to_owned()
    }

    async fn permit<'s>(
        &self,
        deadline: Instant,
        acquire: impl Future<Output = Result<SemaphorePermit<'s>, AcquireError>>,
    ) -> Result<SemaphorePermit<'s>, PublishError> {
        match timeout_at(deadline, pin!(acquire)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(self.disconnected()),
            Err(_) => Err(self.congested()),
        }
    }

    fn too_large(&self, len: usize) -> PublishError {
        PublishError::TooLarge {
            topic: self.topic(),
            len,
            max: self.connection.0.max_frame,
        }
    }

    fn congested(&self) -> PublishError {
        PublishError::Congested {
            topic: self.topic(),
            endpoint: self.endpoint(),
            after: self.timeout,
        }
    }

    fn disconnected(&self) -> PublishError {
        PublishError::Disconnected {
            topic: self.topic(),
            endpoint: self.endpoint(),
            reason: self.connection.close_reason().unwrap_or(CloseReason::Local),
        }
    }

    fn result(&self, outcome: Outcome) -> Result<Bytes, PublishError> {
        let error = |make: fn(String, String) -> PublishError| make(self.topic(), self.endpoint());
        Err(match outcome {
            Outcome::Answered(payload) => return Ok(payload),
            Outcome::NoSubscriber => {
                error(|topic, endpoint| PublishError::NoSubscriber { topic, endpoint })
            }
            Outcome::OverLimit => {
                error(|topic, endpoint| PublishError::OverLimit { topic, endpoint })
            }
            Outcome::Unanswered => {
                error(|topic, endpoint| PublishError::Unanswered { topic, endpoint })
            }
            Outcome::Undecodable => {
                error(|topic, endpoint| PublishError::Undecodable { topic, endpoint })
            }
            Outcome::Rejected { code, payload } => PublishError::Rejected {
                topic: self.topic(),
                endpoint: self.endpoint(),
                code,
                payload,
            },
            Outcome::TimedOut => PublishError::Timeout {
                topic: self.topic(),
                endpoint: self.endpoint(),
                after: self.timeout,
            },
            Outcome::Disconnected => self.disconnected(),
        })
    }
}
