//! The subscriptions to one topic, and which of them gets a message.

use std::{cmp::Reverse, sync::Arc, time::Instant};

use super::{
    incoming::Incoming,
    queue::{DeliveryQueue, NotQueued, Pushed, QueueUse},
};

/// The queues of one topic's subscriptions.
#[derive(Debug, Default)]
pub(super) struct Members {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Its program waits for a message.
    Awaited,
    /// Nothing waits in its queue.
    Empty,
    /// Its queue has messages. The one whose oldest message is the youngest comes first: the others
    /// may not be read at all.
    Busy(Reverse<Instant>),
    /// It is unsubscribing.
    Leaving,
}

impl Members {
    pub(super) fn add(&mut self, queue: Arc<DeliveryQueue>) {
        self.members.push(Member {
            queue,
            leaving: false,
        });
    }

    /// Marks a queue as leaving.
    pub(super) fn leave(&mut self, queue: &Arc<DeliveryQueue>) {
        for member in &mut self.members {
            member.leaving |= Arc::ptr_eq(&member.queue, queue);
        }
    }

    /// Marks all queues as leaving, and returns them.
    pub(super) fn leave_all(&mut self) -> impl Iterator<Item = &Arc<DeliveryQueue>> {
        self.members.iter_mut().map(|member| {
            member.leaving = true;
            &member.queue
        })
    }

    pub(super) fn remove(&mut self, queue: &Arc<DeliveryQueue>) {
        self.members
            .retain(|member| !Arc::ptr_eq(&member.queue, queue));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns whether nodes should keep the topic.
    pub(super) fn is_wanted(&self) -> bool {
        self.members.iter().any(|member| !member.leaving)
    }

    pub(super) fn queues(&self) -> impl Iterator<Item = &Arc<DeliveryQueue>> {
        self.members.iter().map(|member| &member.queue)
    }

    /// Puts a unicast into one queue. If none has taken it, but one will once it has room, it is
    /// left because that queue is [`Blocked`](NotQueued::Blocked). `held`: it was blocked before.
    pub(super) fn unicast(&mut self, mut incoming: Incoming, held: bool) -> Pushed {
        let mut blocked = false;
        let count = self.members.len();
        let turns = (0..count).map(|offset| (self.next + offset) % count);
        let mut order: Vec<(Rank, usize)> = turns.map(|at| (self.members[at].rank(), at)).collect();
        // Members of the same rank keep taking turns.
        order.sort_by_key(|&(rank, _)| rank);
        for (_, at) in order {
            match self.members[at].push(incoming, held) {
                Pushed::Taken(evicted) => {
                    self.next = at + 1;
                    return Pushed::Taken(evicted);
                }
                Pushed::Left(left, why) => {
                    blocked |= why == NotQueued::Blocked;
                    incoming = left;
                }
            }
        }
        if blocked {
            return Pushed::Left(incoming, NotQueued::Blocked);
        }
        // All are full. One of them counts the loss, so that the sum over all subscriptions is
        // right.
        if let Some(member) = self.members.get(self.next % count.max(1)) {
            member.lost(&incoming);
        }
        Pushed::Left(incoming, NotQueued::Full)
    }

    /// Returns whether a multicast may find no room in one of several queues.
    pub(super) fn is_any_full(&self, incoming: &Incoming) -> bool {
        self.members.len() > 1 && self.queues().any(|queue| queue.is_full(incoming))
    }

    /// Returns whether a multicast must wait for room in one of the queues.
    pub(super) fn blocks(&self, incoming: &Incoming, held: bool) -> bool {
        self.queues().any(|queue| queue.blocks(incoming, held))
    }

    /// Puts a multicast into all queues. It is left only if it must wait for room in the only
    /// queue.
    pub(super) fn multicast(&self, incoming: Incoming, held: bool) -> Pushed {
        let mut evicted = Vec::new();
        let Some((last, others)) = self.members.split_last() else {
            return Pushed::Taken(evicted);
        };
        for member in others {
            match member.push(incoming.clone(), held) {
                Pushed::Taken(removed) => evicted.extend(removed),
                Pushed::Left(_, NotQueued::Closed) => {}
                Pushed::Left(left, _) => member.lost(&left),
            }
        }
        match last.push(incoming, held) {
            Pushed::Taken(removed) => evicted.extend(removed),
            Pushed::Left(left, NotQueued::Blocked) if others.is_empty() => {
                return Pushed::Left(left, NotQueued::Blocked);
            }
            Pushed::Left(_, NotQueued::Closed) => {}
            Pushed::Left(left, _) => last.lost(&left),
        }
        Pushed::Taken(evicted)
    }
}

impl Member {
    fn rank(&self) -> Rank {
        if self.leaving {
            return Rank::Leaving;
        }
        match self.queue.use_now() {
            QueueUse::Awaited => Rank::Awaited,
            QueueUse::Empty => Rank::Empty,
            QueueUse::Waiting { since } => Rank::Busy(Reverse(since)),
        }
    }

    /// Puts a message into the queue. Those that were removed to make room are counted as lost.
    fn push(&self, incoming: Incoming, held: bool) -> Pushed {
        let pushed = self.queue.push(incoming, held);
        if let Pushed::Taken(evicted) = &pushed {
            for incoming in evicted {
                self.lost(incoming);
            }
        }
        pushed
    }

    /// Counts a message that was turned away.
    fn lost(&self, incoming: &Incoming) {
        self.queue.count_loss(incoming.kind, incoming.seq);
    }
}
