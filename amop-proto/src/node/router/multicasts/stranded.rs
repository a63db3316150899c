//! Multicasts of the overlay that have no path to their node at the moment: a link was cut while
//! they were on it, or is about to be replaced. They wait for another path, for some seconds, and
//! keep their order.

use std::{
    collections::{BTreeMap, VecDeque, hash_map::Entry},
    ops::Bound,
    time::Instant,
};

use super::name::MulticastName;
use crate::{
    hash::HashMap,
    node::{Lane, Sender, router::outbound::SentMulticast},
    p2p::{
        Body,
        mesh::{RoutingKey, Seal},
    },
};

/// The memory that a copy takes in addition to its bytes.
const BESIDE: usize = 256;

/// The number of targets handled for one event.
const TARGETS: usize = 64;

/// A node that messages wait for, and the lane they came in.
pub(super) type NodeAndLane = (RoutingKey, Lane);

/// One copy of a multicast, for one node.
#[derive(Debug, Clone)]
pub(super) struct StrandedCopy {
    pub(super) called: MulticastName,
    /// The seal of its source, if the source is another node.
    pub(super) seal: Option<Seal>,
    /// The channel frame.
    pub(super) content: Body,
    pub(super) lane: Lane,
    pub(super) hops_left: u32,
    /// Whether it was on its way when a link was cut, so that it may have arrived.
    pub(super) cut: bool,
    /// The agreement key of its node, which is another one after that node has restarted.
    pub(super) life: Option<[u8; 32]>,
    pub(super) until: Instant,
}

impl StrandedCopy {
    fn size(&self) -> usize {
        self.content.len() + BESIDE
    }

    pub(super) fn sender(&self) -> Option<Sender> {
        match self.lane {
            Lane::Control => None,
            Lane::Messages { from, .. } => Some(from),
        }
    }
}

/// A multicast that was sent over a link that is gone.
#[derive(Debug, Clone)]
pub(super) struct CutMulticast {
    pub(super) neighbour: RoutingKey,
    pub(super) sent: SentMulticast,
    pub(super) until: Instant,
}

#[derive(Debug, Clone)]
pub(super) enum UnsortedMulticast {
    Cut(CutMulticast),
    Copy(NodeAndLane, StrandedCopy),
}

impl UnsortedMulticast {
    fn lane(&self) -> Lane {
        match self {
            Self::Cut(cut) => cut.sent.0,
            Self::Copy((_, lane), _) => *lane,
        }
    }
}

/// The stranded multicasts, as the module describes them.
#[derive(Debug, Clone, Default)]
pub(in crate::node::router) struct StrandedMulticasts {
    /// Multicasts that must be sorted into `waiting`: those sent over links that are gone, and
    /// those that came after them.
    pub(super) unsorted: VecDeque<UnsortedMulticast>,
    /// How many of them are in each lane, without lanes that have none.
    pub(super) unsorted_in: HashMap<Lane, usize>,
    /// Copies by target and lane; no list is empty. The copies of one sender for one target keep
    /// their order, and delay no others.
    pub(super) waiting: BTreeMap<NodeAndLane, VecDeque<StrandedCopy>>,
    /// The entry that had its turn last.
    turn: Option<NodeAndLane>,
    bytes: usize,
    by_sender: HashMap<Sender, usize>,
    /// When links of the overlay changed last.
    pub(super) changed: Option<Instant>,
    /// Nodes that went out of reach, and until when they are remembered.
    pub(super) absent: BTreeMap<RoutingKey, Instant>,
    pub(super) resume: Option<Instant>,
    /// The number of changes of the network at the last search.
    pub(super) seen: u64,
}

impl StrandedMulticasts {
    pub(in crate::node::router) fn is_empty(&self) -> bool {
        self.unsorted.is_empty() && self.waiting.is_empty()
    }

    /// Returns the bytes that wait.
    pub(in crate::node::router) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(in crate::node::router) fn next_timeout(&self) -> Option<Instant> {
        self.resume
    }

    /// Returns whether nodes went out of reach recently.
    pub(in crate::node::router) fn has_absent(&self) -> bool {
        !self.absent.is_empty()
    }

    /// Returns whether a message in a lane for a node must wait behind others.
    pub(in crate::node::router) fn is_waiting(&self, target: RoutingKey, lane: Lane) -> bool {
        !self.is_empty()
            && (self.unsorted_in.contains_key(&lane) || self.waiting.contains_key(&(target, lane)))
    }

    pub(super) fn push_unsorted(&mut self, unsorted: UnsortedMulticast) {
        *self.unsorted_in.entry(unsorted.lane()).or_default() += 1;
        self.unsorted.push_back(unsorted);
    }

    pub(super) fn pop_unsorted(&mut self) -> Option<UnsortedMulticast> {
        let unsorted = self.unsorted.pop_front()?;
        if let Entry::Occupied(mut count) = self.unsorted_in.entry(unsorted.lane()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(unsorted)
    }

    /// Counts a copy if there is room for it: no sender gets more than it leaves for others.
    pub(super) fn admit(&mut self, copy: &StrandedCopy, room: usize) -> bool {
        let size = copy.size();
        if let Some(sender) = copy.sender() {
            let held = self.by_sender.get(&sender).copied().unwrap_or(0);
            if self.bytes + held + size > room {
                return false;
            }
            *self.by_sender.entry(sender).or_default() += size;
        }
        self.bytes += size;
        true
    }

    pub(super) fn place(&mut self, wanting: NodeAndLane, copy: StrandedCopy) {
        self.waiting.entry(wanting).or_default().push_back(copy);
    }

    /// Returns some of the waiting entries, in turn.
    pub(super) fn next_wanting(&mut self) -> Vec<NodeAndLane> {
        let last = self.turn.unwrap_or((RoutingKey(0), Lane::Control));
        let next = self
            .waiting
            .range((Bound::Excluded(last), Bound::Unbounded));
        let next = next.chain(self.waiting.range(..=last));
        let next: Vec<NodeAndLane> = next.take(TARGETS).map(|(&wanting, _)| wanting).collect();
        self.turn = next.last().copied();
        next
    }

    pub(super) fn first(&self, wanting: NodeAndLane) -> Option<&StrandedCopy> {
        self.waiting.get(&wanting)?.front()
    }

    pub(super) fn pop(&mut self, wanting: NodeAndLane) -> Option<StrandedCopy> {
        let waiting = self.waiting.get_mut(&wanting)?;
        let copy = waiting.pop_front()?;
        if waiting.is_empty() {
            self.waiting.remove(&wanting);
        }
        self.bytes -= copy.size();
        if let Some(sender) = copy.sender()
            && let Some(held) = self.by_sender.get_mut(&sender)
        {
            *held -= copy.size();
            if *held == 0 {
                self.by_sender.remove(&sender);
            }
        }
        Some(copy)
    }
}
