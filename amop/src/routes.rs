//! Which subscriptions get the messages of which topics.
//!
//! Routes belong to a client, not to a connection: whichever connection brings a message, the
//! same subscriptions get it.
//!
//! Locks are taken in the order connection state, routes, queue; never the other way round.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use amop_proto::{TopicName, client::Kind};

use crate::{
    queue::{Incoming, Queue},
    recent::Recent,
};

#[derive(Debug, Default)]
pub(crate) struct Routes {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    topics: HashMap<TopicName, Route>,
    recent: Recent,
    closed: bool,
}

#[derive(Debug, Default)]
struct Route {
    members: Vec<Member>,
    /// Which member gets the next unicast.
    next: usize,
}

#[derive(Debug)]
struct Member {
    queue: Arc<Queue>,
    /// It is unsubscribing and takes only what nobody else can.
    leaving: bool,
}

impl Routes {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new queue for messages of `topic`; `None` once closed.
    pub(crate) fn add(&self, topic: &TopicName, capacity: usize) -> Option<Arc<Queue>> {
        let mut inner = self.lock();
        if inner.closed {
            return None;
        }
        let queue = Arc::new(Queue::new(capacity));
        let route = inner.topics.entry(topic.clone()).or_default();
        route.members.push(Member {
            queue: Arc::clone(&queue),
            leaving: false,
        });
        Some(queue)
    }

    /// Marks a queue as leaving.
    pub(crate) fn leave(&self, topic: &TopicName, queue: &Arc<Queue>) {
        if let Some(route) = self.lock().topics.get_mut(topic) {
            for member in &mut route.members {
                member.leaving |= Arc::ptr_eq(&member.queue, queue);
            }
        }
    }

    /// Removes a queue; nothing is put into it afterwards.
    pub(crate) fn remove(&self, topic: &TopicName, queue: &Arc<Queue>) {
        let mut inner = self.lock();
        if let Some(route) = inner.topics.get_mut(topic) {
            route
                .members
                .retain(|member| !Arc::ptr_eq(&member.queue, queue));
            if route.members.is_empty() {
                inner.topics.remove(topic);
            }
        }
    }

    /// Whether anybody wants messages of `topic` for longer.
    pub(crate) fn wants(&self, topic: &TopicName) -> bool {
        self.lock()
            .topics
            .get(topic)
            .is_some_and(|route| route.members.iter().any(|member| !member.leaving))
    }

    /// Hands a message to the subscriptions of its topic. Returns whether one took it; a unicast
    /// that was not taken must be refused.
    pub(crate) fn deliver(&self, incoming: Incoming) -> bool {
        let inner = &mut *self.lock();
        let Some(route) = inner.topics.get_mut(&incoming.topic) else {
            return false;
        };
        match incoming.kind {
            Kind::Unicast => route.unicast(incoming),
            Kind::Multicast => {
                // A further copy counts as taken: the first one was.
                !inner.recent.is_first(&incoming.topic, incoming.seq) || route.multicast(&incoming)
            }
        }
    }

    /// Ends every subscription. Multicasts that wait can still be read; unicasts cannot, because
    /// they could not be acknowledged: a node gives them to another subscriber, or tells their
    /// publishers.
    pub(crate) fn close(&self) {
        let topics = {
            let mut inner = self.lock();
            inner.closed = true;
            std::mem::take(&mut inner.topics)
        };
        for member in topics.into_values().flat_map(|route| route.members) {
            member.queue.close_without_unicasts();
        }
    }
}

impl Route {
    fn unicast(&mut self, mut incoming: Incoming) -> bool {
        let count = self.members.len();
        for leaving in [false, true] {
            for offset in 0..count {
                let at = (self.next + offset) % count;
                let member = &self.members[at];
                if member.leaving != leaving {
                    continue;
                }
                match member.queue.push(incoming) {
                    Ok(()) => {
                        self.next = at + 1;
                        return true;
                    }
                    Err(back) => incoming = back,
                }
            }
        }
        // All are full. One of them counts it, so that the sum over subscriptions is right.
        if let Some(member) = self.members.get(self.next % count.max(1)) {
            full(&member.queue, &incoming);
        }
        false
    }

    fn multicast(&self, incoming: &Incoming) -> bool {
        let mut taken = false;
        for member in &self.members {
            let copy = Incoming {
                kind: incoming.kind,
                seq: incoming.seq,
                topic: incoming.topic.clone(),
                payload: incoming.payload.clone(),
                connection: incoming.connection.clone(),
            };
            match member.queue.push(copy) {
                Ok(()) => taken = true,
                Err(_) => full(&member.queue, incoming),
            }
        }
        taken
    }
}

fn full(queue: &Queue, incoming: &Incoming) {
    if let Some(total) = queue.count_lagged() {
        let fate = match incoming.kind {
            Kind::Unicast => "refused with result 104",
            Kind::Multicast => "dropped",
        };
        tracing::warn!(
            topic = %incoming.topic,
            seq = %incoming.seq,
            total,
            "a subscription's queue is full, a message was {fate}; read faster or raise the \
             queue's length"
        );
    }
}
