//! The subscriptions by topic, and the window of messages that they already have.

use std::{collections::HashMap, sync::Arc, time::Instant};

use amop_proto::{
    TopicName,
    channel::{Seq, result_code},
    client::{DedupWindow, MAX_CUT_OFFS, MessageKind, UnicastArrival, WindowConfig},
    log::OneLine,
};
use bytes::Bytes;

use super::{
    incoming::Incoming,
    members::Members,
    queue::{DeliveryQueue, NotQueued, Pushed},
    reply_path::ReplyPath,
};
use crate::report::ClientCounters;

/// The result of a delivery, and what its connection must do.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) disposition: Disposition,
    /// Unicasts that were removed to make room, with the connections that brought them.
    pub(crate) refused: Vec<RefusedUnicast>,
}

#[derive(Debug)]
pub(crate) struct RefusedUnicast {
    pub(crate) seq: Seq,
    pub(crate) topic: TopicName,
    pub(crate) ways: Vec<Arc<dyn ReplyPath>>,
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

#[derive(Debug)]
pub(super) struct SubscriptionTable {
    topics: HashMap<TopicName, Members>,
    window: DedupWindow<Arc<dyn ReplyPath>>,
    counters: Arc<ClientCounters>,
}

impl SubscriptionTable {
    pub(super) fn new(counters: Arc<ClientCounters>) -> Self {
        Self {
            topics: HashMap::new(),
            window: DedupWindow::new(WindowConfig::default()),
            counters,
        }
    }

    // ---- queues ----

    pub(super) fn add(&mut self, topic: &TopicName, queue: Arc<DeliveryQueue>) {
        self.topics.entry(topic.clone()).or_default().add(queue);
    }

    /// Marks a queue as leaving.
    pub(super) fn leave(&mut self, topic: &TopicName, queue: &Arc<DeliveryQueue>) {
        if let Some(members) = self.topics.get_mut(topic) {
            members.leave(queue);
        }
    }

    /// Marks all queues as leaving. Returns them with their topics.
    pub(super) fn leave_all(&mut self) -> Vec<(TopicName, Arc<DeliveryQueue>)> {
        let topics = self.topics.iter_mut();
        let left = topics.flat_map(|(topic, members)| {
            let queues = members.leave_all();
            queues.map(|queue| (topic.clone(), Arc::clone(queue)))
        });
        left.collect()
    }

    /// Removes a queue. Returns whether it was the last one of its topic.
    pub(super) fn remove(&mut self, topic: &TopicName, queue: &Arc<DeliveryQueue>) -> bool {
        let Some(members) = self.topics.get_mut(topic) else {
            return false;
        };
        members.remove(queue);
        queue.tell_losses();
        let last = members.is_empty();
        if last {
            self.topics.remove(topic);
        }
        last
    }

    /// Removes all queues.
    pub(super) fn take_all(&mut self) -> Vec<Arc<DeliveryQueue>> {
        let topics = std::mem::take(&mut self.topics);
        topics.values().flat_map(Members::queues).cloned().collect()
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.keys()
    }

    /// Returns whether a subscription to `topic` is not leaving.
    pub(super) fn is_wanted(&self, topic: &TopicName) -> bool {
        self.topics.get(topic).is_some_and(Members::is_wanted)
    }

    // ---- messages ----

    /// Delivers a message to the subscriptions of its topic. `held`: it was blocked before.
    pub(super) fn deliver(&mut self, incoming: Incoming, held: bool, now: Instant) -> Delivered {
        let mut refused = Vec::new();
        let disposition = match incoming.kind {
            MessageKind::Unicast => self.unicast(incoming, held, now, &mut refused),
            MessageKind::Multicast => self.multicast(incoming, held, now, &mut refused),
        };
        Delivered {
            disposition,
            refused,
        }
    }

    fn unicast(
        &mut self,
        incoming: Incoming,
        held: bool,
        now: Instant,
        refused: &mut Vec<RefusedUnicast>,
    ) -> Disposition {
        let (topic, seq) = (incoming.topic.clone(), incoming.seq);
        let way = Arc::clone(&incoming.reply_path);
        match self.window.unicast(&topic, seq, &way, now) {
            UnicastArrival::New => {}
            UnicastArrival::Pending => {
                self.counters.duplicates.one();
                return Disposition::Settled;
            }
            UnicastArrival::Answered { result, payload } => {
                self.counters.duplicates.one();
                return Disposition::Answer {
                    seq,
                    topic,
                    result,
                    payload,
                };
            }
            UnicastArrival::CutOff { len } => {
                self.counters.duplicates.one();
                report_cut_off(&topic, &way, len);
                return Disposition::Answer {
                    seq,
                    topic,
                    result: result_code::NO_REPLY,
                    payload: Bytes::new(),
                };
            }
        }
        let Some(members) = self.topics.get_mut(&topic) else {
            return Disposition::refused(incoming);
        };
        match members.unicast(incoming, held) {
            Pushed::Taken(evicted) => {
                self.counters.received.one();
                self.window.taken(&topic, seq, way);
                self.refuse(evicted, refused);
                Disposition::Settled
            }
            Pushed::Left(left, NotQueued::Blocked) => Disposition::Blocked(left),
            Pushed::Left(left, _) => Disposition::refused(left),
        }
    }

    fn multicast(
        &mut self,
        incoming: Incoming,
        held: bool,
        now: Instant,
        refused: &mut Vec<RefusedUnicast>,
    ) -> Disposition {
        let Self {
            topics,
            window,
            counters,
        } = self;
        let Some(members) = topics.get(&incoming.topic) else {
            return Disposition::Settled;
        };
        // Either all members get it or all wait, because the window remembers it as one message.
        if members.is_any_full(&incoming)
            && !window.knows_multicast(&incoming.topic, incoming.seq, now)
            && members.blocks(&incoming, held)
        {
            return Disposition::Blocked(incoming);
        }
        if !window.multicast(&incoming.topic, incoming.seq, now) {
            counters.duplicates.one();
            return Disposition::Settled;
        }
        match members.multicast(incoming, held) {
            Pushed::Taken(evicted) => {
                counters.received.one();
                self.refuse(evicted, refused);
                Disposition::Settled
            }
            Pushed::Left(left, _) => {
                window.forget_multicast(&left.topic, left.seq);
                Disposition::Blocked(left)
            }
        }
    }

    /// Collects the unicasts among messages that were removed from a queue to make room.
    fn refuse(&mut self, evicted: Vec<Incoming>, refused: &mut Vec<RefusedUnicast>) {
        for incoming in evicted {
            if incoming.kind == MessageKind::Unicast {
                let ways = self.window.refused(&incoming.topic, incoming.seq);
                let (seq, topic) = (incoming.seq, incoming.topic);
                refused.push(RefusedUnicast { seq, topic, ways });
            }
        }
    }

    // ---- answers ----

    /// Returns when the last further copy of a unicast arrived that waits for its answer.
    pub(super) fn last_copy(&self, topic: &TopicName, seq: Seq) -> Option<Instant> {
        self.window.last_copy(topic, seq)
    }

    /// Records the program's answer to a unicast. Returns the connections that get the answer.
    pub(super) fn answered(
        &mut self,
        topic: &TopicName,
        seq: Seq,
        (result, payload): (i32, &[u8]),
        now: Instant,
    ) -> Vec<Arc<dyn ReplyPath>> {
        if result == result_code::NO_SESSION {
            // It was not taken: the next copy may find a subscription that takes it.
            self.window.refused(topic, seq)
        } else {
            let payload = Bytes::copy_from_slice(payload);
            self.window.answered(topic, seq, (result, payload), now)
        }
    }

    /// Returns the number of unicasts that wait for the program's answer.
    pub(super) fn pending(&self) -> usize {
        self.window.pending()
    }

    /// Forgets a connection that is lost. Unicasts that came only over it are removed from the
    /// queues: they could not be acknowledged, and their node gives them to another subscriber, or
    /// tells their publishers. Replies longer than `suspect` bytes may be the reason.
    pub(super) fn connection_lost(&mut self, path: &Arc<dyn ReplyPath>, suspect: Option<usize>) {
        let Self { topics, window, .. } = self;
        window.forget_way(path, suspect);
        for queue in topics.values().flat_map(Members::queues) {
            let taken = queue.retain(|incoming| {
                incoming.kind == MessageKind::Multicast
                    || incoming.reply_path.id() != path.id()
                    || window.is_wanted(&incoming.topic, incoming.seq)
            });
            for incoming in taken {
                window.refused(&incoming.topic, incoming.seq);
            }
        }
    }
}

/// Reports that a reply is not sent again.
fn report_cut_off(topic: &TopicName, way: &Arc<dyn ReplyPath>, len: usize) {
    tracing::warn!(
        endpoint = %way.endpoint(),
        topic = %OneLine::new(topic),
        "a reply of {len} bytes is not sent again, because {MAX_CUT_OFFS} connections ended after \
         it was sent: it may be too large for the nodes; send less, or raise their limit",
    );
}
