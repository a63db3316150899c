//! The state of a connection behind its lock.

use std::{sync::Arc, task::Waker};

use amop_proto::{
    TopicName,
    channel::PrivateName,
    client::{ClientSession, CloseReason, RequestOutcome},
};
use tokio::{sync::oneshot, time::Instant};

use super::{
    notices::NoticeLog,
    settings::Hello,
    topics::{Settling, TopicChanges},
};
use crate::{
    Generation,
    receive::{Incoming, RefusedUnicast, Subscriptions},
    send::Pipelined,
};

/// The receiver of a message's outcome.
pub(super) enum Token {
    /// A caller that waits for this message.
    Exchange(oneshot::Sender<RequestOutcome>),
    /// A publisher that does not wait.
    Pipelined(Pipelined),
}

pub(super) struct ConnectionState {
    pub(super) session: ClientSession<Token>,
    pub(super) generation: Generation,
    pub(super) subscriptions: Arc<Subscriptions>,
    pub(super) driver: Option<Waker>,
    /// When the first pipeline message was queued since the driver last looked.
    pub(super) batch: Option<Instant>,
    /// Permits of `room` that the session's queued bytes hold.
    pub(super) charged: usize,
    pub(super) hello: Option<oneshot::Sender<Hello>>,
    pub(super) topics: TopicChanges,
    pub(super) closed: Option<CloseReason>,
    /// A message that a subscription has no room for. Nothing is read while it waits here.
    pub(super) held: Option<Incoming>,
    /// Log lines about what the node sends.
    pub(super) log: NoticeLog,
    /// Refusals of unicasts that other connections brought. They are sent after this state is
    /// unlocked.
    pub(super) elsewhere: Vec<RefusedUnicast>,
}

impl ConnectionState {
    pub(super) fn new(
        session: ClientSession<Token>,
        generation: Generation,
        subscriptions: Arc<Subscriptions>,
        hello: oneshot::Sender<Hello>,
    ) -> Self {
        Self {
            session,
            generation,
            subscriptions,
            driver: None,
            batch: None,
            charged: 0,
            hello: Some(hello),
            topics: TopicChanges::default(),
            closed: None,
            held: None,
            log: NoticeLog::new(),
            elsewhere: Vec::new(),
        }
    }

    /// Brings the session's topic set in line with the subscriptions, for these topics and in one
    /// change.
    pub(super) fn sync_topics(&mut self, topics: &[TopicName]) -> Settling {
        // The subscriptions are asked while the state is locked, so that two tasks that subscribe
        // and unsubscribe at the same time cannot leave a set that contradicts the subscriptions.
        // Nodes of 3.x have no private topics.
        let v2 = self.generation == Generation::V2;
        let possible = topics
            .iter()
            .filter(|topic| v2 || !PrivateName::concerns(topic.as_str()));
        let versions = possible.map(|topic| {
            if self.subscriptions.wants(topic) {
                self.session.subscribe(topic)
            } else {
                self.session.unsubscribe(topic)
            }
        });
        let version = versions.max().unwrap_or_default();
        if self.closed.is_some() || version <= self.session.settled() {
            return Settling(None);
        }
        self.topics.wait(version)
    }
}
