//! Waiting until nodes confirm a change of the topics.

use std::time::Duration;

use amop_proto::{TopicName, channel::PrivateName, client::CloseReason};
use tokio::time::{Instant, timeout_at};

use crate::{
    OfflinePolicy, SubscribeError,
    client::{CallOptions, ClientInner},
    connection::Connection,
};

impl ClientInner {
    /// Waits until every connected node has `topics`, or for a connection if there is none. Errors
    /// name the last topic.
    pub(crate) async fn subscribed(
        &self,
        topics: &[TopicName],
        options: &CallOptions,
    ) -> Result<(), SubscribeError> {
        let [.., topic] = topics else { return Ok(()) };
        let deadline = Instant::now() + options.timeout;
        let mut changes = self.changes();
        let private = PrivateName::concerns(topic.as_str());
        loop {
            changes.mark_unchanged();
            if private && self.only_v3() {
                return Err(SubscribeError::NoPrivateTopics {
                    topic: PrivateName::shown(topic).to_owned(),
                    endpoints: self.names(),
                });
            }
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
                    // A node of 3.x was not told of it.
                    Ok(true) if private && connection.is_v3() => {}
                    Ok(true) => confirmed = true,
                    Ok(false) => return Err(unconfirmed(topic, &connection, options.timeout)),
                    // The connection is lost. The next one confirms the topics before it counts as
                    // connected.
                    Err(_) => {}
                }
            }
            if confirmed {
                return Ok(());
            }
            let shown = PrivateName::shown(topic).to_owned();
            let endpoints = self.names();
            let offline = match private && self.no_v2_found() {
                true => SubscribeError::NoPrivateTopics {
                    topic: shown,
                    endpoints,
                },
                false => SubscribeError::Offline {
                    topic: shown,
                    endpoints,
                },
            };
            if options.offline == OfflinePolicy::FailFast && self.close_reason().is_none() {
                return Err(offline);
            }
            if timeout_at(deadline, changes.changed()).await.is_err() {
                return Err(offline);
            }
        }
    }

    /// Waits until no connected node has `topics` any more. Errors name the last topic.
    pub(crate) async fn unsubscribed(
        &self,
        topics: &[TopicName],
        after: Duration,
    ) -> Result<(), SubscribeError> {
        let [.., topic] = topics else { return Ok(()) };
        let deadline = Instant::now() + after;
        let mut result = Ok(());
        for (connection, settling) in self.sync_topics(topics) {
            match connection.settled(settling, deadline).await {
                Ok(true) => {}
                Ok(false) => result = Err(unconfirmed(topic, &connection, after)),
                // When a connection ends, its node forgets the topics.
                Err(_) => {}
            }
        }
        if self.close_reason().is_some() {
            return Err(self.unsubscribable(topic));
        }
        result
    }

    /// Returns the error of a client that is closed.
    pub(crate) fn unsubscribable(&self, topic: &TopicName) -> SubscribeError {
        SubscribeError::Disconnected {
            topic: PrivateName::shown(topic).to_owned(),
            endpoint: self.names(),
            reason: self.close_reason().unwrap_or(CloseReason::Local),
        }
    }
}

fn unconfirmed(topic: &TopicName, connection: &Connection, after: Duration) -> SubscribeError {
    SubscribeError::Timeout {
        topic: PrivateName::shown(topic).to_owned(),
        endpoint: connection.endpoint().to_owned(),
        after,
    }
}
