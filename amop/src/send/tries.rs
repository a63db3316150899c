//! The attempts at publishing one message, and the error that they lead to.

use amop_proto::{
    channel::PrivateName,
    client::{AttemptEnd, Attempts, NextAttempt},
};

use super::message::{AttemptFailure, OutgoingMessage};
use crate::{PublishError, PublishErrorKind as Kind, connection::Connection};

/// The attempts at publishing one message.
#[derive(Debug)]
pub(super) struct Tries<'a> {
    /// The topic's name if it is private.
    private: Option<&'a PrivateName>,
    attempts: Attempts,
    verdict: FinalError,
    /// Whether an attempt may have delivered the message.
    attempted: bool,
}

/// The error to return if no attempt succeeds: the one after which least is known about the
/// message.
#[derive(Debug, Default)]
struct FinalError(Option<(u8, PublishError)>);

impl FinalError {
    /// The rank of an attempt whose connection was lost.
    const LOST: u8 = 2;

    fn note(&mut self, attempt: AttemptEnd, error: PublishError) {
        let rank = match (attempt, error.kind()) {
            (AttemptEnd::Lost | AttemptEnd::CutOff, _) => Self::LOST,
            (AttemptEnd::Refused, Kind::NoSubscriber { .. }) | (AttemptEnd::Unverified, _) => 0,
            (AttemptEnd::Refused | AttemptEnd::NotSent, _) => 1,
        };
        if self.0.as_ref().is_none_or(|&(most, _)| most <= rank) {
            self.0 = Some((rank, error));
        }
    }

    /// Returns the error to report after an attempt ended with `last`, an error that another
    /// connection would not change.
    fn after(self, last: PublishError) -> PublishError {
        // These say that nothing was sent, which is true only for the last attempt.
        let unsent = matches!(last.kind(), Kind::Congested { .. } | Kind::OverLimit);
        match self.0 {
            Some((Self::LOST, lost)) if unsent => lost,
            _ => last,
        }
    }
}

impl<'a> Tries<'a> {
    /// `cut_offs`: the number of earlier connections that may have ended because of the message.
    pub(super) fn new(private: Option<&'a PrivateName>, cut_offs: u32) -> Self {
        Self {
            private,
            attempts: Attempts::after_cut_offs(cut_offs),
            verdict: FinalError::default(),
            attempted: false,
        }
    }

    pub(super) fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// Records an attempt that failed.
    ///
    /// # Errors
    ///
    /// The error of the message if no other connection should be tried.
    pub(super) fn failed(
        &mut self,
        message: &OutgoingMessage<'_>,
        connection: &Connection,
        failure: AttemptFailure,
    ) -> Result<(), PublishError> {
        self.attempted |= failure.may_have_been_delivered();
        let (attempt, error) = match failure {
            AttemptFailure::NotSent => {
                self.attempts.ended(connection.id(), AttemptEnd::NotSent);
                return Ok(());
            }
            AttemptFailure::Final(error) => {
                return Err(std::mem::take(&mut self.verdict).after(error));
            }
            AttemptFailure::Retry(attempt, error) => (attempt, error),
        };
        let (attempt, error) = match error.kind() {
            Kind::NoSubscriber { .. } if self.private.is_some() => {
                let after = message.options.timeout;
                let error = error.with_kind(Kind::NoVerifiedSubscriber { after });
                (AttemptEnd::Unverified, error)
            }
            _ => (attempt, error),
        };
        self.attempts.ended(connection.id(), attempt);
        if attempt == AttemptEnd::CutOff {
            if self.attempts.is_costly() {
                return Err(error);
            }
            // A single loss may be chance.
            let lost = connection.gone(message.topic, message.seq);
            self.verdict.note(AttemptEnd::Lost, lost);
            return Ok(());
        }
        self.verdict.note(attempt, error);
        Ok(())
    }

    /// Returns what to do after every connection was tried.
    pub(super) fn when_exhausted(&mut self, is_open: impl Fn(u64) -> bool) -> NextAttempt {
        self.attempts.when_exhausted(is_open)
    }

    /// Returns whether a subscriber may still be verified: no attempt was lost, so a node is
    /// connected.
    pub(super) fn may_be_verified(&self) -> bool {
        self.private.is_some() && !self.attempts.lost()
    }

    /// Returns whether an attempt may have delivered the message.
    pub(super) fn may_have_delivered(&self) -> bool {
        self.attempted
    }

    /// Returns the error of an attempt that sent the message; `None` if the message was never sent.
    pub(super) fn error_of_sent(&mut self) -> Option<PublishError> {
        self.verdict.0.take().map(|(_, error)| error)
    }
}
