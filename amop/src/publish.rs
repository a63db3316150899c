//! The operations of a client on its connections: publish, subscribe and drain.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use amop_proto::{
    TopicName,
    channel::{PrivateName, Seq},
    client::{AttemptEnd, Attempts, CloseReason, MessageKind, NextAttempt},
};
use bytes::Bytes;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

use crate::{
    DrainError, OfflinePolicy, PublishError, SubscribeError,
    connection::{AttemptFailure, Connection, OutgoingMessage},
    inner::{ClientInner, Picked},
    receive::{DeliveryQueue, wake_all},
};

/// The answer to a message.
#[derive(Debug)]
pub(crate) struct ReceivedAnswer {
    pub(crate) seq: Seq,
    pub(crate) payload: Bytes,
    /// The connection that brought it.
    pub(crate) connection: Connection,
}

/// The error to return if no attempt succeeds: the one after which least is known about the
/// message.
#[derive(Debug, Default)]
struct FinalError(Option<(u8, PublishError)>);

impl FinalError {
    fn note(&mut self, attempt: AttemptEnd, error: PublishError) {
        let rank = match (attempt, &error) {
            (AttemptEnd::NotSent, _) => 0,
            (AttemptEnd::Refused, PublishError::NoSubscriber { .. })
            | (AttemptEnd::Unverified, _) => 1,
            (AttemptEnd::Refused, _) => 2,
            (AttemptEnd::Lost | AttemptEnd::CutOff, _) => 3,
        };
        if self.0.as_ref().is_none_or(|&(most, _)| most <= rank) {
            self.0 = Some((rank, error));
        }
    }

    /// Returns the error of an attempt that sent the message; `None` if the message was never sent.
    fn sent(self) -> Option<PublishError> {
        self.0.filter(|&(rank, _)| rank > 0).map(|(_, error)| error)
    }

    /// Returns the error to report after an attempt ended with `last`, an error that another
    /// connection would not change.
    fn after(self, last: PublishError) -> PublishError {
        // These say that nothing was sent, which is true only for the last attempt.
        let unsent = matches!(
            last,
            PublishError::Congested { .. } | PublishError::OverLimit { .. }
        );
        match self.0 {
            Some((3, lost)) if unsent => lost,
            _ => last,
        }
    }
}

impl ClientInner {
    // ---- publishing ----

    /// Publishes a message over one connection after the other, until one brings an answer.
    ///
    /// A unicast to a private topic waits until a subscriber is verified. A multicast cannot: a
    /// node confirms it with or without subscribers, and the node's own subscribers need no
    /// verification.
    pub(crate) async fn publish(
        &self,
        kind: MessageKind,
        topic: &TopicName,
        payload: &[u8],
    ) -> Result<ReceivedAnswer, PublishError> {
        let deadline = Instant::now() + self.options.timeout;
        self.publish_until(deadline, kind, topic, payload).await
    }

    /// As [`publish`](Self::publish), with a deadline that several calls share.
    pub(crate) async fn publish_until(
        &self,
        deadline: Instant,
        kind: MessageKind,
        topic: &TopicName,
        payload: &[u8],
    ) -> Result<ReceivedAnswer, PublishError> {
        let private = PrivateName::of_topic(topic);
        self.check_granted(private.as_ref())?;
        self.sealed.check(topic, payload)?;
        let _counted = self.publishing.one();
        let message = OutgoingMessage {
            kind,
            seq: None,
            topic,
            payload,
            deadline,
            timeout: self.options.timeout,
            cut_offs: 0,
        };
        self.deliver(message, private.as_ref()).await
    }

    /// Checks that messages may be published to a topic; a private topic must be granted.
    pub(crate) fn check_granted(&self, private: Option<&PrivateName>) -> Result<(), PublishError> {
        match private {
            Some(name) if !self.private.is_granted(name) => Err(PublishError::NotGranted {
                topic: name.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Tries a message over one connection after the other.
    pub(crate) async fn deliver(
        &self,
        mut message: OutgoingMessage<'_>,
        private: Option<&PrivateName>,
    ) -> Result<ReceivedAnswer, PublishError> {
        let topic = message.topic;
        let mut attempts = Attempts::after_cut_offs(message.cut_offs);
        let mut verdict = FinalError::default();
        let mut copied = false;
        // Subscribed before the last look at the connections, so that no change is missed.
        let mut changes: Option<watch::Receiver<()>> = None;
        // Subscribed before the first attempt, for the same reason.
        let mut verifications = private.map(|_| self.private.verifications());
        loop {
            match self.pick(&attempts, topic, message.kind) {
                Picked::Connection(connection) => {
                    let sent = self.send(connection, &mut message, &mut copied).await;
                    for (connection, failed) in sent.failed {
                        let tries = (&mut attempts, &mut verdict);
                        note(&message, private, tries, &connection, failed)?;
                    }
                    let connection = sent.connection;
                    match sent.result {
                        Ok((seq, payload)) => {
                            return Ok(ReceivedAnswer {
                                seq,
                                payload,
                                connection,
                            });
                        }
                        Err(failed) => {
                            let tries = (&mut attempts, &mut verdict);
                            note(&message, private, tries, &connection, failed)?;
                        }
                    }
                    continue;
                }
                Picked::Closed(reason) => {
                    return Err(match verdict.0 {
                        Some((_, error)) => error,
                        None => PublishError::Disconnected {
                            topic: topic.to_string(),
                            endpoint: self.names(),
                            reason,
                        },
                    });
                }
                Picked::None => {}
            }
            let Some(changes) = &mut changes else {
                changes = Some(self.changes());
                continue;
            };
            let next = attempts.when_exhausted(|connection| self.is_open(connection));
            // No attempt was lost, so a node is connected, and a subscriber may still be verified.
            let verifying = private.is_some() && !attempts.lost();
            let until = match (next, self.options.offline) {
                (NextAttempt::Pause(pause), _) if verifying => Some(Instant::now() + pause),
                (NextAttempt::Finish, _) | (_, OfflinePolicy::FailFast) => None,
                (NextAttempt::Wait, OfflinePolicy::Wait) => Some(message.deadline),
                (NextAttempt::Pause(pause), OfflinePolicy::Wait) => Some(Instant::now() + pause),
            };
            if let Some(until) = until {
                // Try again after a connection was made or lost, a subscriber was verified, or the
                // time has passed.
                let news = async {
                    tokio::select! {
                        _ = changes.changed() => {}
                        () = changed(&mut verifications) => {}
                    }
                };
                let _ = timeout_at(until.min(message.deadline), news).await;
            }
            if until.is_none() || message.deadline <= Instant::now() {
                return Err(verdict.sent().unwrap_or_else(|| PublishError::Offline {
                    topic: topic.to_string(),
                    endpoints: self.names(),
                }));
            }
        }
    }

    // ---- subscribing ----

    /// Waits until every connected node has `topics`, or for a connection if there is none. Errors
    /// name the last topic.
    pub(crate) async fn subscribed(&self, topics: &[TopicName]) -> Result<(), SubscribeError> {
        let [.., topic] = topics else { return Ok(()) };
        let deadline = Instant::now() + self.options.timeout;
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            if self.close_reason().is_some() {
                return Err(self.unsubscribable(topic));
            }
            let settling = self.sync_topics(topics);
            let mut confirmed = false;
            for (connection, settling) in settling {
                match connection.settled(settling, deadline).await {
                    Ok(true) if topics.iter().any(|topic| connection.refuses(topic)) => {
                        return Err(SubscribeError::Refused {
                            topic: PrivateName::shown(topic).to_owned(),
                            endpoint: connection.endpoint().to_owned(),
                        });
                    }
                    Ok(true) => confirmed = true,
                    Ok(false) => return Err(self.unconfirmed(topic, &connection)),
                    // The connection is lost. The next one confirms the topics before it counts as
                    // connected.
                    Err(_) => {}
                }
            }
            if confirmed {
                return Ok(());
            }
            let offline = SubscribeError::Offline {
                topic: PrivateName::shown(topic).to_owned(),
                endpoints: self.names(),
            };
            if self.options.offline == OfflinePolicy::FailFast && self.close_reason().is_none() {
                return Err(offline);
            }
            if timeout_at(deadline, changes.changed()).await.is_err() {
                return Err(offline);
            }
        }
    }

    /// Waits until no connected node has `topics` any more. Errors name the last topic.
    pub(crate) async fn unsubscribed(&self, topics: &[TopicName]) -> Result<(), SubscribeError> {
        let [.., topic] = topics else { return Ok(()) };
        let deadline = Instant::now() + self.options.timeout;
        let mut result = Ok(());
        for (connection, settling) in self.sync_topics(topics) {
            match connection.settled(settling, deadline).await {
                Ok(true) => {}
                Ok(false) => result = Err(self.unconfirmed(topic, &connection)),
                // When a connection ends, its node forgets the topics.
                Err(_) => {}
            }
        }
        if self.close_reason().is_some() {
            return Err(self.unsubscribable(topic));
        }
        result
    }

    fn unconfirmed(&self, topic: &TopicName, connection: &Connection) -> SubscribeError {
        SubscribeError::Timeout {
            topic: PrivateName::shown(topic).to_owned(),
            endpoint: connection.endpoint().to_owned(),
            after: self.options.timeout,
        }
    }

    /// Returns the error of a client that is closed.
    pub(crate) fn unsubscribable(&self, topic: &TopicName) -> SubscribeError {
        SubscribeError::Disconnected {
            topic: PrivateName::shown(topic).to_owned(),
            endpoint: self.names(),
            reason: self.close_reason().unwrap_or(CloseReason::Local),
        }
    }

    // ---- stopping ----

    /// Accepts no new messages, and waits until those that were accepted are read, answered and
    /// published.
    pub(crate) async fn drain(&self) -> Result<(), DrainError> {
        let after = self.options.drain_timeout;
        let deadline = Instant::now() + after;
        let left = self.subscriptions.leave_all();
        let drained = async {
            let settling: Vec<_> = left
                .iter()
                .flat_map(|(topic, _)| self.sync_topics(&self.subscriptions.topics_of(topic)))
                .collect();
            for (connection, settling) in settling {
                // A connection that does not confirm, or is lost, is closed later like the others.
                let _ = connection.settled(settling, deadline).await;
            }
            for (_, queue) in &left {
                wake_all(queue.close());
            }
            for (_, queue) in &left {
                queue.emptied().await;
            }
            self.subscriptions.all_answered().await;
            self.publishing.over().await;
        };
        timeout_at(deadline, drained)
            .await
            .map_err(|_| self.undrained(&left, after))
    }

    fn undrained(&self, left: &[(TopicName, Arc<DeliveryQueue>)], after: Duration) -> DrainError {
        let unread = left.iter().map(|(_, queue)| queue.stats().waiting);
        DrainError {
            unread: unread.sum(),
            unanswered: self.subscriptions.pending(),
            publishing: self.publishing.count(),
            after,
        }
    }
}

/// Records an attempt that failed.
///
/// # Errors
///
/// The error of the message if no other connection should be tried.
fn note(
    message: &OutgoingMessage<'_>,
    private: Option<&PrivateName>,
    (attempts, verdict): (&mut Attempts, &mut FinalError),
    connection: &Connection,
    failed: AttemptFailure,
) -> Result<(), PublishError> {
    let (attempt, error) = match failed {
        AttemptFailure::Final(error) => return Err(std::mem::take(verdict).after(error)),
        AttemptFailure::Retry(attempt, error) => (attempt, error),
    };
    let (attempt, error) = match (private, error) {
        (Some(name), PublishError::NoSubscriber { endpoint, .. }) => {
            let error = PublishError::NoVerifiedSubscriber {
                topic: name.to_string(),
                endpoint,
                after: message.timeout,
            };
            (AttemptEnd::Unverified, error)
        }
        (_, error) => (attempt, error),
    };
    attempts.ended(connection.id(), attempt);
    if attempt == AttemptEnd::CutOff {
        if attempts.is_costly() {
            return Err(error);
        }
        // A single loss may be chance.
        verdict.note(AttemptEnd::Lost, connection.gone(message.topic));
        return Ok(());
    }
    verdict.note(attempt, error);
    Ok(())
}

/// Waits for a change; forever if there is nothing to watch.
async fn changed(watched: &mut Option<watch::Receiver<()>>) {
    match watched {
        // The sender lives as long as the client.
        Some(watched) => drop(watched.changed().await),
        None => std::future::pending().await,
    }
}

/// A counter of the messages that are being published.
#[derive(Debug, Default)]
pub(crate) struct InFlightCounter {
    count: AtomicUsize,
    none: Notify,
}

impl InFlightCounter {
    /// Counts one message until the returned value is dropped.
    pub(crate) fn one(&self) -> Counted<'_> {
        self.add();
        Counted(self)
    }

    pub(crate) fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, messages: usize) {
        if self.count.fetch_sub(messages, Ordering::AcqRel) == messages {
            self.none.notify_waiters();
        }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Waits until no message is being published.
    async fn over(&self) {
        let mut none = pin!(self.none.notified());
        loop {
            // Enabled before the check of the count, so that no notification is missed.
            none.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            none.as_mut().await;
            none.set(self.none.notified());
        }
    }
}

pub(crate) struct Counted<'a>(&'a InFlightCounter);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.remove(1);
    }
}
