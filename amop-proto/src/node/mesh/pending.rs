//! Records of neighbours that are not applied yet, or are missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{
    inbox::Inbox,
    limits::{ASK_LATER, UNNEEDED},
};
use crate::{
    hash::HashMap,
    node::{PeerId, sooner},
    p2p::mesh::RoutingKey,
};

/// How long a refused node is not asked for.
const DISBELIEF: Duration = Duration::from_secs(60);

/// The number of refused nodes that are remembered.
const MAX_DISBELIEVED: usize = 1024;

/// The place of a part in a checked packet. A long packet comes in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PacketPart {
    Whole,
    /// Further parts follow.
    More,
    /// The last part; all parts before it were taken.
    Last,
    /// The last part; some part before it was not taken.
    LastOfTorn,
}

/// Records that have come and are not applied yet.
#[derive(Debug, Clone, Default)]
pub(super) struct PendingRecords {
    pub(super) inbox: Inbox,
    /// The number of new records so far.
    pub(super) news: u64,
    /// Neighbours whose latest record of themselves was not taken.
    pub(super) refused: BTreeSet<RoutingKey>,
    /// Neighbours that have sent a part of a frame, but not the last one, and whether a part was
    /// not taken.
    parts: BTreeMap<PeerId, bool>,
    pub(super) resume: Option<Instant>,
    /// When to ask neighbours for everything that is missing here.
    pub(super) ask_again: Option<Instant>,
    /// The neighbours to ask.
    pub(super) ask_whom: BTreeSet<PeerId>,
    /// When they were asked last, and how many times in a row.
    pub(super) asked: Option<(Instant, u32)>,
    /// When they were told last what is known here, which is how they are asked.
    pub(super) told: Option<Instant>,
    pub(super) disbelieved: HashMap<RoutingKey, Disbelief>,
}

/// A node whose certificates this node refuses.
#[derive(Debug, Clone)]
pub(super) struct Disbelief {
    /// The version of the record that was refused.
    version: u64,
    /// Until when it is not asked for because of that version or an older one.
    pub(super) until: Instant,
    /// Until when it is not asked for at all.
    ask_at: Instant,
}

impl PendingRecords {
    pub(super) fn next(&self) -> Option<Instant> {
        sooner(self.resume, self.ask_again)
    }

    /// Notes a part of a frame of a neighbour. Until the last part comes, it is remembered whether
    /// another part was not taken.
    pub(super) fn begin_part(&mut self, peer: PeerId, is_last: bool) -> PacketPart {
        if !is_last {
            self.parts.entry(peer).or_insert(false);
            return PacketPart::More;
        }
        match self.parts.remove(&peer) {
            None => PacketPart::Whole,
            Some(false) => PacketPart::Last,
            Some(true) => PacketPart::LastOfTorn,
        }
    }

    /// Notes that a neighbour's frame was not taken, or only a part of it.
    pub(super) fn torn(&mut self, peer: PeerId) {
        if let Some(torn) = self.parts.get_mut(&peer) {
            *torn = true;
        }
    }

    /// Has neighbours asked as soon as nodes that went out of reach now may be forgotten for what is
    /// missing, and not only after the long pause that follows several refusals.
    pub(super) fn room_comes(&mut self, now: Instant) {
        let Some(at) = &mut self.ask_again else {
            return;
        };
        let not_before = self.told.map_or(now, |told| told + ASK_LATER);
        *at = (now + UNNEEDED).max(not_before).min(*at);
    }

    pub(super) fn peer_gone(&mut self, peer: PeerId) {
        self.parts.remove(&peer);
    }

    pub(super) fn link_down(&mut self, neighbour: RoutingKey) {
        self.refused.remove(&neighbour);
    }

    pub(super) fn disbelieve(&mut self, now: Instant, key: RoutingKey, version: u64) {
        if self.disbelieved.len() >= MAX_DISBELIEVED {
            self.disbelieved.clear();
        }
        let held = self.disbelieved.get(&key).map_or(0, |held| held.version);
        let disbelief = Disbelief {
            version: version.max(held),
            until: now + DISBELIEF,
            ask_at: now + ASK_LATER,
        };
        self.disbelieved.insert(key, disbelief);
    }

    /// Notes that a statement of this version cannot be used without earlier ones: those will be
    /// asked for, unless the node is known to be refused.
    pub(super) fn want(
        &mut self,
        now: Instant,
        sender: RoutingKey,
        (key, version): (RoutingKey, u64),
    ) {
        if let Some(held) = self.disbelieved.get_mut(&key) {
            let open = version > held.version || held.until <= now;
            if !open || now < held.ask_at {
                return;
            }
            held.ask_at = now + ASK_LATER;
        }
        if let Some(queue) = self.inbox.queue(sender) {
            queue.wanted.insert(key);
        }
    }
}
