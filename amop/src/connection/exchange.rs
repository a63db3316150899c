//! One attempt at publishing: sends a message over one connection and waits for the answer.

use std::{sync::Arc, time::Duration};

use amop_proto::{
    TopicName,
    channel::{PrivateName, Seq},
    client::{AttemptEnd, CloseReason, MessageKind, RefusalReason, RequestOutcome},
};
use bytes::Bytes;
use tokio::{
    sync::{AcquireError, SemaphorePermit, oneshot},
    time::{Instant, timeout_at},
};

use super::{Connection, ConnectionInner, SEND_BUFFER, Token, wire_len};
use crate::{
    PublishError,
    send::{AttemptFailure, OutgoingMessage, Pipeline, Pipelined, PipelinedMessage},
};

impl Connection {
    /// Returns the error of a message that was in flight when the connection was lost.
    pub(crate) fn gone(&self, topic: &TopicName) -> PublishError {
        PublishError::Disconnected {
            topic: PrivateName::shown(topic).to_owned(),
            endpoint: self.endpoint().to_owned(),
            reason: self.close_reason().unwrap_or(CloseReason::Local),
        }
    }

    /// Sends a message and waits for its answer.
    pub(crate) async fn exchange(
        &self,
        message: &mut OutgoingMessage<'_>,
    ) -> Result<(Seq, Bytes), AttemptFailure> {
        let OutgoingMessage {
            kind,
            seq,
            topic,
            payload,
            deadline,
            timeout,
            cut_offs: _,
        } = *message;
        let context = PublishContext {
            connection: self,
            topic,
            timeout,
        };
        let charge = context.charge(payload)?;
        // Released when this function returns.
        let _in_flight = match context.try_admit(charge) {
            Some(permit) => permit,
            None => context.admit(charge, deadline).await?,
        };
        let (sender, receiver) = oneshot::channel();
        let sent = self.update(|state| {
            let token = Token::Exchange(sender);
            let (session, deadline) = (&mut state.session, deadline.into_std());
            match seq {
                None => session.request(kind, topic, payload, deadline, token),
                Some(seq) => session
                    .request_as(seq, kind, topic, payload, deadline, token)
                    .map(|()| seq),
            }
            .inspect(|_| state.charged += charge)
        });
        let seq = sent.map_err(|refused| context.refused(charge, refused.why))?;
        message.seq = Some(seq);
        let mut waiting = CancelOnDrop {
            connection: self,
            seq: Some(seq),
        };
        let outcome = receiver.await;
        waiting.seq = None;
        // The sender is dropped without a value only when the state itself is dropped.
        let payload = context.result(outcome.unwrap_or(RequestOutcome::Disconnected))?;
        Ok((seq, payload))
    }

    /// Sends a multicast of a pipeline, which gets its outcome. Waits for room until `deadline`, or
    /// without one for the pipeline's timeout. Returns its seq.
    pub(crate) async fn enqueue(
        &self,
        pipeline: &Arc<Pipeline>,
        message: PipelinedMessage<'_>,
        deadline: Option<Instant>,
    ) -> Result<Seq, AttemptFailure> {
        let PipelinedMessage {
            number,
            seq,
            payload,
            cut_offs,
            copy,
        } = message;
        let (topic, timeout) = (pipeline.topic(), pipeline.timeout());
        let context = PublishContext {
            connection: self,
            topic,
            timeout,
        };
        let charge = context.charge(payload)?;
        match context.try_admit(charge) {
            Some(permit) => permit.forget(),
            None => {
                let until = deadline.unwrap_or_else(|| Instant::now() + timeout);
                context.admit(charge, until).await?.forget();
            }
        }
        let sent = self.update(|state| {
            // The first message since the driver's last look wakes the driver. Messages that come
            // before it runs are almost as old, so they use the same time instead of reading the
            // clock.
            let since = *state.batch.get_or_insert_with(Instant::now);
            let until = deadline.unwrap_or(since + timeout).into_std();
            let token = |seq| {
                let pipeline = Arc::clone(pipeline);
                let payload = payload.clone();
                Token::Pipelined(Pipelined {
                    pipeline,
                    number,
                    seq,
                    payload,
                    cut_offs,
                    copy,
                })
            };
            let (session, kind) = (&mut state.session, MessageKind::Multicast);
            match seq {
                None => session.request_with(kind, topic, payload, until, token),
                Some(seq) => session
                    .request_as(seq, kind, topic, payload, until, token(seq))
                    .map(|()| seq)
                    .map_err(|refused| refused.why),
            }
            // Recorded while the state is locked, so that no answer comes first.
            .inspect(|_| {
                state.charged += charge;
                pipeline.sent(payload.len(), copy);
            })
        });
        sent.map_err(|why| {
            self.0.in_flight.add_permits(1);
            context.refused(charge, why)
        })
    }
}

/// Cancels a request whose future is dropped before the answer comes.
struct CancelOnDrop<'a> {
    connection: &'a Connection,
    seq: Option<Seq>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(seq) = self.seq {
            self.connection.lock().session.cancel(&seq);
        }
    }
}

/// The details that every error of a publish contains.
pub(super) struct PublishContext<'a> {
    pub(super) connection: &'a Connection,
    pub(super) topic: &'a TopicName,
    /// The time allowed for all attempts together.
    pub(super) timeout: Duration,
}

impl<'a> PublishContext<'a> {
    fn topic(&self) -> String {
        PrivateName::shown(self.topic).to_owned()
    }

    fn endpoint(&self) -> String {
        self.connection.endpoint().to_owned()
    }

    /// Returns how many bytes of the send buffer a message takes.
    fn charge(&self, payload: &[u8]) -> Result<usize, AttemptFailure> {
        let len = wire_len(self.topic, payload);
        if len > self.connection.max_frame() {
            return Err(self.too_large(len));
        }
        Ok(len.min(SEND_BUFFER))
    }

    /// Reserves a place among the messages in flight and room in the send buffer, which the driver
    /// releases when the bytes are written. Usually there is room, and no timer is needed.
    fn try_admit(&self, charge: usize) -> Option<SemaphorePermit<'a>> {
        let ConnectionInner {
            in_flight, room, ..
        } = &*self.connection.0;
        let permit = in_flight.try_acquire().ok()?;
        room.try_acquire_many(charge as u32).ok()?.forget();
        Some(permit)
    }

    /// As [`try_admit`](Self::try_admit), but waits for room.
    async fn admit(
        &self,
        charge: usize,
        until: Instant,
    ) -> Result<SemaphorePermit<'a>, AttemptFailure> {
        let ConnectionInner {
            in_flight, room, ..
        } = &*self.connection.0;
        let both = async {
            let permit = in_flight.acquire().await?;
            room.acquire_many(charge as u32).await?.forget();
            Ok::<_, AcquireError>(permit)
        };
        match timeout_at(until, both).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(self.gone(AttemptEnd::NotSent)),
            Err(_) => Err(self.congested()),
        }
    }

    /// Releases the reserved room, because nothing was queued, and returns the failure.
    fn refused(&self, charge: usize, why: RefusalReason) -> AttemptFailure {
        self.connection.0.room.add_permits(charge);
        match why {
            RefusalReason::TooLong { len, .. } => self.too_large(len),
            RefusalReason::InFlight { .. } | RefusalReason::SeqInUse => self.congested(),
            RefusalReason::NotReady | RefusalReason::Closed => self.gone(AttemptEnd::NotSent),
        }
    }

    /// Returns the failure of a frame that is too long; another node may accept it.
    fn too_large(&self, len: usize) -> AttemptFailure {
        let error = PublishError::TooLarge {
            topic: self.topic(),
            len,
            max: self.connection.max_frame(),
        };
        AttemptFailure::Retry(AttemptEnd::Refused, error)
    }

    fn congested(&self) -> AttemptFailure {
        AttemptFailure::Final(PublishError::Congested {
            topic: self.topic(),
            endpoint: self.endpoint(),
            after: self.timeout,
        })
    }

    fn gone(&self, attempt: AttemptEnd) -> AttemptFailure {
        let error = self.connection.gone(self.topic);
        AttemptFailure::Retry(attempt, error)
    }

    pub(super) fn result(&self, outcome: RequestOutcome) -> Result<Bytes, AttemptFailure> {
        // Names are copied only for errors, because every message passes here.
        if let RequestOutcome::Answered(payload) = outcome {
            return Ok(payload);
        }
        let (topic, endpoint) = (self.topic(), self.endpoint());
        Err(match outcome {
            RequestOutcome::Answered(payload) => return Ok(payload),
            RequestOutcome::NoSubscriber => {
                let error = PublishError::NoSubscriber {
                    topic,
                    endpoint,
                    fisco: !self.connection.is_overlay(),
                };
                AttemptFailure::Retry(AttemptEnd::Refused, error)
            }
            RequestOutcome::Unanswered => {
                let error = PublishError::Unanswered { topic, endpoint };
                AttemptFailure::Retry(AttemptEnd::Refused, error)
            }
            RequestOutcome::NodeTimedOut => {
                AttemptFailure::Final(PublishError::NodeTimeout { topic, endpoint })
            }
            RequestOutcome::OverLimit => {
                AttemptFailure::Final(PublishError::OverLimit { topic, endpoint })
            }
            RequestOutcome::Undecodable => {
                AttemptFailure::Final(PublishError::Undecodable { topic, endpoint })
            }
            RequestOutcome::NoReply => {
                AttemptFailure::Final(PublishError::NoReply { topic, endpoint })
            }
            RequestOutcome::Failed => {
                AttemptFailure::Final(PublishError::SubscriberFailed { topic, endpoint })
            }
            RequestOutcome::Rejected { code, payload } => {
                AttemptFailure::Final(PublishError::Rejected {
                    topic,
                    endpoint,
                    code,
                    payload,
                })
            }
            RequestOutcome::TimedOut => AttemptFailure::Final(PublishError::Timeout {
                topic,
                endpoint,
                after: self.timeout,
                fisco: !self.connection.is_overlay(),
            }),
            RequestOutcome::Disconnected => self.gone(AttemptEnd::Lost),
            RequestOutcome::CutOff { len, longest } => {
                let error = PublishError::CutOff {
                    topic,
                    endpoint,
                    len,
                    longest,
                };
                AttemptFailure::Retry(AttemptEnd::CutOff, error)
            }
        })
    }
}
