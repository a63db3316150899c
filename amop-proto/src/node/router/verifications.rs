//! Private topics: which remote nodes may be sent messages on them (channel-v2 section 9).
//!
//! A remote node that has a private topic is not a candidate for it until a publisher of this node
//! has verified one of its subscribers. The node asks a publisher to do so (0x37), again every 5 s
//! until it gets the result (0x38). It asks about one subscriber after the other, so that one with
//! a wrong key does not block one with the right key.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::Router;
use crate::{
    channel::{Frame, FrameType, Seq, Verdict, verify_request},
    node::{NodeNotice, PeerId, SessionId, sooner},
    p2p::{NodeId, mesh::RoutingKey},
};

/// The prefix of private topics.
pub(super) const NEED_VERIFY: &[u8] = crate::channel::private::NEED_VERIFY.as_bytes();

/// The prefix, before a private topic, of the topic on which a subscriber takes challenges.
const VERIFY_ROUTE: &[u8] = crate::channel::private::VERIFY_ROUTE.as_bytes();

/// The prefix, before a private topic, of the topic on which a publisher is asked to verify
/// subscribers.
const PUSH_ROUTE: &[u8] = crate::channel::private::PUSH_ROUTE.as_bytes();

/// The time between two requests to verify the same node for the same topic (channel-v2 section
/// 9.3).
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// A route is a private topic, an underscore and a random suffix. The suffixes of SDKs are 32 hex
/// digits; suffixes with up to this many underscores are understood as well.
const UNDERSCORES: usize = 8;

/// The number of verifications looked at for one event: some 100 microseconds.
const SLICE: usize = 64;

/// The number of nodes of one topic looked at before another topic has its turn.
const TURN: usize = 16;

/// The pause between two slices, in which other work is done.
const PAUSE: Duration = Duration::from_millis(1);

/// The number of routes of a node's topic that are remembered as refused. Further ones are asked
/// about again in turn.
const MAX_REFUSED: usize = 64;

/// The number of publishers asked about a subscriber that may still judge it.
const JUDGES: usize = 8;

/// A node other than this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Remote {
    /// A peer that is not an overlay node.
    Fisco(PeerId),
    /// An overlay node.
    Node(RoutingKey),
}

/// The state of a remote node's verification for one private topic. It is forgotten when the node
/// drops the topic or can no longer be reached.
#[derive(Debug, Clone, Default)]
struct Verification {
    /// The number of its subscribers.
    count: u32,
    /// Whether one of them holds a granted key. Once this is set it stays (channel-v2 section 9.2).
    good: bool,
    /// The last request, until the good verdict.
    asked: Option<VerifyRequestSent>,
    /// The routes of subscribers without such a key, while they stay among the node's topics.
    refused: BTreeSet<Bytes>,
}

impl Verification {
    /// Returns whether a publisher may be asked now.
    fn is_ready(&self, now: Instant) -> bool {
        let waits = |asked: &VerifyRequestSent| asked.at + ASK_AGAIN_AFTER > now;
        !self.good && !self.asked.as_ref().is_some_and(waits)
    }
}

/// A request to verify.
#[derive(Debug, Clone)]
struct VerifyRequestSent {
    at: Instant,
    /// The route on which the subscriber takes its challenge.
    route: Bytes,
    /// Whether no verdict on it has come.
    open: bool,
    /// The sessions asked about this topic of the node so far, the latest last.
    judges: Vec<SessionId>,
}

/// How far the nodes of a topic have been searched for a publisher that came.
#[derive(Debug, Clone, Default)]
struct Scan {
    after: Option<Remote>,
    /// Whether another publisher came meanwhile.
    again: bool,
}

/// The private topics of all remote nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Verifications {
    /// By topic first, because a publisher is asked about all nodes of a topic.
    states: BTreeMap<(Bytes, Remote), Verification>,
    /// The topics whose nodes are being searched, in turns.
    turns: VecDeque<Bytes>,
    scans: BTreeMap<Bytes, Scan>,
    /// When to continue work that was too much at once.
    resume: Option<Instant>,
    /// When a publisher must be asked again, and about what.
    due: BTreeSet<(Instant, (Bytes, Remote))>,
    /// Counts the requests of this process.
    asked: u64,
}

impl Verifications {
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let due = self.due.first().map(|&(at, _)| at);
        match self.resume {
            None => due,
            Some(resume) => {
                let due = due.map(|at| at.max(resume));
                sooner(due, (!self.turns.is_empty()).then_some(resume))
            }
        }
    }

    /// Returns the nodes of a topic after `after`, at most `most`.
    fn nodes_after(&self, topic: &Bytes, after: Option<Remote>, most: usize) -> Vec<Remote> {
        let least = Remote::Fisco(PeerId(u64::MIN));
        let start = match after {
            Some(after) => Bound::Excluded((topic.clone(), after)),
            None => Bound::Included((topic.clone(), least)),
        };
        let states = self.states.range((start, Bound::Unbounded));
        states
            .map(|(key, _)| key)
            .take_while(|(other, _)| other == topic)
            .map(|&(_, remote)| remote)
            .take(most)
            .collect()
    }

    pub(super) fn is_verified(&self, topic: &Bytes, remote: Remote) -> bool {
        self.states
            .get(&(topic.clone(), remote))
            .is_some_and(|state| state.good)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty() && self.turns.is_empty()
    }
}

impl Router {
    /// Handles a change of a remote node's count for a topic. Private topics wait for verification.
    pub(super) fn set_remote(&mut self, now: Instant, remote: Remote, topic: &Bytes, count: u32) {
        if !topic.starts_with(NEED_VERIFY) {
            self.set_candidate(remote, topic, count);
            if count > 0
                && let Some(route) = topic.strip_prefix(VERIFY_ROUTE)
            {
                self.route_came(now, remote, route);
            }
            return;
        }
        let key = (topic.clone(), remote);
        if count == 0 {
            self.verifications.states.remove(&key);
            self.set_candidate(remote, topic, 0);
            return;
        }
        let state = self.verifications.states.entry(key).or_default();
        state.count = count;
        if state.good {
            self.set_candidate(remote, topic, count);
        }
        self.request_verification(now, (topic.clone(), remote));
    }

    fn set_candidate(&mut self, remote: Remote, topic: &Bytes, count: u32) {
        match remote {
            Remote::Fisco(peer) => self.table.set_peer(topic, peer, count > 0),
            Remote::Node(node) => self.table.set_node(topic, node, count),
        }
    }

    /// Handles a new route of a remote node: a verification may have waited for it.
    fn route_came(&mut self, now: Instant, remote: Remote, route: &[u8]) {
        let underscores = (NEED_VERIFY.len()..route.len()).rev();
        let ends = underscores.filter(|&at| route[at] == b'_');
        let mut push_topic = Vec::with_capacity(PUSH_ROUTE.len() + route.len());
        for end in ends.take(UNDERSCORES) {
            self.counters.verification_looks += 1;
            push_topic.clear();
            push_topic.extend_from_slice(PUSH_ROUTE);
            push_topic.extend_from_slice(&route[..end]);
            // Usually this node has no publisher of it, and there is nothing more to do.
            if self.table.is_subscribed_here(&push_topic) {
                let topic = Bytes::copy_from_slice(&route[..end]);
                self.request_verification(now, (topic, remote));
            }
        }
    }

    /// Handles a new topic of a session, which may be a publisher that verifies. Returns how many
    /// nodes it was asked about, or might have been.
    pub(super) fn publisher_came(&mut self, now: Instant, topic: &[u8]) -> usize {
        let Some(private) = topic.strip_prefix(PUSH_ROUTE) else {
            return 0;
        };
        let private = Bytes::copy_from_slice(private);
        if let Some(scan) = self.verifications.scans.get_mut(&private) {
            scan.again = true;
            return 0;
        }
        let (looked, after) = self.scan(now, &private, None, TURN);
        if after.is_some() {
            let again = false;
            self.verifications
                .scans
                .insert(private.clone(), Scan { after, again });
            self.verifications.turns.push_back(private);
            self.verifications.resume.get_or_insert(now + PAUSE);
        }
        looked
    }

    /// Asks about the next nodes of a topic after `after`. Returns how many there were, and the
    /// last one if there may be more.
    fn scan(
        &mut self,
        now: Instant,
        topic: &Bytes,
        after: Option<Remote>,
        most: usize,
    ) -> (usize, Option<Remote>) {
        let nodes = self.verifications.nodes_after(topic, after, most);
        for &remote in &nodes {
            self.counters.verification_looks += 1;
            self.request_verification(now, (topic.clone(), remote));
        }
        let last = nodes.last().copied().filter(|_| nodes.len() == most);
        (nodes.len(), last)
    }

    /// Continues with the topic whose turn it is. Returns how many nodes were looked at.
    fn go_on_scanning(&mut self, now: Instant, most: usize) -> Option<usize> {
        let topic = self.verifications.turns.pop_front()?;
        let mut scan = self.verifications.scans.remove(&topic)?;
        let (looked, mut after) = self.scan(now, &topic, scan.after, most);
        let again = after.is_none() && std::mem::take(&mut scan.again);
        if again {
            after = None;
        }
        if again || after.is_some() {
            scan.after = after;
            self.verifications.scans.insert(topic.clone(), scan);
            self.verifications.turns.push_back(topic);
        }
        Some(looked.max(1))
    }

    /// Asks a publisher to verify a remote node, if this is needed, possible, and was not asked
    /// recently.
    fn request_verification(&mut self, now: Instant, key: (Bytes, Remote)) {
        let (topic, remote) = &key;
        let push_topic = [PUSH_ROUTE, topic].concat();
        let Some(publishers) = self.table.get(&push_topic) else {
            return;
        };
        let turn = usize::try_from(self.verifications.asked).unwrap_or_default();
        let turn = turn % publishers.sessions.len().max(1);
        let Some(&session) = publishers.sessions.get(turn) else {
            return;
        };
        let state = self.verifications.states.get(&key);
        let Some(state) = state.filter(|state| state.is_ready(now)) else {
            return;
        };
        let Some(route) = self.next_route(*remote, topic, state) else {
            return;
        };
        let Some(node) = self.node_id_of(*remote) else {
            return;
        };
        self.verifications.asked += 1;
        let mut seq = [b'0'; Seq::LEN];
        seq.copy_from_slice(format!("{:032}", self.verifications.asked).as_bytes());
        let body = verify_request(&node, topic, &route);
        if let Some(state) = self.verifications.states.get_mut(&key) {
            let before = state.asked.take();
            let mut judges = before.map(|asked| asked.judges).unwrap_or_default();
            judges.retain(|&judge| judge != session);
            if judges.len() == JUDGES {
                judges.remove(0);
            }
            judges.push(session);
            state.asked = Some(VerifyRequestSent {
                at: now,
                route,
                open: true,
                judges,
            });
        }
        self.verifications.due.insert((now + ASK_AGAIN_AFTER, key));
        let frame = Frame::new(FrameType::VERIFY_PEER, Seq(seq), body);
        self.send_session(session, frame);
    }

    /// Returns the route to ask about: the next one in byte order after the one asked about last,
    /// without refused routes.
    fn next_route(&self, remote: Remote, topic: &[u8], state: &Verification) -> Option<Bytes> {
        let prefix = [VERIFY_ROUTE, topic].concat();
        let open = |from: Bytes| {
            self.routes(remote, &prefix, from)
                .find(|route| !state.refused.contains(route))
        };
        let behind = |asked: &VerifyRequestSent| open([&asked.route[..], b"\0"].concat().into());
        let next = state.asked.as_ref().and_then(behind);
        next.or_else(|| open(prefix.clone().into()))
    }

    /// Returns the topics of a remote node that have a prefix, in byte order, starting at `from`.
    pub(super) fn routes(
        &self,
        remote: Remote,
        prefix: &[u8],
        from: Bytes,
    ) -> impl Iterator<Item = Bytes> {
        let first = move |from: Bytes| match remote {
            Remote::Fisco(peer) => self.links.peers.get(&peer)?.topics.range(from..).next(),
            Remote::Node(node) => self.mesh.first_topic_from(node, from),
        };
        let route = move |from| {
            first(from)
                .filter(|topic| topic.starts_with(prefix))
                .cloned()
        };
        std::iter::successors(route(from), move |last| {
            route([last, &b"\0"[..]].concat().into())
        })
    }

    fn node_id_of(&self, remote: Remote) -> Option<NodeId> {
        match remote {
            Remote::Fisco(peer) => self.links.peers.get(&peer)?.node,
            Remote::Node(node) => self.mesh.node_id(node),
        }
    }

    /// Asks again where no verdict has come, and continues work that was too much at once.
    pub(super) fn verifications_due(&mut self, now: Instant) {
        if self.verifications.next_timeout().is_none_or(|at| at > now) {
            return;
        }
        let mut left = SLICE;
        while left > 0
            && let Some((at, _)) = self.verifications.due.first()
            && *at <= now
            && let Some((_, key)) = self.verifications.due.pop_first()
        {
            self.counters.verification_looks += 1;
            self.request_verification(now, key);
            left -= 1;
        }
        // Scans get some of the work as well, however many requests are due.
        left += TURN;
        while left > 0
            && let Some(looked) = self.go_on_scanning(now, left.min(TURN))
        {
            left -= looked.min(left);
        }
        let due = self
            .verifications
            .due
            .first()
            .is_some_and(|(at, _)| *at <= now);
        let more = due || !self.verifications.turns.is_empty();
        self.verifications.resume = more.then(|| now + PAUSE);
    }

    /// Handles a publisher's verdict, 0x38; `None` if it could not be read.
    pub(super) fn verdict(&mut self, session: SessionId, verdict: Option<Verdict>) {
        let Some(Verdict { topic, node, good }) = verdict else {
            return self.notice(NodeNotice::BadVerdict {
                session,
                what: "is malformed",
            });
        };
        // Otherwise any SDK of this node could open a private topic.
        let push_topic = [PUSH_ROUTE, &topic].concat();
        let entitled = self
            .links
            .sessions
            .get(&session)
            .is_some_and(|link| link.topics.contains_key(&push_topic[..]));
        if !entitled {
            return self.notice(NodeNotice::BadVerdict {
                session,
                what: "is from a session that does not publish that topic",
            });
        }
        let key = RoutingKey::from(&node);
        let remote = self
            .links
            .peer_with(key)
            .map(Remote::Fisco)
            .filter(|&remote| {
                self.verifications
                    .states
                    .contains_key(&(topic.clone(), remote))
            })
            .unwrap_or(Remote::Node(key));
        let Some(state) = self.verifications.states.get_mut(&(topic.clone(), remote)) else {
            return self.notice(NodeNotice::BadVerdict {
                session,
                what: "is about a node without that topic",
            });
        };
        // Only the first good verdict counts (channel-v2 section 9.2).
        if state.good {
            return;
        }
        // An unrequested verdict is from a time before the node came, or invented.
        let Some(asked) = state.asked.as_mut().filter(|asked| asked.open) else {
            return self.notice(NodeNotice::BadVerdict {
                session,
                what: "was not asked for",
            });
        };
        if !asked.judges.contains(&session) {
            return self.notice(NodeNotice::BadVerdict {
                session,
                what: "is from a session that was not asked",
            });
        }
        if good {
            *state = Verification {
                count: state.count,
                good,
                ..Verification::default()
            };
            let count = state.count;
            self.set_candidate(remote, &topic, count);
        } else {
            asked.open = false;
            let route = asked.route.clone();
            self.refuse((topic, remote), route);
        }
        self.notice(NodeNotice::Verdict {
            session,
            node,
            good,
        });
    }

    /// Records that the subscriber behind a route holds no granted key. The node is asked about
    /// another one at the next due time: a node with many routes must not keep publishers busy.
    fn refuse(&mut self, key: (Bytes, Remote), route: Bytes) {
        let Some(mut state) = self.verifications.states.remove(&key) else {
            return;
        };
        let (topic, remote) = &key;
        let prefix = [VERIFY_ROUTE, topic].concat();
        let held = |route: &Bytes| {
            let mut routes = self.routes(*remote, &prefix, route.clone());
            routes.next().as_ref() == Some(route)
        };
        state.refused.insert(route);
        state.refused.retain(held);
        if state.refused.len() > MAX_REFUSED {
            state.refused.pop_first();
        }
        self.verifications.states.insert(key, state);
    }
}
