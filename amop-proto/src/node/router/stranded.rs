//! Multicasts of the overlay that have no path to their node at the moment: a link was cut while
//! they were on it, or is about to be replaced. They wait for another path, for some seconds, and
//! keep their order.

use std::{
    collections::{BTreeMap, VecDeque, hash_map::Entry},
    ops::Bound,
    time::{Duration, Instant},
};

use super::{
    Router,
    network::carrying,
    spread::MulticastName,
    transit::PRIVATE,
    unconfirmed::{SentMulticast, UnconfirmedMulticasts},
    unicast::Origin,
};
use crate::{
    hash::HashMap,
    node::{Lane, Sender, mesh::Hop, sooner},
    p2p::{
        Body, PeerMessage,
        mesh::{
            FrameContent, MulticastHeader, Numbered, RelayedMulticastHeader, RoutingKey, Seal,
            packet,
        },
    },
};

/// How long a multicast waits for a path.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a node that went out of reach is still sent multicasts: its link may be back soon.
const ABSENCE: Duration = Duration::from_secs(5);

/// The number of such nodes that are remembered.
const MAX_ABSENT: usize = 64;

/// For `TURNS` after a change of the network a multicast may be sent back where it came from; it
/// may then cross `TURN_HOPS` links fewer, so that two nodes with different views hand it to each
/// other three times at most.
const TURNS: Duration = Duration::from_secs(5);
const TURN_HOPS: u32 = 8;

/// The memory that a copy takes in addition to its bytes.
const BESIDE: usize = 256;

/// The bytes that may wait when neighbours sent them here to be passed on.
const ROOM_FOR_PEERS: usize = 16 << 20;

/// The number of copies handled for one event.
const SLICE: usize = 512;

/// The number of targets handled for one event.
const TARGETS: usize = 64;

/// The pause between two slices, in which other work is done, and the longer pause between two
/// searches for a path.
const PAUSE: Duration = Duration::from_millis(1);
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// A node that messages wait for, and the lane they came in.
type NodeAndLane = (RoutingKey, Lane);

/// One copy of a multicast, for one node.
#[derive(Debug, Clone)]
struct StrandedCopy {
    called: MulticastName,
    /// The seal of its source, if the source is another node.
    seal: Option<Seal>,
    /// The channel frame.
    content: Body,
    lane: Lane,
    hops_left: u32,
    /// Whether it was on its way when a link was cut, so that it may have arrived.
    cut: bool,
    /// The agreement key of its node, which is another one after that node has restarted.
    life: Option<[u8; 32]>,
    until: Instant,
}

impl StrandedCopy {
    fn size(&self) -> usize {
        self.content.len() + BESIDE
    }

    fn sender(&self) -> Option<Sender> {
        match self.lane {
            Lane::Control => None,
            Lane::Messages { from, .. } => Some(from),
        }
    }
}

/// A multicast that was sent over a link that is gone.
#[derive(Debug, Clone)]
struct CutMulticast {
    neighbour: RoutingKey,
    sent: SentMulticast,
    until: Instant,
}

#[derive(Debug, Clone)]
enum UnsortedMulticast {
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
pub(super) struct StrandedMulticasts {
    /// Multicasts that must be sorted into `waiting`: those sent over links that are gone, and
    /// those that came after them.
    unsorted: VecDeque<UnsortedMulticast>,
    /// How many of them are in each lane, without lanes that have none.
    unsorted_in: HashMap<Lane, usize>,
    /// Copies by target and lane; no list is empty. The copies of one sender for one target keep
    /// their order, and delay no others.
    waiting: BTreeMap<NodeAndLane, VecDeque<StrandedCopy>>,
    /// The entry that had its turn last.
    turn: Option<NodeAndLane>,
    bytes: usize,
    by_sender: HashMap<Sender, usize>,
    /// When links of the overlay changed last.
    changed: Option<Instant>,
    /// Nodes that went out of reach, and until when they are remembered.
    absent: BTreeMap<RoutingKey, Instant>,
    resume: Option<Instant>,
    /// The number of changes of the network at the last search.
    seen: u64,
}

impl StrandedMulticasts {
    pub(super) fn is_empty(&self) -> bool {
        self.unsorted.is_empty() && self.waiting.is_empty()
    }

    /// Returns the bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.resume
    }

    /// Returns whether nodes went out of reach recently.
    pub(super) fn has_absent(&self) -> bool {
        !self.absent.is_empty()
    }

    /// Returns whether a message in a lane for a node must wait behind others.
    pub(super) fn is_waiting(&self, target: RoutingKey, lane: Lane) -> bool {
        !self.is_empty()
            && (self.unsorted_in.contains_key(&lane) || self.waiting.contains_key(&(target, lane)))
    }

    fn push_unsorted(&mut self, unsorted: UnsortedMulticast) {
        *self.unsorted_in.entry(unsorted.lane()).or_default() += 1;
        self.unsorted.push_back(unsorted);
    }

    fn pop_unsorted(&mut self) -> Option<UnsortedMulticast> {
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
    fn admit(&mut self, copy: &StrandedCopy, room: usize) -> bool {
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

    fn place(&mut self, wanting: NodeAndLane, copy: StrandedCopy) {
        self.waiting.entry(wanting).or_default().push_back(copy);
    }

    /// Returns some of the waiting entries, in turn.
    fn next_wanting(&mut self) -> Vec<NodeAndLane> {
        let last = self.turn.unwrap_or((RoutingKey(0), Lane::Control));
        let next = self
            .waiting
            .range((Bound::Excluded(last), Bound::Unbounded));
        let next = next.chain(self.waiting.range(..=last));
        let next: Vec<NodeAndLane> = next.take(TARGETS).map(|(&wanting, _)| wanting).collect();
        self.turn = next.last().copied();
        next
    }

    fn first(&self, wanting: NodeAndLane) -> Option<&StrandedCopy> {
        self.waiting.get(&wanting)?.front()
    }

    fn pop(&mut self, wanting: NodeAndLane) -> Option<StrandedCopy> {
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

impl Router {
    /// Has messages sent again that were sent over a link that is gone and not confirmed.
    pub(super) fn strand_unconfirmed(
        &mut self,
        now: Instant,
        neighbour: RoutingKey,
        unconfirmed: UnconfirmedMulticasts,
    ) {
        let until = now + PATIENCE;
        for sent in unconfirmed.into_sent() {
            self.stranded
                .push_unsorted(UnsortedMulticast::Cut(CutMulticast {
                    neighbour,
                    sent,
                    until,
                }));
        }
        if !self.stranded.is_empty() {
            self.stranded.resume = Some(now);
        }
    }

    /// Records that links of the overlay have changed.
    pub(super) fn links_changed(&mut self, now: Instant) {
        self.stranded.changed = Some(now);
    }

    /// Records that a node went out of reach.
    pub(super) fn node_absent(&mut self, now: Instant, node: RoutingKey) {
        let absent = &mut self.stranded.absent;
        absent.retain(|_, until| now < *until);
        if absent.len() < MAX_ABSENT {
            absent.insert(node, now + ABSENCE);
        }
        self.stranded.resume = sooner(self.stranded.resume, Some(now + ABSENCE));
    }

    /// Adds to a session's multicast the nodes that had its topic when they went out of reach, a
    /// moment ago. Whether they may be sent private topics is verified again when they are back.
    pub(super) fn add_absent(&self, origin: Origin, topic: &[u8], nodes: &mut Vec<RoutingKey>) {
        if !matches!(origin, Origin::Session(_)) || topic.starts_with(PRIVATE) {
            return;
        }
        for &node in self.stranded.absent.keys() {
            if self.mesh.says_it_has(node, topic) && !nodes.contains(&node) {
                nodes.push(node);
            }
        }
    }

    /// Lets a multicast wait for a path to a node, if there is room.
    pub(super) fn strand(
        &mut self,
        now: Instant,
        (called, target, seal): (MulticastName, RoutingKey, Option<Seal>),
        content: Body,
        lane: Lane,
        hops_left: u32,
    ) {
        let copy = StrandedCopy {
            called,
            seal,
            content,
            lane,
            hops_left,
            cut: false,
            life: self.mesh.life(target),
            until: now + PATIENCE,
        };
        if !self.admit_stranded(&copy) {
            return;
        }
        // It keeps its place behind those that are not sorted yet.
        let wanting = (target, lane);
        if self.stranded.unsorted_in.contains_key(&lane) {
            self.stranded
                .push_unsorted(UnsortedMulticast::Copy(wanting, copy));
        } else {
            self.stranded.place(wanting, copy);
        }
        let soon = Some(now + PAUSE);
        self.stranded.resume = sooner(self.stranded.resume, soon);
    }

    fn admit_stranded(&mut self, copy: &StrandedCopy) -> bool {
        let room = match copy.sender() {
            // Any neighbour could make this node hold this much.
            Some(Sender::Peer(_)) if !copy.cut => ROOM_FOR_PEERS,
            _ => 2 * self.limits.peer_queue,
        };
        let admitted = self.stranded.admit(copy, room);
        if !admitted {
            self.counters.multicasts_lost += 1;
        }
        admitted
    }

    /// Sends copies that have a path now, and gives up those that have waited for too long.
    pub(super) fn send_stranded(&mut self, now: Instant) {
        let Some(at) = self.stranded.resume else {
            return;
        };
        let changes = self.mesh.changes();
        if now < at && self.stranded.seen == changes {
            return;
        }
        self.stranded.seen = changes;
        self.stranded.absent.retain(|_, until| now < *until);
        let mut left = SLICE;
        while left > 0
            && let Some(unsorted) = self.stranded.pop_unsorted()
        {
            left -= 1;
            match unsorted {
                UnsortedMulticast::Cut(cut) => self.sort(cut),
                UnsortedMulticast::Copy(wanting, copy) => self.stranded.place(wanting, copy),
            }
        }
        let mut more = left == 0;
        if self.stranded.unsorted.is_empty() {
            let next = self.stranded.next_wanting();
            more |= next.len() < self.stranded.waiting.len();
            for wanting in next {
                self.send_stranded_of(now, wanting, &mut left);
                more |= left == 0;
            }
        }
        let more = more && !self.stranded.is_empty();
        let next = if more { PAUSE } else { LOOK_PAUSE };
        let next = (!self.stranded.is_empty()).then(|| now + next);
        self.stranded.resume = sooner(next, self.stranded.absent.values().min().copied());
    }

    fn send_stranded_of(&mut self, now: Instant, wanting: NodeAndLane, left: &mut usize) {
        let (target, lane) = wanting;
        // The last node on the path may have known less than this one does. If nothing has changed
        // recently a message does not turn round, because it could do so for ever.
        let may_turn = self.stranded.changed.is_some_and(|at| now < at + TURNS);
        while *left > 0
            && let Some(copy) = self.stranded.first(wanting)
        {
            // A node that has restarted does not know what it received before, and its subscribers
            // are gone.
            let life = self.mesh.life(target);
            if copy.cut && life.is_some() && life != copy.life {
                *left -= 1;
                self.stranded.pop(wanting);
                continue;
            }
            let over = copy.until <= now;
            let from = match copy.sender() {
                Some(Sender::Peer(peer)) if !may_turn => Some(peer),
                _ => None,
            };
            let len = copy.content.len();
            let hop = self.hop(target, from, lane, len).filter(|_| !over);
            if hop.is_none() && !over {
                return;
            }
            *left -= 1;
            let copy = self.stranded.pop(wanting);
            match copy.zip(hop) {
                Some((mut copy, hop)) => {
                    if copy.sender() == Some(Sender::Peer(hop.peer)) {
                        copy.hops_left = copy.hops_left.saturating_sub(TURN_HOPS).max(1);
                    }
                    self.send_stranded_copy(hop, target, copy);
                }
                None => self.counters.multicasts_lost += 1,
            }
        }
    }

    fn send_stranded_copy(&mut self, hop: Hop, target: RoutingKey, copy: StrandedCopy) {
        let StrandedCopy {
            called,
            seal,
            content,
            lane,
            hops_left,
            ..
        } = copy;
        if called.voucher == self.mesh.own() && self.mesh.ends_at(hop.key, target) {
            let targets = if hop.key == target {
                Vec::new()
            } else {
                vec![target]
            };
            let body = called.direct(targets).encode_parts(&content);
            let message = carrying(packet::MULTICAST, hops_left, body);
            self.send_multicast(hop.peer, lane, message);
            return;
        }
        let targets = match seal {
            Some(seal) => vec![(target, seal)],
            None => self.seals(called, &[target], content.digest()),
        };
        if !targets.is_empty() {
            let body = called.spread(targets).encode_parts(&content);
            let message = carrying(packet::RELAYED_MULTICAST, hops_left, body);
            self.send_multicast(hop.peer, lane, message);
        }
    }

    /// Sorts a multicast that was sent over a cut link into the copies that wait for its targets.
    fn sort(&mut self, cut: CutMulticast) {
        let CutMulticast {
            neighbour,
            sent: (lane, message),
            until,
        } = cut;
        let hops_left = Numbered::of(message.frame.seq).hops_left;
        let own = self.mesh.own();
        let Some(MulticastParts {
            called,
            targets,
            content,
        }) = MulticastParts::of(message, own, neighbour)
        else {
            return;
        };
        for (target, seal) in targets {
            self.counters.multicasts_again += 1;
            let copy = StrandedCopy {
                called,
                // For its own messages this node makes new seals.
                seal: seal.filter(|_| called.voucher != own),
                content: content.clone(),
                lane,
                hops_left,
                cut: true,
                life: self.mesh.life(target),
                until,
            };
            if self.admit_stranded(&copy) {
                self.stranded.place((target, lane), copy);
            }
        }
    }
}

/// A multicast as it was sent, split into its parts.
struct MulticastParts {
    called: MulticastName,
    targets: Vec<(RoutingKey, Option<Seal>)>,
    content: Body,
}

impl MulticastParts {
    /// Splits a message that `own` sent to a neighbour; `None` does not happen for messages that
    /// were sent.
    fn of(message: PeerMessage, own: RoutingKey, neighbour: RoutingKey) -> Option<Self> {
        let PeerMessage { frame, tail } = message;
        if frame.packet == packet::RELAYED_MULTICAST {
            let (spread, head) = RelayedMulticastHeader::decode(frame.body)?;
            let targets = spread.targets.into_iter();
            return Some(Self {
                called: MulticastName {
                    voucher: spread.voucher,
                    source: spread.source,
                    id: spread.id,
                },
                targets: targets.map(|(target, seal)| (target, Some(seal))).collect(),
                content: Body { head, tail },
            });
        }
        let (mut spread, head) = MulticastHeader::decode(frame.body)?;
        if spread.targets.is_empty() {
            spread.targets.push(neighbour);
        }
        Some(Self {
            called: MulticastName {
                voucher: own,
                source: spread.source,
                id: spread.id,
            },
            targets: spread.targets.into_iter().map(|key| (key, None)).collect(),
            content: Body { head, tail },
        })
    }
}
