//! The client's subscriptions, which its tasks and handles share.
//!
//! They belong to a client, not to a connection: over whichever connection a message comes, the
//! same subscriptions get it, once.
//!
//! Locks are taken in the order client, connection state, subscriptions, private topics, queue,
//! events; never the other way round.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amop_proto::{
    TopicName,
    channel::{PrivateName, Seq},
    client::MessageKind,
    log::OneLine,
};
use tokio::{sync::watch, time::Instant};

use super::{
    incoming::Incoming,
    queue::DeliveryQueue,
    reply_path::{ReplyPath, wake_all},
    table::{Delivered, SubscriptionTable},
};
use crate::{
    Event, OverflowPolicy,
    client::EventReporter,
    private::{PrivateTopics, TopicKey, Verification},
    report::{ClientCounters, Later, Losses},
};

#[derive(Debug)]
pub(crate) struct Subscriptions {
    inner: Mutex<SubscriptionsState>,
    events: Arc<EventReporter>,
    later: Arc<Later>,
    counters: Arc<ClientCounters>,
    /// Notified after each answer, for tasks that wait for all of them.
    answered: watch::Sender<()>,
    /// The private topics: which of them other topics on the wire belong to.
    private: Arc<Verification>,
}

#[derive(Debug)]
struct SubscriptionsState {
    table: SubscriptionTable,
    /// The number of answers that have left the window and are not given to their connections yet.
    on_the_way: usize,
    closed: bool,
}

/// Why a subscription was not added.
#[derive(Debug)]
pub(crate) enum NotAdded {
    /// The client is closed.
    Closed,
    /// The private topic is subscribed to with another key.
    OtherKey,
}

impl Subscriptions {
    pub(crate) fn new(
        private: Arc<Verification>,
        events: Arc<EventReporter>,
        later: Arc<Later>,
        counters: Arc<ClientCounters>,
    ) -> Self {
        Self {
            inner: Mutex::new(SubscriptionsState {
                table: SubscriptionTable::new(Arc::clone(&counters)),
                on_the_way: 0,
                closed: false,
            }),
            events,
            later,
            counters,
            answered: watch::Sender::new(()),
            private,
        }
    }

    fn lock(&self) -> MutexGuard<'_, SubscriptionsState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a queue for messages of `topic`. For a private topic, `proof` is the key and a new
    /// topic for challenges, which is used if there is none yet.
    pub(crate) fn add(
        &self,
        topic: &TopicName,
        proof: Option<(&TopicKey, TopicName)>,
        capacity: usize,
        overflow: OverflowPolicy,
    ) -> Result<Arc<DeliveryQueue>, NotAdded> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(NotAdded::Closed);
        }
        if let Some((key, route)) = proof
            && !self.private.lock().prove(topic, key, route)
        {
            return Err(NotAdded::OtherKey);
        }
        let losses = self.losses_of(topic);
        let queue = Arc::new(DeliveryQueue::new(
            capacity,
            overflow,
            losses,
            Arc::clone(&self.counters),
        ));
        inner.table.add(topic, Arc::clone(&queue));
        Ok(queue)
    }

    /// Returns what reports the messages to a topic that are turned away.
    fn losses_of(&self, topic: &TopicName) -> Arc<Losses<(MessageKind, Seq)>> {
        let shown = PrivateName::shown(topic).to_owned();
        let (topic, events) = (shown.clone(), Arc::clone(&self.events));
        let event = move |dropped, _| {
            let topic = shown.clone();
            events.report(Event::Lagged { topic, dropped });
        };
        let line = move |total, (kind, seq): (MessageKind, Seq)| {
            let disposition = match kind {
                MessageKind::Unicast => "refused with result 104",
                MessageKind::Multicast => "dropped",
            };
            tracing::warn!(
                topic = %OneLine::new(&topic),
                %seq,
                total,
                "a subscription's queue is full or is not read: a message was {disposition}; read faster, \
                 raise the queue's length, or drop a subscription that is not read"
            );
        };
        Losses::new(&self.later, event, line)
    }

    /// Returns the state of private topics.
    pub(crate) fn private(&self) -> &Verification {
        &self.private
    }

    pub(crate) fn later(&self) -> &Arc<Later> {
        &self.later
    }

    pub(crate) fn counters(&self) -> &Arc<ClientCounters> {
        &self.counters
    }

    pub(crate) fn report(&self, event: Event) {
        self.events.report(event);
    }

    /// Marks a queue as leaving.
    pub(crate) fn leave(&self, topic: &TopicName, queue: &Arc<DeliveryQueue>) {
        self.lock().table.leave(topic, queue);
        wake_all(queue.leave());
    }

    /// Marks all queues as leaving, and accepts no new ones. Returns them with their topics.
    pub(crate) fn leave_all(&self) -> Vec<(TopicName, Arc<DeliveryQueue>)> {
        let left = {
            let mut inner = self.lock();
            inner.closed = true;
            inner.table.leave_all()
        };
        for (_, queue) in &left {
            wake_all(queue.leave());
        }
        left
    }

    /// Removes a queue; no message is put into it afterwards.
    pub(crate) fn remove(&self, topic: &TopicName, queue: &Arc<DeliveryQueue>) {
        let mut inner = self.lock();
        if inner.table.remove(topic, queue) {
            self.private.lock().forget(topic);
        }
    }

    /// Returns whether nodes should keep `topic`.
    pub(crate) fn wants(&self, topic: &TopicName) -> bool {
        is_wanted(&self.lock().table, &self.private.lock(), topic)
    }

    /// Returns the topics that nodes should have.
    pub(crate) fn wanted(&self) -> Vec<TopicName> {
        let inner = self.lock();
        let private = self.private.lock();
        let topics = inner.table.topics();
        let routes = private.routes().map(|(route, _)| route);
        let wanted = topics
            .chain(routes)
            .filter(|topic| is_wanted(&inner.table, &private, topic));
        wanted.chain(private.push_topics()).cloned().collect()
    }

    /// Returns the topics on the wire of a subscription to `topic`: a private topic has another one
    /// for challenges.
    pub(crate) fn topics_of(&self, topic: &TopicName) -> Vec<TopicName> {
        let route = self.private.lock().route_of(topic).cloned();
        route.into_iter().chain([topic.clone()]).collect()
    }

    // ---- messages ----

    /// Delivers a message to the subscriptions of its topic. `held`: it was blocked before.
    pub(crate) fn deliver(
        &self,
        incoming: Incoming,
        held: bool,
        now: std::time::Instant,
    ) -> Delivered {
        self.lock().table.deliver(incoming, held, now)
    }

    /// Returns when the last further copy of a unicast arrived that waits for its answer.
    pub(crate) fn last_copy(&self, topic: &TopicName, seq: Seq) -> Option<std::time::Instant> {
        self.lock().table.last_copy(topic, seq)
    }

    /// Records the program's answer to a unicast. Returns the connections that get the answer;
    /// [`sent`](Self::sent) must be called when they have it.
    pub(crate) fn answered(
        &self,
        topic: &TopicName,
        seq: Seq,
        result: i32,
        payload: &[u8],
    ) -> Vec<Arc<dyn ReplyPath>> {
        let now = Instant::now().into_std();
        let inner = &mut *self.lock();
        inner.on_the_way += 1;
        inner.table.answered(topic, seq, (result, payload), now)
    }

    /// Records that an answer was given to its connections.
    pub(crate) fn sent(&self) {
        self.lock().on_the_way -= 1;
        // Tasks that wait check after they subscribe, so they miss nothing.
        if self.answered.receiver_count() > 0 {
            self.answered.send_replace(());
        }
    }

    /// Waits until the program has answered every unicast that it has.
    pub(crate) async fn all_answered(&self) {
        let mut answered = self.answered.subscribe();
        while self.pending() > 0 {
            // The sender lives in `self`.
            let _ = answered.changed().await;
        }
    }

    /// Returns the number of unicasts that wait for the program's answer.
    pub(crate) fn pending(&self) -> usize {
        let inner = self.lock();
        inner.table.pending() + inner.on_the_way
    }

    /// Forgets a connection that is lost, and unicasts that came only over it. Replies longer than
    /// `suspect` bytes may be the reason.
    pub(crate) fn connection_lost(&self, path: &Arc<dyn ReplyPath>, suspect: Option<usize>) {
        let inner = &mut *self.lock();
        self.private.lock().connection_lost(path.id());
        inner.table.connection_lost(path, suspect);
        self.answered.send_replace(());
    }

    /// Ends every subscription. Waiting multicasts can still be read; unicasts cannot, because they
    /// could not be acknowledged.
    pub(crate) fn close(&self) {
        let queues = {
            let mut inner = self.lock();
            inner.closed = true;
            inner.table.take_all()
        };
        for queue in queues {
            queue.close_without_unicasts();
            queue.tell_losses();
        }
    }
}

/// Returns whether nodes should keep `topic`.
fn is_wanted(table: &SubscriptionTable, private: &PrivateTopics, topic: &TopicName) -> bool {
    // A topic for challenges is wanted as long as its private topic is.
    let topic = private.topic_of(topic).unwrap_or(topic);
    table.is_wanted(topic) || private.is_push_topic(topic)
}
