//! Private topics: which remote nodes may be sent messages of which (channel-v2 section 9).
//!
//! A remote node that has a private topic is no candidate for it until a publisher of this node has
//! verified one of its subscribers. The node asks a publisher to do so (0x37), again every 5 s until
//! it is told the result (0x38). It asks about one subscriber after the other, so that one with a
//! wrong key does not stand before one with the right key.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::Router;
use crate::{
    channel::{Frame, FrameType, Seq, Verdict, verify_request},
    node::{Notice, PeerId, SessionId},
    p2p::{NodeId, mesh::NodeKey},
};

/// Private topics begin so.
pub(super) const NEED_VERIFY: &[u8] = crate::channel::private::NEED_VERIFY.as_bytes();

/// Behind this and a private topic, a subscriber takes challenges.
const VERIFY_ROUTE: &[u8] = crate::channel::private::VERIFY_ROUTE.as_bytes();

/// Behind this and a private topic, a publisher is asked to verify subscribers.
const PUSH_ROUTE: &[u8] = crate::channel::private::PUSH_ROUTE.as_bytes();

/// Between two requests to verify the same node for the same topic (channel-v2 section 9.3).
const AGAIN: Duration = Duration::from_secs(5);

/// A node that is not this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Remote {
    /// A neighbour that is none of ours.
    Peer(PeerId),
    /// One of ours.
    Node(NodeKey),
}

/// How far a remote node is with one private topic. It is forgotten when the node drops the topic or
/// cannot be reached any more.
#[derive(Debug, Clone, Default)]
struct Verification {
    /// Its subscribers.
    count: u32,
    /// One of them holds a granted key. Once said it stays (channel-v2 section 9.2).
    good: bool,
    /// The last request, until the good verdict.
    asked: Option<Asked>,
    /// The routes of those that do not. They stay among the node's topics, which bounds them.
    refused: BTreeSet<Bytes>,
}

/// A request to verify.
#[derive(Debug, Clone)]
struct Asked {
    at: Instant,
    /// By which the subscriber takes its challenge.
    route: Bytes,
    /// No verdict has come on it.
    open: bool,
}

/// The private topics of all remote nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Private {
    /// By topic first, since a publisher asks for all nodes of a topic.
    states: BTreeMap<(Bytes, Remote), Verification>,
    /// The same by the node, to find those that begin a route.
    topics: BTreeSet<(Remote, Bytes)>,
    /// When somebody is to be asked again, and about whom.
    due: BTreeSet<(Instant, (Bytes, Remote))>,
    /// Numbers the requests, in this process.
    asked: u64,
}

impl Private {
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.due.first().map(|&(at, _)| at)
    }

    /// The last private topic of a node that is not behind one in byte order.
    fn last_topic_up_to(&self, remote: Remote, bound: &Bytes) -> Option<Bytes> {
        let range = (remote, Bytes::new())..=(remote, bound.clone());
        self.topics
            .range(range)
            .next_back()
            .map(|(_, topic)| topic.clone())
    }

    pub(super) fn is_verified(&self, topic: &Bytes, remote: Remote) -> bool {
        self.states
            .get(&(topic.clone(), remote))
            .is_some_and(|state| state.good)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty()
    }
}

impl Router {
    /// A remote node's count for a topic changed. Private topics wait for their verification.
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
            self.private.states.remove(&key);
            self.private.topics.remove(&(remote, topic.clone()));
            self.set_candidate(remote, topic, 0);
            return;
        }
        self.private.topics.insert((remote, topic.clone()));
        let state = self.private.states.entry(key).or_default();
        state.count = count;
        if state.good {
            self.set_candidate(remote, topic, count);
        }
        self.request_verification(now, (topic.clone(), remote));
    }

    fn set_candidate(&mut self, remote: Remote, topic: &Bytes, count: u32) {
        match remote {
            Remote::Peer(peer) => self.table.set_peer(topic, peer, count > 0),
            Remote::Node(node) => self.table.set_node(topic, node, count),
        }
    }

    /// A remote node takes challenges on a route: that may be what a verification waited for.
    fn route_came(&mut self, now: Instant, remote: Remote, route: &[u8]) {
        // The route is a private topic, an underscore and a random suffix, all of which may hold
        // underscores: any prefix may be meant.
        // Of its prefixes only those are looked for that can be there: a step for each private topic of
        // the node that begins alike, not for each byte.
        let mut bound = Bytes::copy_from_slice(route);
        let mut meant = Vec::new();
        while let Some(topic) = self.private.last_topic_up_to(remote, &bound) {
            let alike = route.iter().zip(&topic[..]).take_while(|(a, b)| a == b);
            let alike = alike.count();
            if alike == topic.len() {
                meant.push(topic.clone());
                // All others that are meant are shorter.
                bound = topic.slice(..topic.len().saturating_sub(1));
            } else {
                bound = topic.slice(..alike);
            }
            if bound.len() < NEED_VERIFY.len() {
                break;
            }
        }
        for topic in meant {
            self.request_verification(now, (topic, remote));
        }
    }

    /// A session has a new topic: it may be a publisher that verifies.
    /// Returns how many nodes it was asked about, or might have been.
    pub(super) fn publisher_came(&mut self, now: Instant, topic: &[u8]) -> usize {
        let Some(private) = topic.strip_prefix(PUSH_ROUTE) else {
            return 0;
        };
        let private = Bytes::copy_from_slice(private);
        let first = (private.clone(), Remote::Peer(PeerId(0)));
        let waiting: Vec<(Bytes, Remote)> = self
            .private
            .states
            .range(first..)
            .map(|(key, _)| key.clone())
            .take_while(|(topic, _)| *topic == private)
            .collect();
        let count = waiting.len();
        for key in waiting {
            self.request_verification(now, key);
        }
        count
    }

    /// Asks a publisher to verify a remote node, if it is to be verified, was not asked about lately,
    /// and can be.
    fn request_verification(&mut self, now: Instant, key: (Bytes, Remote)) {
        let Some(state) = self.private.states.get(&key) else {
            return;
        };
        let waits = |asked: &Asked| asked.at + AGAIN > now;
        if state.good || state.asked.as_ref().is_some_and(waits) {
            return;
        }
        let (topic, remote) = &key;
        let Some(route) = self.next_route(*remote, topic, state) else {
            return;
        };
        let Some(node) = self.node_id_of(*remote) else {
            return;
        };
        let push_topic = [PUSH_ROUTE, topic].concat();
        let Some(publishers) = self.table.get(&push_topic) else {
            return;
        };
        let turn = usize::try_from(self.private.asked).unwrap_or_default();
        let Some(&session) = publishers
            .sessions
            .get(turn % publishers.sessions.len().max(1))
        else {
            return;
        };
        self.private.asked += 1;
        let mut seq = [b'0'; Seq::LEN];
        seq.copy_from_slice(format!("{:032}", self.private.asked).as_bytes());
        let body = verify_request(&node, topic, &route);
        if let Some(state) = self.private.states.get_mut(&key) {
            let open = true;
            state.asked = Some(Asked {
                at: now,
                route,
                open,
            });
        }
        self.private.due.insert((now + AGAIN, key));
        let frame = Frame::new(FrameType::VERIFY_PEER, Seq(seq), body);
        self.send_session(session, frame);
    }

    /// The route to ask about: in byte order the one behind that asked about last, without those
    /// refused.
    fn next_route(&self, remote: Remote, topic: &[u8], state: &Verification) -> Option<Bytes> {
        let prefix = [VERIFY_ROUTE, topic].concat();
        let open = |from: Bytes| {
            self.routes(remote, &prefix, from)
                .find(|route| !state.refused.contains(route))
        };
        let behind = |asked: &Asked| open([&asked.route[..], b"\0"].concat().into());
        let next = state.asked.as_ref().and_then(behind);
        next.or_else(|| open(prefix.clone().into()))
    }

    /// The topics of a remote node that have a prefix, in byte order from one on.
    pub(super) fn routes(
        &self,
        remote: Remote,
        prefix: &[u8],
        from: Bytes,
    ) -> impl Iterator<Item = Bytes> {
        let first = move |from: Bytes| match remote {
            Remote::Peer(peer) => self.links.peers.get(&peer)?.topics.range(from..).next(),
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
            Remote::Peer(peer) => self.links.peers.get(&peer)?.node,
            Remote::Node(node) => self.mesh.node_id(node),
        }
    }

    /// Asks again where no verdict has come.
    pub(super) fn verifications_due(&mut self, now: Instant) {
        while let Some((at, key)) = self.private.due.pop_first() {
            if at > now {
                self.private.due.insert((at, key));
                return;
            }
            self.request_verification(now, key);
        }
    }

    /// A publisher's verdict, 0x38; `None` if it could not be read.
    pub(super) fn verdict(&mut self, session: SessionId, verdict: Option<Verdict>) {
        let Some(Verdict { topic, node, good }) = verdict else {
            return self.notice(Notice::BadVerdict {
                session,
                what: "is malformed",
            });
        };
        // Any SDK of this node could open a private topic otherwise.
        let push_topic = [PUSH_ROUTE, &topic].concat();
        let entitled = self
            .links
            .sessions
            .get(&session)
            .is_some_and(|link| link.topics.contains_key(&push_topic[..]));
        if !entitled {
            return self.notice(Notice::BadVerdict {
                session,
                what: "is of no publisher of that topic",
            });
        }
        let remote = self
            .links
            .peers
            .iter()
            .find(|(_, link)| link.node == Some(node))
            .map(|(&peer, _)| Remote::Peer(peer))
            .filter(|&remote| self.private.states.contains_key(&(topic.clone(), remote)))
            .unwrap_or(Remote::Node(NodeKey::from(&node)));
        let Some(state) = self.private.states.get_mut(&(topic.clone(), remote)) else {
            return self.notice(Notice::BadVerdict {
                session,
                what: "is about a node without that topic",
            });
        };
        // Only the first good verdict counts (channel-v2 section 9.2).
        if state.good {
            return;
        }
        // One that nobody asked for is of a time before the node came, or made up.
        let Some(asked) = state.asked.as_mut().filter(|asked| asked.open) else {
            return self.notice(Notice::BadVerdict {
                session,
                what: "was not asked for",
            });
        };
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
        self.notice(Notice::Verdict {
            session,
            node,
            good,
        });
    }

    /// The subscriber behind a route holds no granted key. The node is asked about another when it is
    /// time: one with many routes must not keep publishers busy.
    fn refuse(&mut self, key: (Bytes, Remote), route: Bytes) {
        let Some(mut state) = self.private.states.remove(&key) else {
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
        self.private.states.insert(key, state);
    }
}
