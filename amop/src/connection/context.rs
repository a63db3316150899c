//! What one attempt at publishing needs of its connection, and how it can fail.

use std::time::Duration;

use amop_proto::{
    TopicName,
    channel::{PrivateName, Seq},
    client::{AttemptEnd, CloseReason, RefusalReason, RequestOutcome},
};
use bytes::Bytes;
use tokio::{
    sync::{AcquireError, SemaphorePermit},
    time::{Instant, timeout_at},
};

use super::{
    handle::Connection,
    inner::{ConnectionInner, wire_len},
    settings::SEND_BUFFER,
};
use crate::{PublishError, send::AttemptFailure};

impl Connection {
    /// Returns the error of a message that was in flight when the connection was lost.
    pub(crate) fn gone(&self, topic: &TopicName) -> PublishError {
        PublishError::Disconnected {
            topic: PrivateName::shown(topic).to_owned(),
            endpoint: self.endpoint().to_owned(),
            reason: self.close_reason().unwrap_or(CloseReason::Local),
        }
    }

    /// Returns whether a message with this seq waits for its answer.
    pub(crate) fn awaits(&self, seq: &Seq) -> bool {
        self.lock().session.awaits(seq)
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
    pub(super) fn charge(&self, payload: &[u8]) -> Result<usize, AttemptFailure> {
        let len = wire_len(self.topic, payload);
        if len > self.connection.max_frame() {
            return Err(self.too_large(len));
        }
        Ok(len.min(SEND_BUFFER))
    }

    /// Reserves a place among the messages in flight and room in the send buffer, which the driver
    /// releases when the bytes are written. Usually there is room, and no timer is needed.
    pub(super) fn try_admit(&self, charge: usize) -> Option<SemaphorePermit<'a>> {
        let ConnectionInner {
            in_flight, room, ..
        } = &*self.connection.0;
        let permit = in_flight.try_acquire().ok()?;
        room.try_acquire_many(charge as u32).ok()?.forget();
        Some(permit)
    }

    /// As [`try_admit`](Self::try_admit), but waits for room.
    pub(super) async fn admit(
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
    pub(super) fn refused(&self, charge: usize, why: RefusalReason) -> AttemptFailure {
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
