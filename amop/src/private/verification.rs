//! The grants and keys of a client, and the verification of subscribers, which its tasks and
//! handles share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amop_proto::{
    TopicName,
    channel::{PrivateName, VerifyRequest},
    client::Challenge,
    log::OneLine,
};
use tokio::sync::watch;

use super::{
    keys::TopicPublicKey,
    state::{PrivateTopics, SignatureCheck},
};
use crate::{Event, VerificationFailure, client::EventReporter, receive::ReplyPath};

#[derive(Debug)]
pub(crate) struct Verification {
    topics: Mutex<PrivateTopics>,
    events: Arc<EventReporter>,
    /// Notified when a subscriber is verified.
    verified: watch::Sender<()>,
}

impl Verification {
    pub(crate) fn new(events: Arc<EventReporter>) -> Self {
        Self {
            topics: Mutex::default(),
            events,
            verified: watch::Sender::new(()),
        }
    }

    /// Locks the private topics. The module of [`Subscriptions`](crate::receive::Subscriptions)
    /// says in which order locks are taken.
    pub(crate) fn lock(&self) -> MutexGuard<'_, PrivateTopics> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grants a private topic to subscribers with these keys, in addition to earlier ones.
    pub(crate) fn grant(&self, name: &PrivateName, keys: &[TopicPublicKey]) {
        self.lock().grant(name, keys);
    }

    /// Ends a grant. Returns whether there was one.
    pub(crate) fn revoke(&self, name: &PrivateName) -> bool {
        self.lock().revoke(name)
    }

    pub(crate) fn is_granted(&self, name: &PrivateName) -> bool {
        self.lock().is_granted(name)
    }

    /// Returns a receiver that is notified when a subscriber of a private topic is verified.
    pub(crate) fn verifications(&self) -> watch::Receiver<()> {
        self.verified.subscribe()
    }

    /// Signs a publisher's challenge; `None` if there is no subscription for it any more.
    pub(crate) fn sign(&self, route: &TopicName, challenge: &[u8]) -> Option<Vec<u8>> {
        let key = self.lock().key(route)?;
        Some(key.sign(challenge).to_vec())
    }

    /// Checks a subscriber's answer to its challenge. Returns whether its node may have the
    /// messages.
    pub(crate) fn judge(
        &self,
        path: &dyn ReplyPath,
        challenge: &Challenge,
        signature: &[u8],
    ) -> bool {
        let judged = self.lock().judge(path.id(), challenge, signature);
        let request = &challenge.request;
        match judged {
            SignatureCheck::Good { news } => {
                if news {
                    let (topic, endpoint) = (request.topic.to_string(), path.endpoint());
                    let (node, shown) = (&request.node, OneLine::new(&topic));
                    tracing::info!(topic = %shown, %endpoint, node = %node.short(), "verified a subscriber");
                    self.events.report(Event::SubscriberVerified {
                        topic,
                        endpoint: endpoint.to_owned(),
                        node: node.to_string(),
                    });
                }
                true
            }
            SignatureCheck::Bad(failure) => {
                self.unverified(path, request, failure);
                false
            }
        }
    }

    /// Notifies tasks that wait for a verified subscriber, after the node was told.
    pub(crate) fn told_verified(&self) {
        self.verified.send_replace(());
    }

    /// Records that a subscriber is not verified. It is reported once until the reason changes,
    /// since the node asks again every 5 s.
    pub(crate) fn unverified(
        &self,
        path: &dyn ReplyPath,
        request: &VerifyRequest,
        failure: VerificationFailure,
    ) {
        let VerifyRequest { node, topic, .. } = request;
        let news = self.lock().failed(path.id(), *node, topic, failure);
        let (endpoint, shown) = (path.endpoint(), OneLine::new(topic));
        let short = node.short();
        if !news {
            return tracing::debug!(topic = %shown, %endpoint, node = %short, "still not verified: {failure}");
        }
        tracing::warn!(topic = %shown, %endpoint, node = %short, "a subscriber was not verified: {failure}");
        self.events.report(Event::VerificationFailed {
            topic: topic.to_string(),
            endpoint: endpoint.to_owned(),
            node: node.to_string(),
            failure,
        });
    }
}
