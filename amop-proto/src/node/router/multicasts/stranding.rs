//! Lets multicasts wait that have no path, and sends them when they have one.

use std::time::{Duration, Instant};

use super::{
    Multicasts,
    name::MulticastName,
    parts::MulticastParts,
    seals::seals,
    stranded::{CutMulticast, NodeAndLane, StrandedCopy, UnsortedMulticast},
};
use crate::{
    node::{
        Lane, Sender,
        mesh::{Hop, Mesh},
        router::{
            ends::Origin,
            outbound::{Outbound, UnconfirmedMulticasts},
            overlay::carrying,
            topics::PRIVATE,
        },
        sooner,
    },
    p2p::{
        Body,
        mesh::{FrameContent, Numbered, RoutingKey, Seal, packet},
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

/// The bytes that may wait when neighbours sent them here to be passed on.
const ROOM_FOR_PEERS: usize = 16 << 20;

/// The number of copies handled for one event.
const SLICE: usize = 512;

/// The pause between two slices, in which other work is done, and the longer pause between two
/// searches for a path.
const PAUSE: Duration = Duration::from_millis(1);
const LOOK_PAUSE: Duration = Duration::from_millis(10);

impl Multicasts {
    /// Has messages sent again that were sent over a link that is gone and not confirmed.
    pub(in crate::node::router) fn strand_unconfirmed(
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
    pub(in crate::node::router) fn links_changed(&mut self, now: Instant) {
        self.stranded.changed = Some(now);
    }

    /// Records that a node went out of reach.
    pub(in crate::node::router) fn node_absent(&mut self, now: Instant, node: RoutingKey) {
        let absent = &mut self.stranded.absent;
        absent.retain(|_, until| now < *until);
        if absent.len() < MAX_ABSENT {
            absent.insert(node, now + ABSENCE);
        }
        self.stranded.resume = sooner(self.stranded.resume, Some(now + ABSENCE));
    }

    /// Adds to a session's multicast the nodes that had its topic when they went out of reach, a
    /// moment ago. Whether they may be sent private topics is verified again when they are back.
    pub(in crate::node::router) fn add_absent(
        &self,
        mesh: &Mesh,
        origin: Origin,
        topic: &[u8],
        nodes: &mut Vec<RoutingKey>,
    ) {
        if !matches!(origin, Origin::Session(_)) || topic.starts_with(PRIVATE) {
            return;
        }
        for &node in self.stranded.absent.keys() {
            if mesh.says_it_has(node, topic) && !nodes.contains(&node) {
                nodes.push(node);
            }
        }
    }

    /// Lets a multicast wait for a path to a node, if there is room.
    pub(in crate::node::router) fn strand(
        &mut self,
        out: &mut Outbound,
        mesh: &Mesh,
        now: Instant,
        (called, target, seal): (MulticastName, RoutingKey, Option<Seal>),
        content: Body,
        (lane, hops_left): (Lane, u32),
    ) {
        let copy = StrandedCopy {
            called,
            seal,
            content,
            lane,
            hops_left,
            cut: false,
            life: mesh.life(target),
            until: now + PATIENCE,
        };
        if !self.admit_stranded(out, &copy) {
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

    fn admit_stranded(&mut self, out: &mut Outbound, copy: &StrandedCopy) -> bool {
        let room = match copy.sender() {
            // Any neighbour could make this node hold this much.
            Some(Sender::Peer(_)) if !copy.cut => ROOM_FOR_PEERS,
            _ => 2 * self.peer_queue,
        };
        let admitted = self.stranded.admit(copy, room);
        if !admitted {
            out.counters.multicasts_lost += 1;
        }
        admitted
    }

    /// Sends copies that have a path now, and gives up those that have waited for too long.
    pub(in crate::node::router) fn send_stranded(
        &mut self,
        out: &mut Outbound,
        mesh: &mut Mesh,
        now: Instant,
    ) {
        let Some(at) = self.stranded.resume else {
            return;
        };
        let changes = mesh.changes();
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
                UnsortedMulticast::Cut(cut) => self.sort(out, mesh, cut),
                UnsortedMulticast::Copy(wanting, copy) => self.stranded.place(wanting, copy),
            }
        }
        let mut more = left == 0;
        if self.stranded.unsorted.is_empty() {
            let next = self.stranded.next_wanting();
            more |= next.len() < self.stranded.waiting.len();
            for wanting in next {
                self.send_stranded_of(out, mesh, now, wanting, &mut left);
                more |= left == 0;
            }
        }
        let more = more && !self.stranded.is_empty();
        let next = if more { PAUSE } else { LOOK_PAUSE };
        let next = (!self.stranded.is_empty()).then(|| now + next);
        self.stranded.resume = sooner(next, self.stranded.absent.values().min().copied());
    }

    fn send_stranded_of(
        &mut self,
        out: &mut Outbound,
        mesh: &mut Mesh,
        now: Instant,
        wanting: NodeAndLane,
        left: &mut usize,
    ) {
        let (target, lane) = wanting;
        // The last node on the path may have known less than this one does. If nothing has changed
        // recently a message does not turn round, because it could do so for ever.
        let may_turn = self.stranded.changed.is_some_and(|at| now < at + TURNS);
        while *left > 0
            && let Some(copy) = self.stranded.first(wanting)
        {
            // A node that has restarted does not know what it received before, and its subscribers
            // are gone.
            let life = mesh.life(target);
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
            let hop = out.hop(mesh, target, from, lane, len).filter(|_| !over);
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
                    self.send_stranded_copy(out, mesh, hop, target, copy);
                }
                None => out.counters.multicasts_lost += 1,
            }
        }
    }

    fn send_stranded_copy(
        &mut self,
        out: &mut Outbound,
        mesh: &mut Mesh,
        hop: Hop,
        target: RoutingKey,
        copy: StrandedCopy,
    ) {
        let StrandedCopy {
            called,
            seal,
            content,
            lane,
            hops_left,
            ..
        } = copy;
        // A message with a seal was sent here to be passed on, whomever it names: it is not known to
        // be this node's own.
        if seal.is_none() && mesh.ends_at(hop.key, target) {
            let targets = if hop.key == target {
                Vec::new()
            } else {
                vec![target]
            };
            let body = called.direct(targets).encode_parts(&content);
            let message = carrying(packet::MULTICAST, hops_left, body);
            out.send_multicast(mesh, hop.peer, lane, message);
            return;
        }
        let targets = match seal {
            Some(seal) => vec![(target, seal)],
            None => seals(out, mesh, called, &[target], content.digest()),
        };
        if !targets.is_empty() {
            let body = called.spread(targets).encode_parts(&content);
            let message = carrying(packet::RELAYED_MULTICAST, hops_left, body);
            out.send_multicast(mesh, hop.peer, lane, message);
        }
    }

    /// Sorts a multicast that was sent over a cut link into the copies that wait for its targets.
    fn sort(&mut self, out: &mut Outbound, mesh: &Mesh, cut: CutMulticast) {
        let CutMulticast {
            neighbour,
            sent: (lane, message),
            until,
        } = cut;
        let hops_left = Numbered::of(message.frame.seq).hops_left;
        let own = mesh.own();
        let Some(MulticastParts {
            called,
            targets,
            content,
        }) = MulticastParts::of(message, own, neighbour)
        else {
            return;
        };
        let passed_on = is_passed_on(out, lane);
        for (target, seal) in targets {
            out.counters.multicasts_again += 1;
            let copy = StrandedCopy {
                called,
                // For its own messages this node makes new seals. A message that a neighbour sent here
                // to be passed on may name this node as its source, too.
                seal: seal.filter(|_| passed_on),
                content: content.clone(),
                lane,
                hops_left,
                cut: true,
                life: mesh.life(target),
                until,
            };
            if self.admit_stranded(out, &copy) {
                self.stranded.place((target, lane), copy);
            }
        }
    }
}

/// Returns whether a message came from another overlay node. One of a FISCO node is this node's own.
fn is_passed_on(out: &Outbound, lane: Lane) -> bool {
    let Lane::Messages {
        from: Sender::Peer(peer),
        ..
    } = lane
    else {
        return false;
    };
    let link = out.links.peers.get(&peer);
    !link.is_some_and(|link| link.stub)
}
