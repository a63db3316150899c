//! One unicast in flight: where it was sent, which subscribers were tried, how long it may take.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    time::{Duration, Instant},
};

use super::{
    credit::{Allowance, UsedCredit},
    links::Links,
    table::TopicSubscribers,
};
use crate::{
    channel::Frame,
    node::{Lane, PeerId, SessionId, dice::Dice, digest::FrameDigest, shares::HolderId},
    p2p::mesh::RoutingKey,
};

use rand::RngExt;

/// The number of a unicast in flight. It is never used twice.
pub(super) type UnicastId = u64;

/// The number of random draws among many subscribers before all are searched.
const DRAWS: u64 = 32;

/// The number of subscribers searched for one event: some 20 microseconds.
const LOOKS: usize = 256;

/// The origin of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A publisher of this node.
    Session(SessionId),
    /// A peer that is not an overlay node, with the P2P seq of its request.
    Fisco(PeerId, u32),
    /// An overlay node; the name it sent the message to, which is this node or a FISCO node behind
    /// it; and its id of the message.
    Node(RoutingKey, RoutingKey, u64),
}

impl Origin {
    /// Returns the lane of the origin's messages on a link.
    pub(super) fn lane(self) -> Lane {
        match self {
            Self::Session(session) => Lane::session(session),
            Self::Fisco(peer, _) => Lane::peer(peer),
            Self::Node(source, ..) => Lane::node(source),
        }
    }
}

/// A destination of a unicast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum UnicastTarget {
    Session(SessionId),
    /// A peer that is not an overlay node.
    Fisco(PeerId),
    /// An overlay node, at any distance.
    Node(RoutingKey),
}

/// The targets that may be asked on behalf of an origin.
#[derive(Debug, Clone)]
pub(super) enum Reach {
    Anyone,
    /// This node's sessions: a message from another node stays here, because its sender has chosen
    /// this node.
    Sessions,
    /// The FISCO node it was sent to.
    Fisco(PeerId),
    /// All targets but the FISCO node that the message comes from, under any of its names, and
    /// peers that do not take part in the overlay.
    Beyond {
        from: PeerId,
        not: Vec<RoutingKey>,
    },
}

impl Reach {
    pub(super) fn allows(&self, target: UnicastTarget, links: &Links) -> bool {
        match (self, target) {
            (Self::Anyone, _)
            | (Self::Sessions | Self::Beyond { .. }, UnicastTarget::Session(_)) => true,
            (Self::Fisco(only), UnicastTarget::Fisco(peer)) => *only == peer,
            (Self::Beyond { from, .. }, UnicastTarget::Fisco(peer)) => {
                peer != *from && links.peers.get(&peer).is_some_and(|link| link.transit)
            }
            (Self::Beyond { not, .. }, UnicastTarget::Node(node)) => !not.contains(&node),
            (Self::Sessions | Self::Fisco(_), _) => false,
        }
    }
}

/// Where a unicast is, and how its answer will be recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttemptState {
    /// The answer has the frame's own seq.
    Session(SessionId),
    /// The answer has this P2P seq.
    Fisco(PeerId, u32),
    /// The answer has the unicast's id.
    Node {
        node: RoutingKey,
        /// The credit that the attempt uses.
        given: UsedCredit,
        /// When to give this node up.
        until: Instant,
        /// How long after the last sending to send again, in case the message was lost.
        again: Duration,
        /// How often links of the overlay had changed when it was sent last.
        changes: u64,
    },
    /// The unicast waits for another copy of the same message, which a subscriber has: the
    /// publisher sent it again over another connection.
    Joined(UnicastId),
}

impl AttemptState {
    /// Returns the target that has the unicast; `None` if it waits for another copy.
    pub(super) fn target(self) -> Option<UnicastTarget> {
        match self {
            Self::Session(session) => Some(UnicastTarget::Session(session)),
            Self::Fisco(peer, _) => Some(UnicastTarget::Fisco(peer)),
            Self::Node { node, .. } => Some(UnicastTarget::Node(node)),
            Self::Joined(_) => None,
        }
    }

    /// Returns the lane in which the answer takes its turn on a link: that of the node or session
    /// that gives it.
    pub(super) fn lane(self) -> Option<Lane> {
        match self {
            Self::Session(session) => Some(Lane::session(session)),
            Self::Fisco(peer, _) => Some(Lane::peer(peer)),
            Self::Node { node, .. } => Some(Lane::node(node)),
            Self::Joined(_) => None,
        }
    }
}

/// A unicast in flight.
#[derive(Debug, Clone)]
pub(super) struct Unicast {
    pub(super) origin: Origin,
    /// The holder that the unicast counts for.
    pub(super) holder: HolderId,
    /// The publisher's frame: it is sent on unchanged, and its body comes back with result 104.
    pub(super) frame: Frame,
    pub(super) digest: FrameDigest,
    /// The position of the topic in the frame's body.
    pub(super) topic: Range<usize>,
    /// The subscriber it was sent to, which has not answered yet.
    pub(super) at: Option<AttemptState>,
    /// Copies that end together with this unicast.
    pub(super) joined: Vec<UnicastId>,
    /// The targets not to try again.
    pub(super) tried: TriedTargets,
    /// The progress of the search through all subscribers, once random draws find none.
    pub(super) walk: Option<SubscriberWalk>,
    /// Whether a subscriber was asked and did not take it, or is too busy to be asked.
    pub(super) refused: bool,
    /// When the unicast ends in any case.
    pub(super) deadline: Instant,
    /// When its timer fires next, once it has been sent.
    pub(super) timer: Option<Instant>,
}

/// The result of drawing a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DrawnTarget {
    Target(UnicastTarget),
    /// No subscriber can be asked.
    Nobody {
        /// Whether some subscriber has the topic but cannot be sent the message now.
        busy: bool,
        /// A session that cannot be asked because another message with the same seq is there.
        asked: Option<SessionId>,
    },
    /// There are so many that the search continues later.
    Later,
}

/// A search through all subscribers, one after the other from a random one on. There are two
/// rounds, because subscribers change places when others leave, and one more in between if some
/// nodes lack credit because of others of their agency. However many subscribers refuse a unicast,
/// each is looked at a limited number of times.
#[derive(Debug, Clone, Copy)]
pub(super) struct SubscriberWalk {
    at: u64,
    /// The number of subscribers left in this round.
    left: u64,
    round: SearchRound,
    /// Whether some nodes lack credit because of others of their agency.
    crowded: bool,
    busy: bool,
    asked: Option<SessionId>,
}

/// The targets that a round considers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SearchRound {
    /// Targets that have credit.
    Credit,
    /// Also targets that lack credit only because of others of their agency.
    Alone,
    Any,
}

impl SearchRound {
    fn allows(self, credit: Allowance) -> bool {
        match self {
            Self::Credit => credit.more,
            Self::Alone => credit.alone,
            Self::Any => true,
        }
    }
}

impl SubscriberWalk {
    /// Moves on to the next subscriber, in the next round if this one has ended; returns `false` if
    /// all rounds have ended.
    fn step(&mut self, total: u64) -> bool {
        if self.is_over() {
            return false;
        }
        if self.left == 0 {
            self.left = total;
            self.round = match self.round {
                SearchRound::Credit if self.crowded => SearchRound::Alone,
                _ => SearchRound::Any,
            };
        }
        self.left -= 1;
        true
    }

    fn is_over(&self) -> bool {
        self.left == 0 && self.round == SearchRound::Any
    }
}

/// A set of targets, usually of one.
#[derive(Debug, Clone, Default)]
pub(super) struct TriedTargets {
    first: Option<UnicastTarget>,
    others: BTreeSet<UnicastTarget>,
}

impl TriedTargets {
    pub(super) fn insert(&mut self, target: UnicastTarget) {
        if *self.first.get_or_insert(target) != target {
            self.others.insert(target);
        }
    }

    fn contains(&self, target: UnicastTarget) -> bool {
        self.first == Some(target) || self.others.contains(&target)
    }
}

impl Unicast {
    pub(super) fn topic(&self) -> &[u8] {
        &self.frame.body[self.topic.clone()]
    }

    /// Returns how often links of the overlay had changed when the unicast was last sent to an
    /// overlay node.
    pub(super) fn sent_at(&self) -> Option<u64> {
        match self.at {
            Some(AttemptState::Node { changes, .. }) => Some(changes),
            _ => None,
        }
    }

    /// Draws one subscriber uniformly among those that can take the message.
    ///
    /// The publisher's own session is drawn only when there is no other: go-sdk and java-sdk treat
    /// a push with the seq of their own pending request as its response. In that case it is drawn
    /// nevertheless, and not left out with result 104, because it is a subscriber and other SDKs
    /// answer such a push (channel-v2 section 7.6: it must be eligible, and may be skipped for
    /// others).
    pub(super) fn draw(
        &mut self,
        entry: &TopicSubscribers,
        reach: &Reach,
        (links, credits): (&Links, &impl Fn(RoutingKey) -> Allowance),
        rng: &mut Dice,
    ) -> DrawnTarget {
        let nobody = DrawnTarget::Nobody {
            busy: false,
            asked: None,
        };
        let own = match self.origin {
            Origin::Session(session) => Some(UnicastTarget::Session(session)),
            Origin::Fisco(..) | Origin::Node(..) => None,
        };
        let local_only = matches!(reach, Reach::Sessions);
        let usable = |target: UnicastTarget| {
            reach.allows(target, links)
                && !self.tried.contains(target)
                && self.may_take(target, links)
        };
        let has_choice = entry.sessions.len() + entry.nodes.len() + entry.peers.len() > 1;
        let credit = |target: UnicastTarget| match target {
            UnicastTarget::Node(node) if has_choice => credits(node),
            UnicastTarget::Node(_) | UnicastTarget::Session(_) | UnicastTarget::Fisco(_) => {
                Allowance::ONE
            }
        };
        let remote = if local_only {
            0
        } else {
            entry.nodes.total() + entry.peers.len() as u64
        };
        let total = entry.sessions.len() as u64 + remote;
        if total == 0 {
            return nobody;
        }
        // The common case needs one draw. If it hits an unusable subscriber, the next draw is again
        // uniform among the usable ones. All are searched only when most are unusable.
        for _ in 0..DRAWS {
            let Some(target) = pick(entry, rng.random_range(0..total)) else {
                break;
            };
            if usable(target) && credit(target).more && (Some(target) != own || total == 1) {
                return DrawnTarget::Target(target);
            }
            if total < 2 * DRAWS {
                break;
            }
        }
        if total >= 2 * DRAWS {
            let start = || rng.random_range(0..total);
            return self.walk(entry, total, start, (own, reach, links), credit);
        }
        let sessions = entry
            .sessions
            .iter()
            .map(|&session| (UnicastTarget::Session(session), 1));
        let nodes = entry
            .nodes
            .iter()
            .map(|(node, count)| (UnicastTarget::Node(node), count));
        let peers = entry
            .peers
            .iter()
            .map(|&peer| (UnicastTarget::Fisco(peer), 1));
        let candidates = sessions
            .chain(nodes.chain(peers).filter(|_| !local_only))
            .filter(|&(target, _)| Some(target) != own && usable(target))
            .map(|(target, weight)| (target, weight, credit(target)))
            .collect();
        let candidates = by_credit(candidates);
        let total: u64 = candidates.iter().map(|&(_, weight)| weight).sum();
        if total == 0 {
            let own = own.filter(|&own| is_subscribed(entry, own) && usable(own));
            return own.map_or_else(|| self.nobody(entry, reach, links), DrawnTarget::Target);
        }
        let mut at = rng.random_range(0..total);
        let hit = candidates.into_iter().find(|&(_, weight)| {
            let hit = at < weight;
            at = at.saturating_sub(weight);
            hit
        });
        hit.map_or(nobody, |(target, _)| DrawnTarget::Target(target))
    }

    /// Returns why none of a small number of subscribers can be asked.
    fn nobody(&self, entry: &TopicSubscribers, reach: &Reach, links: &Links) -> DrawnTarget {
        let untried =
            |target: UnicastTarget| reach.allows(target, links) && !self.tried.contains(target);
        let here = entry.sessions.iter().copied().map(UnicastTarget::Session);
        let nodes = entry
            .nodes
            .iter()
            .map(|(node, _)| UnicastTarget::Node(node));
        let peers = entry.peers.iter().copied().map(UnicastTarget::Fisco);
        DrawnTarget::Nobody {
            busy: here.chain(nodes.chain(peers)).any(untried),
            asked: None,
        }
    }

    /// Continues the search through all subscribers, a part of it at once.
    fn walk(
        &mut self,
        entry: &TopicSubscribers,
        total: u64,
        start: impl FnOnce() -> u64,
        (own, reach, links): (Option<UnicastTarget>, &Reach, &Links),
        credit: impl Fn(UnicastTarget) -> Allowance,
    ) -> DrawnTarget {
        let mut walk = self.walk.unwrap_or_else(|| SubscriberWalk {
            at: start(),
            left: total,
            round: SearchRound::Credit,
            crowded: false,
            busy: false,
            asked: None,
        });
        for _ in 0..LOOKS {
            let before = walk;
            if !walk.step(total) {
                break;
            }
            let at = walk.at % total;
            walk.at = at + 1;
            let Some(target) = pick(entry, at) else {
                continue;
            };
            if !reach.allows(target, links) || self.tried.contains(target) {
                continue;
            }
            // In the last round any target is acceptable.
            if walk.round != SearchRound::Any {
                let credit = credit(target);
                walk.crowded |= credit.alone && !credit.more;
                if !walk.round.allows(credit) {
                    continue;
                }
            }
            if let UnicastTarget::Session(session) = target
                && links.is_asked(session, &self.frame.seq)
            {
                walk.asked = Some(session);
            }
            let may = self.may_take(target, links);
            if may && Some(target) != own {
                // The target is passed over once it has been tried; a caller that only looks finds
                // it again.
                self.walk = Some(before);
                return DrawnTarget::Target(target);
            }
            walk.busy |= !may;
        }
        self.walk = Some(walk);
        if !walk.is_over() {
            return DrawnTarget::Later;
        }
        let topic = self.topic();
        let own = own.filter(|&own| match own {
            UnicastTarget::Session(session) => links.has_topic(session, topic),
            UnicastTarget::Fisco(_) | UnicastTarget::Node(_) => false,
        });
        match own.filter(|&own| !self.tried.contains(own) && self.may_take(own, links)) {
            Some(own) => DrawnTarget::Target(own),
            None => DrawnTarget::Nobody {
                busy: walk.busy,
                asked: walk.asked,
            },
        }
    }

    /// Returns whether a target can be sent the message now.
    fn may_take(&self, target: UnicastTarget, links: &Links) -> bool {
        match target {
            UnicastTarget::Session(session) => links.session_takes(session, &self.frame.seq),
            UnicastTarget::Fisco(peer) => {
                let group = |_| links.shares.identity(self.holder).group();
                links.peer_takes(peer, self.origin.lane(), self.frame.wire_len(), group)
            }
            // Whether there is a path is found out when the message is sent.
            UnicastTarget::Node(_) => true,
        }
    }
}

/// Returns the candidates to draw from, with their weights. Nodes with credit are weighted by the
/// subscribers that each claims.
///
/// If none has credit, nodes that lack it only because of others of their agency come first. If all
/// have used their credit, nodes with a larger credit are drawn more often, and all unproven nodes
/// of an agency together as often as one node: the subscribers that they claim do not count. A node
/// that pauses is drawn only if there is no other.
fn by_credit(mut candidates: Vec<(UnicastTarget, u64, Allowance)>) -> Vec<(UnicastTarget, u64)> {
    /// A shared credit is divided, so it is counted in parts.
    const PARTS: u64 = 1 << 16;
    if candidates.iter().any(|(.., credit)| credit.more) {
        candidates.retain(|(.., credit)| credit.more);
    } else {
        if candidates.iter().any(|(.., credit)| credit.alone) {
            candidates.retain(|(.., credit)| credit.alone);
        }
        if candidates.iter().any(|(.., credit)| credit.most > 0) {
            let mut sharers: BTreeMap<u64, u64> = BTreeMap::new();
            for agency in candidates.iter().filter_map(|(.., credit)| credit.shared) {
                *sharers.entry(agency).or_default() += 1;
            }
            for (_, weight, credit) in &mut candidates {
                let sharers = credit.shared.and_then(|agency| sharers.get(&agency));
                *weight = u64::from(credit.most) * PARTS / sharers.map_or(1, |&count| count);
            }
        }
    }
    let candidates = candidates.into_iter();
    candidates
        .map(|(target, weight, _)| (target, weight))
        .collect()
}

/// Returns the target at a point of the line on which every subscriber takes one step.
fn pick(entry: &TopicSubscribers, point: u64) -> Option<UnicastTarget> {
    let sessions = entry.sessions.len() as u64;
    if point < sessions {
        return entry
            .sessions
            .get(point as usize)
            .copied()
            .map(UnicastTarget::Session);
    }
    let point = point - sessions;
    if let Some(node) = entry.nodes.at(point) {
        return Some(UnicastTarget::Node(node));
    }
    let point = point.checked_sub(entry.nodes.total())?;
    entry
        .peers
        .get(point as usize)
        .copied()
        .map(UnicastTarget::Fisco)
}

fn is_subscribed(entry: &TopicSubscribers, target: UnicastTarget) -> bool {
    match target {
        UnicastTarget::Session(session) => entry.sessions.contains(&session),
        UnicastTarget::Fisco(_) | UnicastTarget::Node(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_were_tried_are_known() {
        let mut tried = TriedTargets::default();
        let target = |n| UnicastTarget::Session(SessionId(n));
        assert!(!tried.contains(target(1)));
        for n in [1, 2, 1, 3, 2] {
            tried.insert(target(n));
        }
        for n in 0..5 {
            assert_eq!(tried.contains(target(n)), (1..4).contains(&n), "{n}");
        }
        assert!(!tried.contains(UnicastTarget::Fisco(PeerId(1))));
    }
}
