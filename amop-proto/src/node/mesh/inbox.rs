//! Records that have come and are not applied yet. Each neighbour has a queue of its own, and the
//! queues take turns: a neighbour that sends much delays only its own records.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use crate::{
    hash::HashMap,
    node::{PeerId, checker::CheckedRecord},
    p2p::mesh::RoutingKey,
};

/// About what an item takes in memory in addition to the bytes of its record.
const BESIDE: usize = 256;

#[derive(Debug, Clone)]
pub(super) enum InboxItem {
    Record {
        record: Box<CheckedRecord>,
        /// The last version of its node in the same frame, which this record is a step towards.
        leads_to: u64,
    },
    /// The end of a frame.
    End { seq: u32 },
}

impl InboxItem {
    fn len(&self) -> usize {
        BESIDE
            + match self {
                Self::Record { record, .. } => record.signed().bytes().len(),
                Self::End { .. } => 0,
            }
    }
}

/// The records of one neighbour.
#[derive(Debug, Clone)]
pub(super) struct NeighbourQueue {
    /// The connection on which the last of them came.
    pub(super) peer: PeerId,
    items: VecDeque<InboxItem>,
    bytes: usize,
    /// Where the first item continues, if its topics have been applied in part.
    at: Option<usize>,
    /// The nodes to ask for at the end of the current frame.
    pub(super) wanted: BTreeSet<RoutingKey>,
}

/// The next thing to do.
#[derive(Debug)]
pub(super) enum NextItem {
    /// An item, and where it continues if it has been started.
    Item(InboxItem, Option<usize>),
    /// Another neighbour's record of the same node has been started and must finish first.
    Blocked,
    Nothing,
}

/// The queues of all neighbours.
#[derive(Debug, Clone, Default)]
pub(super) struct Inbox {
    /// No queue is empty between two events.
    queues: BTreeMap<RoutingKey, NeighbourQueue>,
    /// The neighbours that have a queue, in the order of their turns.
    turns: VecDeque<RoutingKey>,
    /// Nodes whose record has been started, with the neighbour that sent it: other changes of these
    /// nodes must wait.
    begun: HashMap<RoutingKey, RoutingKey>,
    bytes: usize,
}

impl Inbox {
    /// Queues what a neighbour sent, if there is room. All neighbours together may use `most`
    /// bytes, and each of them half of that. Queues that are longer than this one would be are
    /// dropped to make room. Returns whether there was room, and the dropped queues.
    pub(super) fn push(
        &mut self,
        (sender, peer): (RoutingKey, PeerId),
        items: VecDeque<InboxItem>,
        most: usize,
    ) -> (bool, Vec<(RoutingKey, NeighbourQueue)>) {
        let mut gone = Vec::new();
        let new: usize = items.iter().map(InboxItem::len).sum();
        let held = self.queues.get(&sender).map_or(0, |queue| queue.bytes);
        if held > 0 && held + new > most / 2 {
            return (false, gone);
        }
        while self.bytes > 0 && self.bytes + new > most {
            let queues = self.queues.iter().filter(|&(&other, _)| other != sender);
            // Of equal ones, the lowest is taken, so that the result is reproducible.
            let longest = queues.max_by_key(|&(&other, queue)| (queue.spare(), Reverse(other)));
            let longest = longest.filter(|(_, queue)| queue.spare() > held + new);
            let Some((&longest, _)) = longest else {
                // One frame alone may be longer than the limit.
                return (false, gone);
            };
            gone.extend(self.drop_queue(longest));
        }
        self.bytes += new;
        let queue = self.queues.entry(sender).or_insert_with(|| {
            self.turns.push_back(sender);
            NeighbourQueue::new(peer)
        });
        queue.peer = peer;
        queue.bytes += new;
        queue.items.extend(items);
        (true, gone)
    }

    /// Drops the queue of a neighbour, but not a record that has been started, because half of it
    /// would be in force.
    fn drop_queue(&mut self, sender: RoutingKey) -> Option<(RoutingKey, NeighbourQueue)> {
        let queue = self.queues.get_mut(&sender)?;
        let mut dropped = NeighbourQueue::new(queue.peer);
        dropped.bytes = queue.spare();
        let kept = usize::from(queue.at.is_some());
        dropped.items = queue.items.split_off(kept.min(queue.items.len()));
        queue.bytes -= dropped.bytes;
        self.bytes -= dropped.bytes;
        if queue.items.is_empty() {
            self.queues.remove(&sender);
            self.turns.retain(|&other| other != sender);
        }
        Some((sender, dropped))
    }

    /// Returns whose turn it is. The caller ends the turn with [`end_turn`](Self::end_turn).
    pub(super) fn turn(&mut self) -> Option<RoutingKey> {
        self.turns.front().copied()
    }

    /// Ends the turn of a neighbour.
    pub(super) fn end_turn(&mut self, sender: RoutingKey) {
        if self.turns.front() != Some(&sender) {
            return;
        }
        self.turns.pop_front();
        match self.queues.get(&sender) {
            Some(queue) if !queue.items.is_empty() => self.turns.push_back(sender),
            _ => {
                self.queues.remove(&sender);
            }
        }
    }

    pub(super) fn queue(&mut self, sender: RoutingKey) -> Option<&mut NeighbourQueue> {
        self.queues.get_mut(&sender)
    }

    /// Takes the first item of a neighbour.
    pub(super) fn take(&mut self, sender: RoutingKey) -> NextItem {
        let Some(queue) = self.queues.get_mut(&sender) else {
            return NextItem::Nothing;
        };
        if let Some(InboxItem::Record { record, .. }) = queue.items.front()
            && self
                .begun
                .get(&record.key())
                .is_some_and(|&by| by != sender)
        {
            return NextItem::Blocked;
        }
        let Some(item) = queue.items.pop_front() else {
            return NextItem::Nothing;
        };
        queue.bytes -= item.len();
        self.bytes -= item.len();
        if let InboxItem::Record { record, .. } = &item {
            self.begun.remove(&record.key());
        }
        NextItem::Item(item, queue.at.take())
    }

    /// Puts back an item that continues at `at`.
    pub(super) fn put_back(&mut self, sender: RoutingKey, item: InboxItem, at: usize) {
        let Some(queue) = self.queues.get_mut(&sender) else {
            return;
        };
        if let InboxItem::Record { record, .. } = &item {
            self.begun.insert(record.key(), sender);
        }
        queue.bytes += item.len();
        self.bytes += item.len();
        queue.items.push_front(item);
        queue.at = Some(at);
    }
}

impl NeighbourQueue {
    /// Returns the bytes without those of a record that has been started.
    fn spare(&self) -> usize {
        let begun = self.items.front().filter(|_| self.at.is_some());
        self.bytes - begun.map_or(0, InboxItem::len)
    }

    fn new(peer: PeerId) -> Self {
        Self {
            peer,
            items: VecDeque::new(),
            bytes: 0,
            at: None,
            wanted: BTreeSet::new(),
        }
    }

    /// Returns the nodes that the queue has records of.
    pub(super) fn nodes(&self) -> impl Iterator<Item = RoutingKey> {
        self.items.iter().filter_map(|item| match item {
            InboxItem::Record { record, .. } => Some(record.key()),
            InboxItem::End { .. } => None,
        })
    }
}

#[cfg(all(test, feature = "test-util"))]
mod tests {
    use super::*;
    use crate::p2p::{
        NodeId,
        mesh::{Record, SharedSecret, Subject},
    };

    fn id(n: u8) -> NodeId {
        NodeId([n; 64])
    }

    fn item(node: u8, version: u64, len: usize) -> InboxItem {
        let record = Record {
            subject: Subject::Node(id(node)),
            version,
            base: 1,
            whole: None,
            neighbours: None,
            topics: vec![("t".repeat(len.min(255)).into(), 1)],
        };
        let signed = record.sign(&SharedSecret::new(id(node))).unwrap();
        InboxItem::Record {
            record: Box::new(CheckedRecord::new(signed)),
            leads_to: version,
        }
    }

    fn from(n: u64) -> (RoutingKey, PeerId) {
        (RoutingKey(n), PeerId(n))
    }

    /// Takes all items in turns, one each; returns their senders.
    fn drain(inbox: &mut Inbox) -> Vec<u64> {
        let mut order = Vec::new();
        while let Some(sender) = inbox.turn() {
            if let NextItem::Item(..) = inbox.take(sender) {
                order.push(sender.0);
            }
            inbox.end_turn(sender);
        }
        assert!(inbox.queues.is_empty() && inbox.bytes == 0 && inbox.begun.is_empty());
        order
    }

    #[test]
    fn neighbours_take_turns() {
        let mut inbox = Inbox::default();
        for (sender, count) in [(1, 5), (2, 1), (3, 2)] {
            let items = (0..count).map(|n| item(9, n + 2, 10)).collect();
            assert!(inbox.push(from(sender), items, 1 << 20).0);
        }
        assert_eq!(drain(&mut inbox), [1, 2, 3, 1, 3, 1, 1, 1]);
    }

    #[test]
    fn what_changes_a_node_waits_for_the_record_of_it_that_has_been_begun() {
        let mut inbox = Inbox::default();
        inbox.push(from(1), [item(9, 2, 10), item(8, 2, 10)].into(), 1 << 20);
        inbox.push(from(2), [item(9, 3, 10)].into(), 1 << 20);
        let NextItem::Item(first, None) = inbox.take(RoutingKey(1)) else {
            panic!("an item");
        };
        inbox.put_back(RoutingKey(1), first, 7);
        inbox.end_turn(RoutingKey(1));
        assert!(matches!(inbox.take(RoutingKey(2)), NextItem::Blocked));
        inbox.end_turn(RoutingKey(2));
        assert!(matches!(
            inbox.take(RoutingKey(1)),
            NextItem::Item(_, Some(7))
        ));
        inbox.end_turn(RoutingKey(1));
        assert!(matches!(inbox.take(RoutingKey(2)), NextItem::Item(_, None)));
        assert_eq!(drain(&mut inbox), [1]);
    }

    #[test]
    fn all_together_have_so_much_room_and_who_has_most_gives_it_up() {
        const MOST: usize = 100_000;
        let mut inbox = Inbox::default();
        let frame = |count| {
            (0..count)
                .map(|n| item(9, n + 2, 200))
                .collect::<VecDeque<_>>()
        };
        // Each of them fills its half.
        for sender in 1..50 {
            while inbox.push(from(sender), frame(10), MOST).0 {
                assert!(inbox.bytes <= MOST, "{}", inbox.bytes);
            }
        }
        assert!(inbox.bytes > MOST / 2);
        // One of them has started a record.
        let begun = inbox.turn().unwrap();
        let NextItem::Item(first, _) = inbox.take(begun) else {
            panic!("an item");
        };
        inbox.put_back(begun, first, 1);
        for sender in 100..110 {
            let (room, gone) = inbox.push(from(sender), frame(1), MOST);
            assert!(room);
            let longest = gone.iter().all(|(sender, queue)| {
                sender.0 < 100 && queue.bytes > 1000 && queue.nodes().count() > 1
            });
            assert!(longest);
            assert!(inbox.bytes <= MOST);
        }
        let order = drain(&mut inbox);
        assert!(order.contains(&begun.0));
        assert!((100..110).all(|sender| order.contains(&sender)));
    }

    #[test]
    fn one_long_frame_comes_in_where_there_is_nothing_else() {
        let mut inbox = Inbox::default();
        let long = || {
            (0..100)
                .map(|n| item(9, n + 2, 200))
                .collect::<VecDeque<_>>()
        };
        assert!(inbox.push(from(1), long(), 1000).0);
        assert!(!inbox.push(from(1), [item(9, 500, 1)].into(), 1000).0);
        // The long frame is dropped to make room.
        let (room, gone) = inbox.push(from(2), [item(9, 500, 1)].into(), 1000);
        assert!(room && gone.len() == 1);
        assert_eq!(drain(&mut inbox), [2]);
    }
}
