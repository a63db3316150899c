//! The client's table of subscriptions by topic, and the window of messages that they already have.
//!
//! The state of private topics is here as well.
//!
//! The table belongs to a client, not to a connection: over whichever connection a message comes,
//! the same subscriptions get it, once.
//!
//! Locks are taken in the order hub, connection state, routes, queue, events; never the other way
//! round.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use amop_proto::{
    TopicName,
    channel::{PrivateName, Seq, VerifyRequest, code},
    client::{Arrival, Challenge, Kind, Window, WindowConfig},
    log::OneLine,
};
use bytes::Bytes;
use tokio::{sync::watch, time::Instant};

use crate::{
    Event, Overflow, TopicKey, TopicPublicKey, VerificationFailure,
    connection::Connection,
    events::Reporter,
    later::{Later, Losses},
    private::{Judged, Private},
    queue::{Incoming, Pushed, Queue, Why},
};

#[derive(Debug)]
pub(crate) struct Routes {
    inner: Mutex<Inner>,
    events: Arc<Reporter>,
    later: Arc<Later>,
    /// Notified after each answer, for tasks that wait for all of them.
    answered: watch::Sender<()>,
    /// Notified when a subscriber of a private topic is verified.
    verified: watch::Sender<()>,
}

#[derive(Debug)]
struct Inner {
    topics: HashMap<TopicName, Route>,
    window: Window<Connection>,
    private: Private,
    /// The number of answers that have left the window and are not given to their connections yet.
    on_the_way: usize,
    closed: bool,
}

#[derive(Debug, Default)]
struct Route {
    members: Vec<Member>,
    /// The index of the member that gets the next unicast.
    next: usize,
}

#[derive(Debug)]
struct Member {
    queue: Arc<Queue>,
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
    pub(crate) fate: Fate,
    /// Unicasts that were removed to make room, with the connections that brought them.
    pub(crate) refused: Vec<(Seq, TopicName, Vec<Connection>)>,
}

#[derive(Debug)]
pub(crate) enum Fate {
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

impl Fate {
    fn refused(incoming: Incoming) -> Self {
        Self::Answer {
            seq: incoming.seq,
            topic: incoming.topic,
            result: code::NO_SESSION,
            payload: Bytes::new(),
        }
    }
}

impl Routes {
    pub(crate) fn new(events: Arc<Reporter>, later: Arc<Later>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                topics: HashMap::new(),
                window: Window::new(WindowConfig::default()),
                private: Private::default(),
                on_the_way: 0,
                closed: false,
            }),
            events,
            later,
            answered: watch::Sender::new(()),
            verified: watch::Sender::new(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a queue for messages of `topic`. For a private topic, `proof` is the key and a new
    /// topic for challenges, which is used if there is none yet.
    pub(crate) fn add(
        &self,
        topic: &TopicName,
        proof: Option<(&TopicKey, TopicName)>,
        capacity: usize,
        overflow: Overflow,
    ) -> Result<Arc<Queue>, NotAdded> {
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
        let queue = Arc::new(Queue::new(capacity, overflow, losses));
        let route = inner.topics.entry(topic.clone()).or_default();
        route.members.push(Member {
            queue: Arc::clone(&queue),
            leaving: false,
        });
        Ok(queue)
    }

    /// Returns what reports the messages to a topic that are turned away.
    fn losses_of(&self, topic: &TopicName) -> Arc<Losses<(Kind, Seq)>> {
        let shown = PrivateName::shown(topic).to_owned();
        let (topic, events) = (shown.clone(), Arc::clone(&self.events));
        let event = move |dropped, _| {
            let topic = shown.clone();
            events.report(Event::Lagged { topic, dropped });
        };
        let line = move |total, (kind, seq): (Kind, Seq)| {
            let fate = match kind {
                Kind::Unicast => "refused with result 104",
                Kind::Multicast => "dropped",
            };
            tracing::warn!(
                topic = %OneLine::new(&topic),
                %seq,
                total,
                "a subscription's queue is full or is not read: a message was {fate}; read faster, \
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
    pub(crate) fn leave(&self, topic: &TopicName, queue: &Arc<Queue>) {
        if let Some(route) = self.lock().topics.get_mut(topic) {
            for member in &mut route.members {
                member.leaving |= Arc::ptr_eq(&member.queue, queue);
            }
        }
        Connection::wake_all(queue.leave());
    }

    /// Marks all queues as leaving, and accepts no new ones. Returns them with their topics.
    pub(crate) fn leave_all(&self) -> Vec<(TopicName, Arc<Queue>)> {
        let mut left = Vec::new();
        let mut inner = self.lock();
        inner.closed = true;
        for (topic, route) in &mut inner.topics {
            for member in &mut route.members {
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
    pub(crate) fn remove(&self, topic: &TopicName, queue: &Arc<Queue>) {
        let mut inner = self.lock();
        if let Some(route) = inner.topics.get_mut(topic) {
            route
                .members
                .retain(|member| !Arc::ptr_eq(&member.queue, queue));
            queue.tell_losses();
            if route.members.is_empty() {
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
            Judged::Good { news } => {
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
            Judged::Bad(failure) => {
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
        let fate = match incoming.kind {
            Kind::Unicast => self.unicast(inner, incoming, held, now, &mut refused),
            Kind::Multicast => self.multicast(inner, incoming, held, now, &mut refused),
        };
        Delivered { fate, refused }
    }

    fn unicast(
        &self,
        inner: &mut Inner,
        mut incoming: Incoming,
        held: bool,
        now: std::time::Instant,
        refused: &mut Vec<(Seq, TopicName, Vec<Connection>)>,
    ) -> Fate {
        let Inner { topics, window, .. } = inner;
        let (topic, seq, way) = (
            incoming.topic.clone(),
            incoming.seq,
            incoming.connection.clone(),
        );
        match window.unicast(&topic, seq, &way, now) {
            Arrival::New => {}
            Arrival::Pending => return Fate::Settled,
            Arrival::Answered { result, payload } => {
                return Fate::Answer {
                    seq,
                    topic,
                    result,
                    payload,
                };
            }
        }
        let Some(route) = topics.get_mut(&topic) else {
            return Fate::refused(incoming);
        };
        let mut blocked = false;
        let count = route.members.len();
        // Members whose program waits for a message come first: the others may never be read.
        let ranks: Vec<Rank> = route.members.iter().map(Member::rank).collect();
        for rank in [Rank::Awaited, Rank::Other, Rank::Leaving] {
            for offset in 0..count {
                let at = (route.next + offset) % count;
                if ranks[at] != rank {
                    continue;
                }
                let member = &route.members[at];
                match member.queue.push(incoming, held) {
                    Pushed::Taken(evicted) => {
                        window.taken(&topic, seq, way);
                        self.evicted(&member.queue, evicted, window, refused);
                        route.next = at + 1;
                        return Fate::Settled;
                    }
                    Pushed::Left(left, why) => {
                        blocked |= why == Why::Blocked;
                        incoming = left;
                    }
                }
            }
        }
        if blocked {
            return Fate::Blocked(incoming);
        }
        // All are full. One of them counts the loss, so that the sum over all subscriptions is
        // right.
        if let Some(member) = route.members.get(route.next % count.max(1)) {
            lost(&member.queue, &incoming);
        }
        Fate::refused(incoming)
    }

    fn multicast(
        &self,
        inner: &mut Inner,
        incoming: Incoming,
        held: bool,
        now: std::time::Instant,
        refused: &mut Vec<(Seq, TopicName, Vec<Connection>)>,
    ) -> Fate {
        let Inner { topics, window, .. } = inner;
        let Some(route) = topics.get(&incoming.topic) else {
            return Fate::Settled;
        };
        // Either all members get it or all wait, because the window remembers it as one message.
        let full = route.members.len() > 1
            && route
                .members
                .iter()
                .any(|member| member.queue.is_full(&incoming));
        if full && !window.knows_multicast(&incoming.topic, incoming.seq, now) {
            let mut members = route.members.iter();
            if members.any(|member| member.queue.blocks(&incoming, held)) {
                return Fate::Blocked(incoming);
            }
        }
        if !window.multicast(&incoming.topic, incoming.seq, now) {
            return Fate::Settled;
        }
        let Some((last, others)) = route.members.split_last() else {
            return Fate::Settled;
        };
        for member in others {
            match member.queue.push(incoming.clone(), held) {
                Pushed::Taken(evicted) => self.evicted(&member.queue, evicted, window, refused),
                Pushed::Left(_, Why::Closed) => {}
                Pushed::Left(left, _) => lost(&member.queue, &left),
            }
        }
        match last.queue.push(incoming, held) {
            Pushed::Taken(evicted) => self.evicted(&last.queue, evicted, window, refused),
            Pushed::Left(left, Why::Blocked) if others.is_empty() => {
                window.forget_multicast(&left.topic, left.seq);
                return Fate::Blocked(left);
            }
            Pushed::Left(_, Why::Closed) => {}
            Pushed::Left(left, _) => lost(&last.queue, &left),
        }
        Fate::Settled
    }

    /// Counts messages that were removed from a queue to make room, and collects the unicasts to
    /// refuse.
    fn evicted(
        &self,
        queue: &Queue,
        evicted: Vec<Incoming>,
        window: &mut Window<Connection>,
        refused: &mut Vec<(Seq, TopicName, Vec<Connection>)>,
    ) {
        for incoming in evicted {
            lost(queue, &incoming);
            if incoming.kind == Kind::Unicast {
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
        let Inner {
            window, on_the_way, ..
        } = &mut *self.lock();
        *on_the_way += 1;
        if result == code::NO_SESSION {
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
        let Inner {
            topics,
            window,
            private,
            ..
        } = &mut *self.lock();
        private.connection_lost(connection.id());
        window.forget_way(connection);
        for member in topics.values().flat_map(|route| &route.members) {
            let taken = member.queue.retain(|incoming| {
                incoming.kind == Kind::Multicast
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
        for member in topics.into_values().flat_map(|route| route.members) {
            member.queue.close_without_unicasts();
            member.queue.tell_losses();
        }
    }
}

impl Inner {
    fn wants(&self, topic: &TopicName) -> bool {
        // A topic for challenges is wanted as long as its private topic is.
        let topic = self.private.topic_of(topic).unwrap_or(topic);
        let route = self.topics.get(topic);
        route.is_some_and(Route::is_wanted) || self.private.is_push_topic(topic)
    }
}

/// Counts a message that was turned away.
fn lost(queue: &Queue, incoming: &Incoming) {
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

impl Route {
    fn is_wanted(&self) -> bool {
        self.members.iter().any(|member| !member.leaving)
    }
}
