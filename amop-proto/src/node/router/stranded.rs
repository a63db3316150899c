//! Multicasts of the network that have no way to their node just now: a link was cut under them, or is
//! about to be replaced. They wait for another way, for some seconds, and keep their order.

use std::{
    collections::{BTreeMap, VecDeque, hash_map::Entry},
    ops::Bound,
    time::{Duration, Instant},
};

use super::{
    Router,
    network::carrying,
    spread::Called,
    transit::PRIVATE,
    unconfirmed::{Sent, Unconfirmed},
    unicast::Origin,
};
use crate::{
    hash::HashMap,
    node::{Lane, Sender, mesh::Hop, sooner},
    p2p::{
        Body, PeerMessage,
        mesh::{Content, NodeKey, Numbered, RelayedSpread, Seal, Spread, packet},
    },
};

/// So long a multicast waits for a way.
const PATIENCE: Duration = Duration::from_secs(10);

/// So long a node that went out of reach is sent multicasts all the same: its link may be back in a moment.
const ABSENCE: Duration = Duration::from_secs(5);

/// More such nodes are not remembered.
const MAX_ABSENT: usize = 64;

/// So long after a change of the network a multicast may be sent back where it came from, and so many links
/// fewer it may cross then: two nodes of different views hand it to each other three times at most.
const TURNS: Duration = Duration::from_secs(5);
const TURN_HOPS: u32 = 8;

/// What a copy takes in memory beside its bytes.
const BESIDE: usize = 256;

/// So many bytes wait at most where neighbours sent them here to be passed on.
const ROOM_FOR_PEERS: usize = 16 << 20;

/// So many copies are dealt with for one event.
const SLICE: usize = 512;

/// So many targets are looked after for one event.
const TARGETS: usize = 64;

/// Between two slices others have their turn, and between two looks for a way more happens.
const PAUSE: Duration = Duration::from_millis(1);
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// Who wants to send something, and the node that it is for.
type Wanting = (NodeKey, Lane);

/// One copy of a multicast, for one node.
#[derive(Debug, Clone)]
struct Copy {
    called: Called,
    /// That of its source, where that is another node.
    seal: Option<Seal>,
    /// The channel frame.
    content: Body,
    lane: Lane,
    hops_left: u32,
    /// It was on its way when a link was cut, so that it may have arrived.
    cut: bool,
    /// What its node agrees on keys with: another key once that has started again.
    life: Option<[u8; 32]>,
    until: Instant,
}

impl Copy {
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
struct Cut {
    neighbour: NodeKey,
    sent: Sent,
    until: Instant,
}

#[derive(Debug, Clone)]
enum Unsorted {
    Cut(Cut),
    Copy(Wanting, Copy),
}

impl Unsorted {
    fn lane(&self) -> Lane {
        match self {
            Self::Cut(cut) => cut.sent.0,
            Self::Copy((_, lane), _) => *lane,
        }
    }
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Stranded {
    /// What is to be put with what waits for its target: what was sent over links that are gone, and what
    /// came behind it.
    unsorted: VecDeque<Unsorted>,
    /// How much of it is in each lane. None of them is without.
    unsorted_in: HashMap<Lane, usize>,
    /// None of them is empty. What one sender has for a target keeps its order, and holds up nobody else.
    waiting: BTreeMap<Wanting, VecDeque<Copy>>,
    /// These had their turn last.
    turn: Option<Wanting>,
    bytes: usize,
    by_sender: HashMap<Sender, usize>,
    /// When links of the network changed last.
    changed: Option<Instant>,
    /// Those that went out of reach, until when they are remembered.
    absent: BTreeMap<NodeKey, Instant>,
    resume: Option<Instant>,
    /// How many changes of the network there had been at the last look.
    seen: u64,
}

impl Stranded {
    pub(super) fn is_empty(&self) -> bool {
        self.unsorted.is_empty() && self.waiting.is_empty()
    }

    /// What waits, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.resume
    }

    /// Whether nodes went out of reach lately.
    pub(super) fn has_absent(&self) -> bool {
        !self.absent.is_empty()
    }

    /// Whether what comes in a lane for a node waits behind others.
    pub(super) fn is_waiting(&self, target: NodeKey, lane: Lane) -> bool {
        !self.is_empty()
            && (self.unsorted_in.contains_key(&lane) || self.waiting.contains_key(&(target, lane)))
    }

    fn push_unsorted(&mut self, unsorted: Unsorted) {
        *self.unsorted_in.entry(unsorted.lane()).or_default() += 1;
        self.unsorted.push_back(unsorted);
    }

    fn pop_unsorted(&mut self) -> Option<Unsorted> {
        let unsorted = self.unsorted.pop_front()?;
        if let Entry::Occupied(mut count) = self.unsorted_in.entry(unsorted.lane()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(unsorted)
    }

    /// Whether there is room for a copy, which counts from now on: nobody gets more than is left for others.
    fn admit(&mut self, copy: &Copy, room: usize) -> bool {
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

    fn place(&mut self, wanting: Wanting, copy: Copy) {
        self.waiting.entry(wanting).or_default().push_back(copy);
    }

    /// Some of those that wait, in turn.
    fn next_wanting(&mut self) -> Vec<Wanting> {
        let last = self.turn.unwrap_or((NodeKey(0), Lane::Control));
        let next = self
            .waiting
            .range((Bound::Excluded(last), Bound::Unbounded));
        let next = next.chain(self.waiting.range(..=last));
        let next: Vec<Wanting> = next.take(TARGETS).map(|(&wanting, _)| wanting).collect();
        self.turn = next.last().copied();
        next
    }

    fn first(&self, wanting: Wanting) -> Option<&Copy> {
        self.waiting.get(&wanting)?.front()
    }

    fn pop(&mut self, wanting: Wanting) -> Option<Copy> {
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
    /// A link is gone. What was sent over it and not confirmed is sent again.
    pub(super) fn strand_unconfirmed(
        &mut self,
        now: Instant,
        neighbour: NodeKey,
        unconfirmed: Unconfirmed,
    ) {
        let until = now + PATIENCE;
        for sent in unconfirmed.into_sent() {
            self.stranded.push_unsorted(Unsorted::Cut(Cut {
                neighbour,
                sent,
                until,
            }));
        }
        if !self.stranded.is_empty() {
            self.stranded.resume = Some(now);
        }
    }

    /// Links of the network have changed.
    pub(super) fn links_changed(&mut self, now: Instant) {
        self.stranded.changed = Some(now);
    }

    /// A node went out of reach.
    pub(super) fn node_absent(&mut self, now: Instant, node: NodeKey) {
        let absent = &mut self.stranded.absent;
        absent.retain(|_, until| now < *until);
        if absent.len() < MAX_ABSENT {
            absent.insert(node, now + ABSENCE);
        }
        self.stranded.resume = sooner(self.stranded.resume, Some(now + ABSENCE));
    }

    /// Adds nodes to those a session's multicast is for that had its topic when they went out of reach, a
    /// moment ago. Who may be sent private topics is settled anew when they are back.
    pub(super) fn add_absent(&self, origin: Origin, topic: &[u8], nodes: &mut Vec<NodeKey>) {
        if !matches!(origin, Origin::Session(_)) || topic.starts_with(PRIVATE) {
            return;
        }
        for &node in self.stranded.absent.keys() {
            if self.mesh.says_it_has(node, topic) && !nodes.contains(&node) {
                nodes.push(node);
            }
        }
    }

    /// Has a multicast wait for a way to a node, if there is room.
    pub(super) fn strand(
        &mut self,
        now: Instant,
        (called, target, seal): (Called, NodeKey, Option<Seal>),
        content: Body,
        lane: Lane,
        hops_left: u32,
    ) {
        let copy = Copy {
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
        // It keeps its place behind what is to be sorted.
        let wanting = (target, lane);
        if self.stranded.unsorted_in.contains_key(&lane) {
            self.stranded.push_unsorted(Unsorted::Copy(wanting, copy));
        } else {
            self.stranded.place(wanting, copy);
        }
        let soon = Some(now + PAUSE);
        self.stranded.resume = sooner(self.stranded.resume, soon);
    }

    fn admit_stranded(&mut self, copy: &Copy) -> bool {
        let room = match copy.sender() {
            // Any neighbour could make this node hold so much.
            Some(Sender::Peer(_)) if !copy.cut => ROOM_FOR_PEERS,
            _ => 2 * self.limits.peer_queue,
        };
        let admitted = self.stranded.admit(copy, room);
        if !admitted {
            self.counters.multicasts_lost += 1;
        }
        admitted
    }

    /// Sends what has a way now, and gives up what has waited for too long.
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
                Unsorted::Cut(cut) => self.sort(cut),
                Unsorted::Copy(wanting, copy) => self.stranded.place(wanting, copy),
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

    fn send_stranded_of(&mut self, now: Instant, wanting: Wanting, left: &mut usize) {
        let (target, lane) = wanting;
        // Its last node may have known less than this one does. Where nothing has changed lately nothing turns
        // round, since it could do so for ever.
        let may_turn = self.stranded.changed.is_some_and(|at| now < at + TURNS);
        while *left > 0
            && let Some(copy) = self.stranded.first(wanting)
        {
            // A node that has started again does not know what it has had, and its subscribers are gone.
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

    fn send_stranded_copy(&mut self, hop: Hop, target: NodeKey, copy: Copy) {
        let Copy {
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
            let body = called.direct(targets).seal_parts(&content);
            let message = carrying(packet::MULTICAST, hops_left, body);
            self.send_multicast(hop.peer, lane, message);
            return;
        }
        let targets = match seal {
            Some(seal) => vec![(target, seal)],
            None => self.seals(called, &[target], content.digest()),
        };
        if !targets.is_empty() {
            let body = called.spread(targets).seal_parts(&content);
            let message = carrying(packet::RELAYED_MULTICAST, hops_left, body);
            self.send_multicast(hop.peer, lane, message);
        }
    }

    /// What was sent over a link is put with what waits for its targets.
    fn sort(&mut self, cut: Cut) {
        let Cut {
            neighbour,
            sent: (lane, message),
            until,
        } = cut;
        let hops_left = Numbered::of(message.frame.seq).hops_left;
        let own = self.mesh.own();
        let Some(Parts {
            called,
            targets,
            content,
        }) = Parts::of(message, own, neighbour)
        else {
            return;
        };
        for (target, seal) in targets {
            self.counters.multicasts_again += 1;
            let copy = Copy {
                called,
                // Of its own messages this node makes new ones.
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

/// A multicast as it was sent, taken apart.
struct Parts {
    called: Called,
    targets: Vec<(NodeKey, Option<Seal>)>,
    content: Body,
}

impl Parts {
    /// What `own` sent a neighbour; `None` never comes of what was sent.
    fn of(message: PeerMessage, own: NodeKey, neighbour: NodeKey) -> Option<Self> {
        let PeerMessage { frame, tail } = message;
        if frame.packet == packet::RELAYED_MULTICAST {
            let (spread, head) = RelayedSpread::open(frame.body)?;
            let targets = spread.targets.into_iter();
            return Some(Self {
                called: Called {
                    voucher: spread.voucher,
                    source: spread.source,
                    id: spread.id,
                },
                targets: targets.map(|(target, seal)| (target, Some(seal))).collect(),
                content: Body { head, tail },
            });
        }
        let (mut spread, head) = Spread::open(frame.body)?;
        if spread.targets.is_empty() {
            spread.targets.push(neighbour);
        }
        Some(Self {
            called: Called {
                voucher: own,
                source: spread.source,
                id: spread.id,
            },
            targets: spread.targets.into_iter().map(|key| (key, None)).collect(),
            content: Body { head, tail },
        })
    }
}
