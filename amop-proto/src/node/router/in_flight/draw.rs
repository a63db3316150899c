//! Draws the subscriber that a unicast goes to.

use std::collections::BTreeMap;

use rand::RngExt;

use super::{
    credit::Allowance,
    reach::Reach,
    unicast::Unicast,
    walk::{DrawnTarget, SearchRound, SubscriberWalk},
};
use crate::{
    node::{
        dice::Dice,
        router::{
            ends::{Origin, UnicastTarget},
            outbound::Links,
            topics::TopicSubscribers,
        },
    },
    p2p::mesh::RoutingKey,
};

/// The number of random draws among many subscribers before all are searched.
const DRAWS: u64 = 32;

/// The number of subscribers searched for one event: some 20 microseconds.
const LOOKS: usize = 256;

impl Unicast {
    /// Draws one subscriber uniformly among those that can take the message.
    ///
    /// The publisher's own session is drawn only when there is no other: go-sdk and java-sdk treat
    /// a push with the seq of their own pending request as its response. In that case it is drawn
    /// nevertheless, and not left out with result 104, because it is a subscriber and other SDKs
    /// answer such a push (channel-v2 section 7.6: it must be eligible, and may be skipped for
    /// others).
    pub(in crate::node::router) fn draw(
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
