//! The client's table of subscriptions by topic, and the window of messages that they already have.
//!
//! The state of private topics is here as well.
//!
//! The table belongs to a client, not to a connection: over whichever connection a message comes,
//! the same subscriptions get it, once.
//!
//! Locks are taken in the order client, connection state, subscriptions, queue, events; never the
//! other way round.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use amop_proto::{
    TopicName,
    channel::{PrivateName, Seq, VerifyRequest, result_code},
    client::{Challenge, DedupWindow, MessageKind, UnicastArrival, WindowConfig},
    log::OneLine,
};
use bytes::Bytes;
use tokio::{sync::watch, time::Instant};

use crate::{
    Event, OverflowPolicy, TopicKey, TopicPublicKey, VerificationFailure,
    connection::Connection,
    events::EventReporter,
    private::{PrivateTopics, SignatureCheck},
    queue::{DeliveryQueue, Incoming, NotQueued, Pushed},
    report::{Later, Losses},
};

#[derive(Debug)]
pub(crate) struct Subscriptions {
    inner: Mutex<SubscriptionsState>,
    events: Arc<EventReporter>,
    later: Arc<Later>,
    /// Notified after each answer, for tasks that wait for all of them.
    answered: watch::Sender<()>,
    /// Notified when a subscriber of a private topic is verified.
    verified: watch::Sender<()>,
}

#[derive(Debug)]
struct SubscriptionsState {
    topics: HashMap<TopicName, TopicSubscriptions>,
    window: DedupWindow<Connection>,
    private: PrivateTopics,
    /// The number of answers that have left the window and are not given to their connections yet.
    on_the_way: usize,
    closed: bool,
}

#[derive(Debug, Default)]
struct TopicSubscriptions {
    members: Vec<Member>,
    /// The index of the member that gets the next unicast.
    next: usize,
}

#[derive(Debug)]
struct Member {
    queue: Arc<DeliveryQueue>,
    /// It is unsubscribing and takes only messages that no other member can take.
    leaving: bool,
}

/// The order in which members are tried for a unicast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rank {
    /// Its program waits for a message.
    Awaited,
    Other,
    /// It is unsubscribing.
    Leaving,
}

/// The result of a delivery, and what its connection must do.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) disposition: Disposition,
    /// Unicasts that were removed to make room, with the connections that brought them.
    pub(crate) refused: Vec<(Seq, TopicName, Vec<Connection>)>,
}

#[derive(Debug)]
pub(crate) enum Disposition {
    /// Nothing to do: a subscription has it, or had it before, or it is lost.
    Settled,
    /// Send this answer.
    Answer {
        seq: Seq,
        topic: TopicName,
        result: i32,
        payload: Bytes,
    },
    /// Keep the message, and read nothing more until it can be delivered.
    Blocked(Incoming),
}

/// Why a subscription was not added.
#[derive(Debug)]
pub(crate) enum NotAdded {
    /// The client is closed.
    Closed,
    /// The private topic is subscribed to with another key.
    OtherKey,
}

impl Disposition {
    fn refused(incoming: Incoming) -> Self {
        Self::Answer {
            seq: incoming.seq,
            topic: incoming.topic,
            result: result_code::NO_SESSION,
            payload: Bytes::new(),
        }
    }
}

impl Subscriptions {
    pub(crate) fn new(events: Arc<EventReporter>, later: Arc<Later>) -> Self {
        Self {
            inner: Mutex::new(SubscriptionsState {
                topics: HashMap::new(),
                window: DedupWindow::new(WindowConfig::default()),
                private: PrivateTopics::default(),
                on_the_way: 0,
                closed: false,
            }),
            events,
            later,
            answered: watch::Sender::new(()),
            verified: watch::Sender::new(()),
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
            && !inner.private.prove(topic, key, route)
        {
            return Err(NotAdded::OtherKey);
        }
        let losses = self.losses_of(topic);
        let queue = Arc::new(DeliveryQueue::new(capacity, overflow, losses));
        let entry = inner.topics.entry(topic.clone()).or_default();
        entry.members.push(Member {
            queue: Arc::clone(&queue),
            leaving: false,
        });
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

    pub(crate) fn later(&self) -> &Arc<Later> {
        &self.later
    }

    pub(crate) fn report(&self, event: Event) {
        self.events.report(event);
    }

    /// Marks a queue as leaving.
    pub(crate) fn leave(&self, topic: &TopicName, queue: &Arc<DeliveryQueue>) {
        if let Some(entry) = self.lock().topics.get_mut(topic) {
            for member in &mut entry.members {
                member.leaving |= Arc::ptr_eq(&member.queue, queue);
            }
        }
        Connection::wake_all(queue.leave());
    }

    /// Marks all queues as leaving, and accepts no new ones. Returns them with their topics.
    pub(crate) fn leave_all(&self) -> Vec<(TopicName, Arc<DeliveryQueue>)> {
        let mut left = Vec::new();
        let mut inner = self.lock();
        inner.closed = true;
        for (topic, entry) in &mut inner.topics {
            for member in &mut entry.members {
                member.leaving = true;
                left.push((topic.clone(), Arc::clone(&member.queue)));
            }
        }
        drop(inner);
        for (_, queue) in &left {
            Connection::wake_all(queue.leave());
        }
        left
    }

    /// Removes a queue; no message is put into it afterwards.
    pub(crate) fn remove(&self, topic: &TopicName, queue: &Arc<DeliveryQueue>) {
        let mut inner = self.lock();
        if let Some(entry) = inner.topics.get_mut(topic) {
            entry
                .members
                .retain(|member| !Arc::ptr_eq(&member.queue, queue));
            queue.tell_losses();
            if entry.members.is_empty() {
                inner.topics.remove(topic);
                inner.private.forget(topic);
            }
        }
    }

    /// Returns whether nodes should keep `topic`.
    pub(crate) fn wants(&self, topic: &TopicName) -> bool {
        self.lock().wants(topic)
    }

    /// Returns the topics that nodes should have.
    pub(crate) fn wanted(&self) -> Vec<TopicName> {
        let inner = self.lock();
        let topics = inner.topics.keys();
        let routes = inner.private.routes().map(|(route, _)| route);
        let wanted = topics.chain(routes).filter(|topic| inner.wants(topic));
        wanted.chain(inner.private.push_topics()).cloned().collect()
    }

    /// Returns the topics on the wire of a subscription to `topic`: a private topic has another one
    /// for challenges.
    pub(crate) fn topics_of(&self, topic: &TopicName) -> Vec<TopicName> {
        let inner = self.lock();
        let route = inner.private.route_of(topic).cloned();
        route.into_iter().chain([topic.clone()]).collect()
    }

    // ---- private topics ----

    /// Grants a private topic to subscribers with these keys, in addition to earlier ones.
    pub(crate) fn grant(&self, name: &PrivateName, keys: &[TopicPublicKey]) {
        self.lock().private.grant(name, keys);
    }

    /// Ends a grant. Returns whether there was one.
    pub(crate) fn revoke(&self, name: &PrivateName) -> bool {
        self.lock().private.revoke(name)
    }

    pub(crate) fn is_granted(&self, name: &PrivateName) -> bool {
        self.lock().private.is_granted(name)
    }

    /// Returns a receiver that is notified when a subscriber of a private topic is verified.
    pub(crate) fn verifications(&self) -> watch::Receiver<()> {
        self.verified.subscribe()
    }

    /// Signs a publisher's challenge; `None` if there is no subscription for it any more.
    pub(crate) fn sign(&self, route: &TopicName, challenge: &[u8]) -> Option<Vec<u8>> {
        let key = self.lock().private.key(route)?;
        Some(key.sign(challenge).to_vec())
    }

    /// Checks a subscriber's answer to its challenge. Returns whether its node may have the
    /// messages.
    pub(crate) fn judge(
        &self,
        connection: &Connection,
        challenge: &Challenge,
        signature: &[u8],
    ) -> bool {
        let judged = self
            .lock()
            .private
            .judge(connection.id(), challenge, signature);
        let request = &challenge.request;
        match judged {
            SignatureCheck::Good { news } => {
                if news {
                    let (topic, endpoint) = (request.topic.to_string(), connection.endpoint());
                    let node = request.node.to_string();
                    let shown = OneLine::new(&topic);
                    tracing::info!(topic = %shown, %endpoint, %node, "verified a subscriber");
                    self.events.report(Event::SubscriberVerified {
                        topic,
                        endpoint: endpoint.to_owned(),
                        node,
                    });
                }
                true
            }
            SignatureCheck::Bad(failure) => {
                self.unverified(connection, request, failure);
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
        connection: &Connection,
        request: &VerifyRequest,
        failure: VerificationFailure,
    ) {
        let VerifyRequest { node, topic, .. } = request;
        let news = {
            let private = &mut self.lock().private;
            private.failed(connection.id(), *node, topic, failure)
        };
        let (endpoint, shown) = (connection.endpoint(), OneLine::new(topic));
        if !news {
            return tracing::debug!(topic = %shown, %endpoint, %node, "still not verified: {failure}");
        }
        tracing::warn!(topic = %shown, %endpoint, %node, "a subscriber was not verified: {failure}");
        self.events.report(Event::VerificationFailed {
            topic: topic.to_string(),
            endpoint: endpoint.to_owned(),
            node: node.to_string(),
            failure,
        });
    }

    // ---- messages ----

    /// Delivers a message to the subscriptions of its topic. `held`: it was blocked before.
    pub(crate) fn deliver(
        &self,
        incoming: Incoming,
        held: bool,
        now: std::time::Instant,
    ) -> Delivered {
        let inner = &mut *self.lock();
        let mut refused = Vec::new();
        let disposition = match incoming.kind {
            MessageKind::Unicast => self.unicast(inner, incoming, held, now, &mut refused),
            MessageKind::Multicast => self.multicast(inner, incoming, held, now, &mut refused),
        };
        Delivered {
            disposition,
            refused,
        }
    }

    fn unicast(
        &self,
        inner: &mut SubscriptionsState,
        mut incoming: Incoming,
        held: bool,
        now: std::time::Instant,
        refused: &mut Vec<(Seq, TopicName, Vec<Connection>)>,
    ) -> Disposition {
        let SubscriptionsState { topics, window, .. } = inner;
        let (topic, seq, way) = (
            incoming.topic.clone(),
            incoming.seq,
            incoming.connection.clone(),
        );
        match window.unicast(&topic, seq, &way, now) {
            UnicastArrival::New => {}
            UnicastArrival::Pending => return Disposition::Settled,
            UnicastArrival::Answered { result, payload } => {
                return Disposition::Answer {
                    seq,
                    topic,
                    result,
                    payload,
                };
            }
        }
        let Some(entry) = topics.get_mut(&topic) else {
            return Disposition::refused(incoming);
        };
        let mut blocked = false;
        let count = entry.members.len();
        // Members whose program waits for a message come first: the others may never be read.
        let ranks: Vec<Rank> = entry.members.iter().map(Member::rank).collect();
        for rank in [Rank::Awaited, Rank::Other, Rank::Leaving] {
            for offset in 0..count {
                let at = (entry.next + offset) % count;
                if ranks[at] != rank {
                    continue;
                }
                let member = &entry.members[at];
                match member.queue.push(incoming, held) {
                    Pushed::Taken(evicted) => {
                        window.taken(&topic, seq, way);
                        self.evicted(&member.queue, evicted, window, refused);
                        entry.next = at + 1;
                        return Disposition::Settled;
                    }
                    Pushed::Left(left, why) => {
                        blocked |= why == NotQueued::Blocked;
                        incoming = left;
                    }
                }
            }
        }
        if blocked {
            return Disposition::Blocked(incoming);
        }
        // All are full. One of them counts the loss, so that the sum over all subscriptions is
        // right.
        if let Some(member) = entry.members.get(entry.next % count.max(1)) {
            lost(&member.queue, &incoming);
        }
        Disposition::refused(incoming)
    }

    fn multicast(
        &self,
        inner: &mut SubscriptionsState,
        incoming: Incoming,
        held: bool,
        now: std::time::Instant,
        refused: &mut Vec<(Seq, TopicName, Vec<Connection>)>,
    ) -> Disposition {
        let SubscriptionsState { topics, window, .. } = inner;
        let Some(entry) = topics.get(&incoming.topic) else {
            return Disposition::Settled;
        };
        // Either all members get it or all wait, because the window remembers it as one message.
        let full = entry.members.len() > 1
            && entry
                .members
                .iter()
                .any(|member| member.queue.is_full(&incoming));
        if full && !window.knows_multicast(&incoming.topic, incoming.seq, now) {
            let mut members = entry.members.iter();
            if members.any(|member| member.queue.blocks(&incoming, held)) {
                return Disposition::Blocked(incoming);
            }
        }
        if !window.multicast(&incoming.topic, incoming.seq, now) {
            return Disposition::Settled;
        }
        let Some((last, others)) = entry.members.split_last() else {
            return Disposition::Settled;
        };
        for member in others {
            match member.queue.push(incoming.clone(), held) {
                Pushed::Taken(evicted) => self.evicted(&member.queue, evicted, window, refused),
                Pushed::Left(_, NotQueued::Closed) => {}
                Pushed::Left(left, _) => lost(&member.queue, &left),
            }
        }
        match last.queue.push(incoming, held) {
            Pushed::Taken(evicted) => self.evicted(&last.queue, evicted, window, refused),
            Pushed::Left(left, NotQueued::Blocked) if others.is_empty() => {
                window.forget_multicast(&left.topic, left.seq);
                return Disposition::Blocked(left);
            }
            Pushed::Left(_, NotQueued::Closed) => {}
            Pushed::Left(left, _) => lost(&last.queue, &left),
        }
        Disposition::Settled
    }

    /// Counts messages that were removed from a queue to make room, and collects the unicasts to
    /// refuse.
    fn evicted(
        &self,
        queue: &DeliveryQueue,
        evicted: Vec<Incoming>,
        window: &mut DedupWindow<Connection>,
        refused: &mut Vec<(Seq, TopicName, Vec<Connection>)>,
    ) {
        for incoming in evicted {
            lost(queue, &incoming);
            if incoming.kind == MessageKind::Unicast {
                let ways = window.refused(&incoming.topic, incoming.seq);
                refused.push((incoming.seq, incoming.topic, ways));
            }
        }
    }

    /// Records the program's answer to a unicast. Returns the connections that get the answer;
    /// [`sent`](Self::sent) must be called when they have it.
    pub(crate) fn answered(
        &self,
        topic: &TopicName,
        seq: Seq,
        result: i32,
        payload: &[u8],
    ) -> Vec<Connection> {
        let now = Instant::now().into_std();
        let SubscriptionsState {
            window, on_the_way, ..
        } = &mut *self.lock();
        *on_the_way += 1;
        if result == result_code::NO_SESSION {
            // It was not taken: the next copy may find a subscription that takes it.
            window.refused(topic, seq)
        } else {
            let payload = Bytes::copy_from_slice(payload);
            window.answered(topic, seq, (result, payload), now)
        }
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
        inner.window.pending() + inner.on_the_way
    }

    /// Forgets a connection that is lost. Unicasts that came only over it are removed from the
    /// queues: they could not be acknowledged, and their node gives them to another subscriber, or
    /// tells their publishers.
    pub(crate) fn connection_lost(&self, connection: &Connection) {
        let SubscriptionsState {
            topics,
            window,
            private,
            ..
        } = &mut *self.lock();
        private.connection_lost(connection.id());
        window.forget_way(connection);
        for member in topics.values().flat_map(|entry| &entry.members) {
            let taken = member.queue.retain(|incoming| {
                incoming.kind == MessageKind::Multicast
                    || incoming.connection != *connection
                    || window.is_wanted(&incoming.topic, incoming.seq)
            });
            for incoming in taken {
                window.refused(&incoming.topic, incoming.seq);
            }
        }
        self.answered.send_replace(());
    }

    /// Ends every subscription. Waiting multicasts can still be read; unicasts cannot, because they
    /// could not be acknowledged.
    pub(crate) fn close(&self) {
        let topics = {
            let mut inner = self.lock();
            inner.closed = true;
            std::mem::take(&mut inner.topics)
        };
        for member in topics.into_values().flat_map(|entry| entry.members) {
            member.queue.close_without_unicasts();
            member.queue.tell_losses();
        }
    }
}

impl SubscriptionsState {
    fn wants(&self, topic: &TopicName) -> bool {
        // A topic for challenges is wanted as long as its private topic is.
        let topic = self.private.topic_of(topic).unwrap_or(topic);
        let entry = self.topics.get(topic);
        entry.is_some_and(TopicSubscriptions::is_wanted) || self.private.is_push_topic(topic)
    }
}

/// Counts a message that was turned away.
fn lost(queue: &DeliveryQueue, incoming: &Incoming) {
    queue.count_loss(incoming.kind, incoming.seq);
}

impl Member {
    fn rank(&self) -> Rank {
        match self.leaving {
            true => Rank::Leaving,
            false if self.queue.is_awaited() => Rank::Awaited,
            false => Rank::Other,
        }
    }
}

impl TopicSubscriptions {
    fn is_wanted(&self) -> bool {
        self.members.iter().any(|member| !member.leaving)
    }
}
