//! Publishing a message: one connection after the other, until one brings an answer.

use amop_proto::{
    TopicName,
    channel::{PrivateName, Seq},
    client::{MessageKind, NextAttempt},
};
use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use tracing::Instrument;

use super::{
    message::{OutgoingMessage, exchange_span},
    outcome::Publishing,
    tries::Tries,
};
use crate::{
    OfflinePolicy, PublishError, PublishErrorKind as Kind,
    client::{CallOptions, ClientInner, Picked},
    connection::Connection,
};

/// The answer to a message.
#[derive(Debug)]
pub(crate) struct ReceivedAnswer {
    pub(crate) seq: Seq,
    pub(crate) payload: Bytes,
    /// The connection that brought it.
    pub(crate) connection: Connection,
}

impl ClientInner {
    /// Publishes a message over one connection after the other, until one brings an answer.
    ///
    /// A unicast to a private topic waits until a subscriber is verified. A multicast cannot: a
    /// node confirms it with or without subscribers, and the node's own subscribers need no
    /// verification.
    pub(crate) async fn publish(
        &self,
        options: &CallOptions,
        kind: MessageKind,
        topic: &TopicName,
        payload: &[u8],
    ) -> Result<ReceivedAnswer, PublishError> {
        let deadline = Instant::now() + options.timeout;
        self.publish_until(deadline, options, kind, topic, payload)
            .await
    }

    /// As [`publish`](Self::publish), with a deadline that several calls share.
    pub(crate) async fn publish_until(
        &self,
        deadline: Instant,
        options: &CallOptions,
        kind: MessageKind,
        topic: &TopicName,
        payload: &[u8],
    ) -> Result<ReceivedAnswer, PublishError> {
        let _counted = self.publishing.one();
        let publishing = Publishing::start(&self.counters, kind);
        let span = exchange_span(topic, kind);
        let message = OutgoingMessage {
            kind,
            seq: None,
            topic,
            payload,
            deadline,
            options,
            span: &span,
            cut_offs: 0,
        };
        let result = self.checked(message).instrument(span.clone()).await;
        publishing.end(&result);
        result
    }

    /// Tries a message over one connection after the other, if it may be published.
    async fn checked(&self, message: OutgoingMessage<'_>) -> Result<ReceivedAnswer, PublishError> {
        let private = PrivateName::of_topic(message.topic);
        self.check_granted(private.as_ref())?;
        self.sealed.check(message.topic, message.payload)?;
        self.deliver(message, private.as_ref()).await
    }

    /// Checks that messages may be published to a topic; a private topic must be granted.
    pub(crate) fn check_granted(&self, private: Option<&PrivateName>) -> Result<(), PublishError> {
        match private {
            Some(name) if !self.private.is_granted(name) => {
                Err(PublishError::new(Kind::NotGranted, name.topic()))
            }
            _ => Ok(()),
        }
    }

    /// Tries a message over one connection after the other.
    pub(crate) async fn deliver(
        &self,
        message: OutgoingMessage<'_>,
        private: Option<&PrivateName>,
    ) -> Result<ReceivedAnswer, PublishError> {
        let mut tries = Tries::new(private, message.cut_offs);
        let mut copied = false;
        let tried = self.try_all(message, private, &mut tries, &mut copied);
        let answer = tried.await;
        answer.map_err(|error| error.after_attempt(copied || tries.may_have_delivered()))
    }

    async fn try_all(
        &self,
        mut message: OutgoingMessage<'_>,
        private: Option<&PrivateName>,
        tries: &mut Tries<'_>,
        copied: &mut bool,
    ) -> Result<ReceivedAnswer, PublishError> {
        // Subscribed before the last look at the connections, so that no change is missed.
        let mut changes: Option<watch::Receiver<()>> = None;
        // Subscribed before the first attempt, for the same reason.
        let mut verifications = private.map(|_| self.private.verifications());
        loop {
            match self.pick(tries.attempts(), message.topic, message.kind) {
                Picked::Connection(connection) => {
                    let attempt = self.attempt(connection, &mut message, tries, copied);
                    match attempt.await? {
                        Some(answer) => return Ok(answer),
                        None => continue,
                    }
                }
                Picked::Closed(reason) => {
                    let endpoints = self.names();
                    let closed = Kind::Closed { endpoints, reason };
                    let closed = || PublishError::new(closed, message.topic);
                    return Err(tries.error_of_sent().unwrap_or_else(closed));
                }
                Picked::None if private.is_some() && self.only_v3() => {
                    let none = || PublishError::new(Kind::NoPrivateTopics, message.topic);
                    return Err(tries.error_of_sent().unwrap_or_else(none));
                }
                Picked::None => {}
            }
            let Some(changes) = &mut changes else {
                changes = Some(self.changes());
                continue;
            };
            let until = self.next_try(tries, &message);
            if let Some(until) = until {
                let news = news(changes, &mut verifications);
                let _ = timeout_at(until.min(message.deadline), news).await;
            }
            if until.is_none() || message.deadline <= Instant::now() {
                let endpoints = self.names();
                let why = match private.is_some() && self.no_v2_found() {
                    true => Kind::NoPrivateTopics,
                    false => Kind::Offline { endpoints },
                };
                let unsent = || PublishError::new(why, message.topic);
                return Err(tries.error_of_sent().unwrap_or_else(unsent));
            }
        }
    }

    /// Sends a message over a connection, and over others that get copies. Returns its answer;
    /// `None` if another connection should be tried.
    async fn attempt(
        &self,
        connection: Connection,
        message: &mut OutgoingMessage<'_>,
        tries: &mut Tries<'_>,
        copied: &mut bool,
    ) -> Result<Option<ReceivedAnswer>, PublishError> {
        let sent = self.send(connection, message, copied).await;
        // All of them were at work at the same time, so the error of one says nothing of another.
        let attempted = sent.may_have_been_delivered();
        for (connection, failure) in sent.failed {
            tries
                .failed(message, &connection, failure)
                .map_err(|error| error.after_attempt(attempted))?;
        }
        let connection = sent.connection;
        match sent.result {
            Ok((seq, payload)) => Ok(Some(ReceivedAnswer {
                seq,
                payload,
                connection,
            })),
            Err(failure) => {
                tries.failed(message, &connection, failure)?;
                Ok(None)
            }
        }
    }

    /// Returns until when a message waits after every connection was tried; `None` if it does not
    /// wait.
    fn next_try(&self, tries: &mut Tries<'_>, message: &OutgoingMessage<'_>) -> Option<Instant> {
        let next = tries.when_exhausted(|connection| self.is_open(connection));
        match (next, message.options.offline) {
            (NextAttempt::Pause(pause), _) if tries.may_be_verified() => {
                Some(Instant::now() + pause)
            }
            (NextAttempt::Finish, _) | (_, OfflinePolicy::FailFast) => None,
            (NextAttempt::Wait, OfflinePolicy::Wait) => Some(message.deadline),
            (NextAttempt::Pause(pause), OfflinePolicy::Wait) => Some(Instant::now() + pause),
        }
    }
}

/// Waits until a connection is made or lost, or a subscriber is verified.
async fn news(changes: &mut watch::Receiver<()>, verifications: &mut Option<watch::Receiver<()>>) {
    tokio::select! {
        _ = changes.changed() => {}
        () = changed(verifications) => {}
    }
}

/// Waits for a change; forever if there is nothing to watch.
async fn changed(watched: &mut Option<watch::Receiver<()>>) {
    match watched {
        // The sender lives as long as the client.
        Some(watched) => drop(watched.changed().await),
        None => std::future::pending().await,
    }
}
