//! What one attempt at publishing needs of its connection, and how it can fail.

use std::time::Duration;

use amop_proto::{
    TopicName,
    channel::Seq,
    client::{AttemptEnd, CloseReason, RefusalReason, RequestOutcome},
    ws::WsStatus,
};
use bytes::Bytes;
use tokio::{
    sync::{AcquireError, SemaphorePermit},
    time::{Instant, timeout_at},
};

use super::{handle::Connection, inner::ConnectionInner, settings::SEND_BUFFER};
use crate::{PublishError, PublishErrorKind as Kind, send::AttemptFailure};

impl Connection {
    /// Returns the error of a message that was in flight when the connection was lost.
    pub(crate) fn gone(&self, topic: &TopicName, seq: Option<Seq>) -> PublishError {
        let reason = self.close_reason().unwrap_or(CloseReason::Local);
        PublishError::new(Kind::Disconnected { reason }, topic)
            .at(self.endpoint())
            .with_seq(seq)
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
    /// The length of the message's frame.
    pub(super) len: usize,
    /// The message's seq, once it was sent.
    pub(super) seq: Option<Seq>,
    /// The time allowed for all attempts together.
    pub(super) timeout: Duration,
}

impl<'a> PublishContext<'a> {
    fn error(&self, kind: Kind) -> PublishError {
        PublishError::new(kind, self.topic)
            .at(self.connection.endpoint())
            .with_seq(self.seq)
    }

    /// Returns how many bytes of the send buffer a message takes.
    pub(super) fn charge(&self) -> Result<usize, AttemptFailure> {
        let len = self.len;
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
            Ok(Err(_)) => Err(AttemptFailure::NotSent),
            Err(_) => Err(self.congested()),
        }
    }

    /// Releases the reserved room, because nothing was queued, and returns the failure.
    pub(super) fn refused(&self, charge: usize, why: RefusalReason) -> AttemptFailure {
        self.connection.0.room.add_permits(charge);
        match why {
            RefusalReason::TooLong { len, .. } => self.too_large(len),
            RefusalReason::InFlight { .. } | RefusalReason::SeqInUse => self.congested(),
            RefusalReason::NotReady | RefusalReason::Closed => AttemptFailure::NotSent,
        }
    }

    /// Returns the failure of a frame that is too long; another node may accept it.
    fn too_large(&self, len: usize) -> AttemptFailure {
        let max = self.connection.max_frame();
        self.retry(AttemptEnd::Refused, Kind::TooLarge { len, max })
    }

    fn congested(&self) -> AttemptFailure {
        let after = self.timeout;
        AttemptFailure::Final(self.error(Kind::Congested { after }))
    }

    fn retry(&self, attempt: AttemptEnd, kind: Kind) -> AttemptFailure {
        AttemptFailure::Retry(attempt, self.error(kind))
    }

    pub(super) fn result(&self, outcome: RequestOutcome) -> Result<Bytes, AttemptFailure> {
        // Names are copied only for errors, because every message passes here.
        let kind = match outcome {
            RequestOutcome::Answered(payload) => return Ok(payload),
            RequestOutcome::NoSubscriber => {
                let fisco = !self.connection.is_overlay();
                return Err(self.retry(AttemptEnd::Refused, Kind::NoSubscriber { fisco }));
            }
            RequestOutcome::Unanswered => {
                return Err(self.retry(AttemptEnd::Refused, Kind::Unanswered));
            }
            RequestOutcome::Disconnected => {
                let lost = self.connection.gone(self.topic, self.seq);
                return Err(AttemptFailure::Retry(AttemptEnd::Lost, lost));
            }
            RequestOutcome::CutOff { len, longest } => {
                return Err(self.retry(AttemptEnd::CutOff, Kind::CutOff { len, longest }));
            }
            RequestOutcome::SubscriberLeft => Kind::SubscriberLeft,
            RequestOutcome::NodeTimedOut => Kind::NodeTimeout,
            RequestOutcome::OverLimit => Kind::OverLimit,
            RequestOutcome::Undecodable => Kind::Undecodable,
            RequestOutcome::NoReply => Kind::NoReply,
            RequestOutcome::Failed => Kind::SubscriberFailed,
            RequestOutcome::Rejected { code, .. }
                if code == i32::from(WsStatus::TOO_LONG.0) && self.connection.is_v3() =>
            {
                // The node does not tell its limit.
                let len = self.len;
                return Err(self.retry(AttemptEnd::Refused, Kind::TooLarge { len, max: len - 1 }));
            }
            RequestOutcome::Rejected { code, payload } => Kind::Rejected { code, payload },
            RequestOutcome::TimedOut => Kind::Timeout {
                after: self.timeout,
                fisco: !self.connection.is_overlay(),
            },
        };
        Err(AttemptFailure::Final(self.error(kind)))
    }
}
