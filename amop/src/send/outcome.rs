//! Counts how messages end.

use amop_proto::client::MessageKind;

use crate::{
    PublishError, PublishErrorKind as Kind,
    report::{ClientCounters, Count},
};

/// A message that is being published. It counts as cancelled if it is dropped before its end.
pub(super) struct Publishing<'a> {
    counters: &'a ClientCounters,
    kind: MessageKind,
    ended: bool,
}

impl<'a> Publishing<'a> {
    /// Counts a message at its start.
    pub(super) fn start(counters: &'a ClientCounters, kind: MessageKind) -> Self {
        match kind {
            MessageKind::Unicast => counters.unicasts.one(),
            MessageKind::Multicast => counters.multicasts.one(),
        }
        Self {
            counters,
            kind,
            ended: false,
        }
    }

    /// Counts its end.
    pub(super) fn end<T>(mut self, result: &Result<T, PublishError>) {
        self.ended = true;
        match (result, self.kind) {
            (Ok(_), MessageKind::Multicast) => self.counters.confirmed.one(),
            (Ok(_), MessageKind::Unicast) => self.counters.answered.one(),
            // A subscriber took it and has nothing to say.
            (Err(error), _) if matches!(error.kind(), Kind::NoReply) => {
                self.counters.answered.one();
            }
            (Err(error), _) => failure(self.counters, error).one(),
        }
    }
}

impl Drop for Publishing<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.counters.cancelled.one();
        }
    }
}

/// Returns the count of messages that failed in this way.
pub(super) fn failure<'a>(counters: &'a ClientCounters, error: &PublishError) -> &'a Count {
    match error.kind() {
        Kind::InvalidTopic(_)
        | Kind::Encode(_)
        | Kind::TooLarge { .. }
        | Kind::Congested { .. }
        | Kind::NotGranted
        | Kind::NoPrivateTopics
        | Kind::NotSealed
        | Kind::Seal(_)
        | Kind::Offline { .. }
        | Kind::Closed { .. } => &counters.not_sent,
        Kind::NoSubscriber { .. } | Kind::NoVerifiedSubscriber { .. } => &counters.no_subscriber,
        Kind::Unanswered | Kind::OverLimit => &counters.not_taken,
        Kind::UnprovenAnswer(_)
        | Kind::Undecodable
        | Kind::NoReply
        | Kind::SubscriberFailed
        | Kind::Rejected { .. }
        | Kind::Reply(_) => &counters.refused,
        Kind::NodeTimeout | Kind::Timeout { .. } => &counters.timed_out,
        Kind::CutOff { .. } | Kind::SubscriberLeft | Kind::Disconnected { .. } => &counters.lost,
    }
}
