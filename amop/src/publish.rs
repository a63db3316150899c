//! What a program does with a client's connections: publish, subscribe, and stop.

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
    client::{Attempt, Attempts, CloseReason, Kind, Next},
};
use bytes::Bytes;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

use crate::{
    DrainError, Offline, PublishError, SubscribeError,
    connection::{Connection, Failed, Message},
    hub::{Hub, Picked},
    queue::Queue,
};

/// The answer to a message.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) seq: Seq,
    pub(crate) payload: Bytes,
    /// Who brought it.
    pub(crate) connection: Connection,
}

/// The error to give if no attempt succeeds: the one that leaves most open.
#[derive(Debug, Default)]
struct Verdict(Option<(u8, PublishError)>);

impl Verdict {
    fn note(&mut self, attempt: Attempt, error: PublishError) {
        let rank = match (attempt, &error) {
            (Attempt::NotSent, _) => 0,
            (Attempt::Turned, PublishError::NoSubscriber { .. }) | (Attempt::Unverified, _) => 1,
            (Attempt::Turned, _) => 2,
            (Attempt::Lost | Attempt::CutOff, _) => 3,
        };
        if self.0.as_ref().is_none_or(|&(most, _)| most <= rank) {
            self.0 = Some((rank, error));
        }
    }

    /// What a node or a lost connection said; nothing if no attempt came so far.
    fn sent(self) -> Option<PublishError> {
        self.0.filter(|&(rank, _)| rank > 0).map(|(_, error)| error)
    }

    /// As an attempt ended with an error that no other connection changes.
    fn after(self, last: PublishError) -> PublishError {
        // These say that nothing was sent, which holds for the last attempt only.
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

impl Hub {
    // ---- publishing ----

    /// Publishes a message by way of whichever connection brings an answer first.
    ///
    /// A unicast to a private topic waits until a subscriber is verified. A multicast cannot: nodes
    /// answer it whoever there is, and subscribers of their own need no verification.
    pub(crate) async fn publish(
        &self,
        kind: Kind,
        topic: &TopicName,
        payload: &[u8],
    ) -> Result<Answer, PublishError> {
        let deadline = Instant::now() + self.options.timeout;
        self.publish_until(deadline, kind, topic, payload).await
    }

    /// As [`publish`](Self::publish), with a deadline that others have a part in.
    pub(crate) async fn publish_until(
        &self,
        deadline: Instant,
        kind: Kind,
        topic: &TopicName,
        payload: &[u8],
    ) -> Result<Answer, PublishError> {
        let private = PrivateName::of_topic(topic);
        self.check_granted(private.as_ref())?;
        self.sealed.check(topic, payload)?;
        let _counted = self.publishing.one();
        let message = Message {
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

    /// Whether messages may be published to a topic, if that is a private one.
    pub(crate) fn check_granted(&self, private: Option<&PrivateName>) -> Result<(), PublishError> {
        match private {
            Some(name) if !self.routes.is_granted(name) => Err(PublishError::NotGranted {
                topic: name.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Tries a message over one connection after the other.
    pub(crate) async fn deliver(
        &self,
        mut message: Message<'_>,
        private: Option<&PrivateName>,
    ) -> Result<Answer, PublishError> {
        let topic = message.topic;
        let mut attempts = Attempts::after_cut_offs(message.cut_offs);
        let mut verdict = Verdict::default();
        let mut copied = false;
        // Set before the last look at the connections, so that no change is missed.
        let mut changes: Option<watch::Receiver<()>> = None;
        // As above: set before the first attempt.
        let mut verifications = private.map(|_| self.routes.verifications());
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
                            return Ok(Answer {
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
            // Nodes are connected then, and asked to wait for.
            let verifying = private.is_some() && !attempts.lost();
            let until = match (next, self.options.offline) {
                (Next::Pause(pause), _) if verifying => Some(Instant::now() + pause),
                (Next::Finish, _) | (_, Offline::FailFast) => None,
                (Next::Wait, Offline::Wait) => Some(message.deadline),
                (Next::Pause(pause), Offline::Wait) => Some(Instant::now() + pause),
            };
            if let Some(until) = until {
                // A connection has come or gone, a subscriber was verified, or the time is over:
                // look again.
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

    /// Waits until every node connected to has `topics`, of which the last one is shown; for a
    /// connection if there is none.
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
                    // It is confirmed before the connection counts as made again.
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
            if self.options.offline == Offline::FailFast && self.close_reason().is_none() {
                return Err(offline);
            }
            if timeout_at(deadline, changes.changed()).await.is_err() {
                return Err(offline);
            }
        }
    }

    /// Waits until every node connected to has the topics, of which the last one is shown, no more.
    pub(crate) async fn unsubscribed(&self, topics: &[TopicName]) -> Result<(), SubscribeError> {
        let [.., topic] = topics else { return Ok(()) };
        let deadline = Instant::now() + self.options.timeout;
        let mut result = Ok(());
        for (connection, settling) in self.sync_topics(topics) {
            match connection.settled(settling, deadline).await {
                Ok(true) => {}
                Ok(false) => result = Err(self.unconfirmed(topic, &connection)),
                // A node forgets the topics of a connection with the connection.
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

    /// The error of a client that is closed.
    pub(crate) fn unsubscribable(&self, topic: &TopicName) -> SubscribeError {
        SubscribeError::Disconnected {
            topic: PrivateName::shown(topic).to_owned(),
            endpoint: self.names(),
            reason: self.close_reason().unwrap_or(CloseReason::Local),
        }
    }

    // ---- stopping ----

    /// Takes no new messages, and waits until those that were taken are dealt with.
    pub(crate) async fn drain(&self) -> Result<(), DrainError> {
        let after = self.options.drain_timeout;
        let deadline = Instant::now() + after;
        let left = self.routes.leave_all();
        let drained = async {
            let settling: Vec<_> = left
                .iter()
                .flat_map(|(topic, _)| self.sync_topics(&self.routes.topics_of(topic)))
                .collect();
            for (connection, settling) in settling {
                // What does not confirm, or is gone, is closed below like the others.
                let _ = connection.settled(settling, deadline).await;
            }
            for (_, queue) in &left {
                Connection::wake_all(queue.close());
            }
            for (_, queue) in &left {
                queue.emptied().await;
            }
            self.routes.all_answered().await;
            self.publishing.over().await;
        };
        timeout_at(deadline, drained)
            .await
            .map_err(|_| self.undrained(&left, after))
    }

    fn undrained(&self, left: &[(TopicName, Arc<Queue>)], after: Duration) -> DrainError {
        let unread = left.iter().map(|(_, queue)| queue.stats().waiting);
        DrainError {
            unread: unread.sum(),
            unanswered: self.routes.pending(),
            publishing: self.publishing.count(),
            after,
        }
    }
}

/// Takes note of an attempt that failed.
///
/// # Errors
///
/// The error of the message if no other connection is to be tried.
fn note(
    message: &Message<'_>,
    private: Option<&PrivateName>,
    (attempts, verdict): (&mut Attempts, &mut Verdict),
    connection: &Connection,
    failed: Failed,
) -> Result<(), PublishError> {
    let (attempt, error) = match failed {
        Failed::Final(error) => return Err(std::mem::take(verdict).after(error)),
        Failed::Retry(attempt, error) => (attempt, error),
    };
    let (attempt, error) = match (private, error) {
        (Some(name), PublishError::NoSubscriber { endpoint, .. }) => {
            let error = PublishError::NoVerifiedSubscriber {
                topic: name.to_string(),
                endpoint,
                after: message.timeout,
            };
            (Attempt::Unverified, error)
        }
        (_, error) => (attempt, error),
    };
    attempts.ended(connection.id(), attempt);
    if attempt == Attempt::CutOff {
        if attempts.is_costly() {
            return Err(error);
        }
        // Once may be chance.
        verdict.note(Attempt::Lost, connection.gone(message.topic));
        return Ok(());
    }
    verdict.note(attempt, error);
    Ok(())
}

/// Waits for a change, forever if there is nothing to watch.
async fn changed(watched: &mut Option<watch::Receiver<()>>) {
    match watched {
        // The sender lives as long as the client.
        Some(watched) => drop(watched.changed().await),
        None => std::future::pending().await,
    }
}

/// How many messages are being published.
#[derive(Debug, Default)]
pub(crate) struct Publishing {
    count: AtomicUsize,
    none: Notify,
}

impl Publishing {
    /// Counts one until dropped.
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

    /// Waits until there are none.
    async fn over(&self) {
        let mut none = pin!(self.none.notified());
        loop {
            // Before the look at the count, so that no end is missed.
            none.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            none.as_mut().await;
            none.set(self.none.notified());
        }
    }
}

pub(crate) struct Counted<'a>(&'a Publishing);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.remove(1);
    }
}
