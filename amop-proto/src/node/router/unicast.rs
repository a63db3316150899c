//! One unicast on its way: whom it was sent to, whom it was tried with, how long it may take.

use std::{collections::BTreeSet, time::Instant};

use bytes::Bytes;

use super::{links::Links, table::Entry};
use crate::{
    channel::Frame,
    node::{PeerId, SessionId},
};

use rand::{RngExt, rngs::StdRng};

/// Names a unicast in flight. Never used twice.
pub(super) type UnicastId = u64;

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A publisher of this node.
    Session(SessionId),
    /// Another node, with the P2P seq of its request.
    Peer(PeerId, u32),
}

/// Where a unicast may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Session(SessionId),
    Peer(PeerId),
}

/// A unicast in flight.
#[derive(Debug)]
pub(super) struct Unicast {
    pub(super) origin: Origin,
    /// The publisher's frame: sent on as it is, and its body comes back with result 104.
    pub(super) frame: Frame,
    pub(super) topic: Bytes,
    /// Whom it was sent to and who has not answered yet.
    pub(super) at: Option<(Target, AttemptKey)>,
    /// Whom not to try again.
    pub(super) tried: BTreeSet<Target>,
    /// A subscriber was asked and did not take it.
    pub(super) refused: bool,
    /// When it is over, whatever happens.
    pub(super) deadline: Instant,
    /// When its timer fires next.
    pub(super) timer: Instant,
}

/// What the answer will be recognised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttemptKey {
    /// The frame's own seq.
    Seq,
    /// The P2P seq.
    PeerSeq(u32),
}

impl Unicast {
    /// Draws one subscriber uniformly among those that can take the message.
    ///
    /// The publisher's own session is drawn only when there is no other: SDKs in other languages
    /// take a push with the seq of their own pending request for its response
    /// (channel-v2 section 7.6).
    pub(super) fn draw(&self, entry: &Entry, links: &Links, rng: &mut StdRng) -> Option<Target> {
        // A message from another node stays here: real nodes do not relay (p2p-v2 section 7.2).
        let local_only = matches!(self.origin, Origin::Peer(..));
        let own = match self.origin {
            Origin::Session(session) => Some(Target::Session(session)),
            Origin::Peer(..) => None,
        };
        let usable = |target: Target| {
            !self.tried.contains(&target)
                && match target {
                    Target::Session(session) => links.session_takes(session, &self.frame.seq),
                    Target::Peer(peer) => links.peer_takes(peer),
                }
        };
        let local = entry.sessions.len() as u64;
        let total = local + if local_only { 0 } else { entry.peer_weight };
        if total == 0 {
            return None;
        }
        // The common case in one draw. Where it hits somebody unusable, the draw among the usable
        // ones below is as uniform.
        let target = pick(entry, rng.random_range(0..total));
        if usable(target) && (Some(target) != own || total == 1) {
            return Some(target);
        }
        let candidates: Vec<(Target, u64)> = entry
            .sessions
            .iter()
            .map(|&session| (Target::Session(session), 1))
            .chain(
                entry
                    .peers
                    .iter()
                    .filter(|_| !local_only)
                    .map(|&(peer, count)| (Target::Peer(peer), u64::from(count))),
            )
            .filter(|&(target, _)| Some(target) != own && usable(target))
            .collect();
        let total: u64 = candidates.iter().map(|&(_, weight)| weight).sum();
        if total == 0 {
            return own.filter(|&own| is_subscribed(entry, own) && usable(own));
        }
        let mut at = rng.random_range(0..total);
        candidates
            .into_iter()
            .find(|&(_, weight)| {
                let hit = at < weight;
                at = at.saturating_sub(weight);
                hit
            })
            .map(|(target, _)| target)
    }
}

/// The target at position `at` when every subscriber is one step.
fn pick(entry: &Entry, at: u64) -> Target {
    if let Some(&session) = usize::try_from(at)
        .ok()
        .and_then(|at| entry.sessions.get(at))
    {
        return Target::Session(session);
    }
    let mut at = at - entry.sessions.len() as u64;
    for &(peer, count) in &entry.peers {
        if at < u64::from(count) {
            return Target::Peer(peer);
        }
        at -= u64::from(count);
    }
    unreachable!("positions are below the sum of the counts")
}

fn is_subscribed(entry: &Entry, target: Target) -> bool {
    match target {
        Target::Session(session) => entry.sessions.contains(&session),
        Target::Peer(_) => false,
    }
}
